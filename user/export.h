// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/request.h"

namespace netsonde {

// netsonde export: a recording in a form that other programs read. The file gets its name when it
// is complete; how many records came in and went out is told on standard error.
Result<int> run_export(const Options& options, const Request& request);

}  // namespace netsonde
