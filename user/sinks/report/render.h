// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/base/json.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// The forms of a report. The same report gives the same bytes.

// The contract; the manual describes its keys.
Json to_json(const Report& report);
// Lines of at most width columns, but for tables that have a longer name in them.
std::string to_text(const Report& report, int width);
// GitHub's dialect.
std::string to_markdown(const Report& report);
// One page that needs nothing else.
std::string to_html(const Report& report);

}  // namespace netsonde
