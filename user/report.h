// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/request.h"

namespace netsonde {

// netsonde report: all that was found in the duration, or in a recording, on one page.
Result<int> run_report(const Options& options, const Request& request);

}  // namespace netsonde
