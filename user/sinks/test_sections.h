// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "user/model/test_results.h"
#include "user/sinks/report/report.h"
#include "user/sinks/test_report.h"

namespace netsonde {

// The parts of a test's report, of what was to be measured: what was not says why.
std::vector<ReportSection> test_sections(const TestResults& results, const TestSubject& subject);

}  // namespace netsonde
