// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// Asks DNS servers the same and prints how they compare. The value is the exit status: 1 when a
// question got no answer, 2 for a type or a server that is none.
Result<int> run_dns(const Options& options);

}  // namespace netsonde
