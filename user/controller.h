// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// Runs the command to its end. The value is the exit status: 0 done, 1 the host cannot do it, 2 an
// argument means nothing.
Result<int> run(const Options& options);

}  // namespace netsonde
