// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "user/sinks/report/report.h"
#include "user/sinks/report/timeline_log.h"

namespace netsonde {

// The verdict in one sentence and the summary in a few, from what the report holds already.
void add_words(Report& report, const TimelineLog& timeline);

// "10:00:00", or with its day where the report spans several.
std::string clock_text(std::int64_t ns_since_epoch, const Report& report);
// The same of the begin of a bin, with milliseconds where bins may be shorter than a second.
std::string bin_text(const TimelineBin& bin, const Report& report);
// "2026-11-27, 10:00:00 to 10:00:30 UTC".
std::string period_text(const Report& report);
// "12 connections, 3.4MiB, 2.0s": what is known of it.
std::string impact_text(const Impact& impact);
// "from 10:00:03 on, last found in the 10s before the end; 2 times".
std::string when_text(const ReportFinding& finding, const Report& report);
// "srtt_us 1.25ms, ...".
std::string evidence_text(const Finding& finding);
// How it was measured: labels and what belongs to them.
std::vector<std::pair<std::string_view, std::string>> measured_words(const Report& report);
// The timeline in at most so many rows, the mean of each.
ReportTable timeline_table(const Report& report, std::size_t most);
std::string listed(const std::vector<std::string_view>& ids);
// With the unit that human() leaves out: "3.4MiB/s", "12/s", "0.5%".
std::string quantity(double value, Unit unit);

}  // namespace netsonde
