// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/request.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// Whether the file that the options name can be written; before all work.
Result<> check_report_file(const Options& options);
// Into it, or to standard output, in the form that the options ask for.
Result<> write_report(const Report& report, const Options& options);

// netsonde report: all that was found in the duration, or in a recording, on one page.
Result<int> run_report(const Options& options, const Request& request);

}  // namespace netsonde
