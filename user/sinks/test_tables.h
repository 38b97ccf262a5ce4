// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "user/model/knee.h"
#include "user/model/test_results.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// What the test of an endpoint has measured, as tables: their ids and columns are in the manual.

ReportTable latency_table(const TestResults& results);
ReportTable bandwidth_table(const TestResults& results);
ReportTable sweep_table(const TestResults& results);
ReportTable open_loop_table(const OpenLoopResult& result);
// By stage, with the share of what succeeded and what that allows to say of others (Wilson).
ReportTable reliability_table(const TestResults& results);
// Over the time, in at most twelve parts.
ReportTable over_time_table(const TestResults& results, std::int64_t to_epoch_ns);
ReportTable failure_table(const TestResults& results);
ReportTable round_trip_table(const ResponsivenessResult& result);
// Where the round trips grew longer.
ReportTable bloat_table(const ResponsivenessResult& result);

// Of buckets as fine as about twenty of them allow.
ReportHistogram histogram_of(const Statistics& values_us, std::string_view id,
                             std::string_view title);

// Of all stages.
FailureCounts failures_of(const TestResults& results);
struct Outcome {
  std::uint64_t answered = 0, failed = 0;
};
Outcome outcome_of(const TestResults& results);
std::optional<Knee> knee_of(const TestResults& results);
// That with the highest throughput; nullptr where none was measured.
const SweepLevel* best_level(const TestResults& results);

}  // namespace netsonde
