// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tuner/change_engine.h"
#include "tuner/ledger.h"
#include "user/base/result.h"
#include "user/cli.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// What was changed on this host: before, after, and what that did, as it was measured.
ReportSection changes_section(const Ledger& ledger, const Instant& now);
// When, for the timeline: those that began from then on, and up to then.
std::vector<TimelineMark> change_marks(const Ledger& ledger, const Instant& now,
                                       std::int64_t from_ns, std::int64_t to_ns);

// tune report: that alone, in any form of a report.
Result<int> run_tune_report(const Options& options);

}  // namespace netsonde
