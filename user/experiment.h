// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// Measures ways of asking for a URL side by side and prints what they gain. The value is the exit
// status: 1 when nothing could be measured, 2 for arguments that make no sense.
Result<int> run_experiment(const Options& options);

}  // namespace netsonde
