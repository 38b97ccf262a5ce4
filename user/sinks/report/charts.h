// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "user/sinks/report/report.h"

namespace netsonde {

// The one way for any text into the page, between tags and in quoted attributes alike.
std::string html(std::string_view untrusted);

// A chart for each scale that has something to show, what the findings did above them.
std::string charts_html(const Report& report);
// What the script tells of them: JSON that ends no script element.
std::string chart_data(const Report& report);
std::string curve_html(const ReportCurve& curve);
std::string histogram_html(const ReportHistogram& histogram);

}  // namespace netsonde
