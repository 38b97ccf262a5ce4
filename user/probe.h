// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// Measures targets and prints each attempt. The value is the exit status: 0 all went well, 1 an
// attempt failed, 2 an argument means nothing, 4 what was expected does not hold.
Result<int> run_probe(const Options& options);

}  // namespace netsonde
