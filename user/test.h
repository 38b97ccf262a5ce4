// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// Tests one HTTP endpoint and reports on it. The value is the exit status: 1 where nothing could be
// measured, 2 for an argument that means nothing.
Result<int> run_test(const Options& options);

}  // namespace netsonde
