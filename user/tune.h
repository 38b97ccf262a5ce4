// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// netsonde tune: what its action asks for. Its exit status; 2 for arguments without meaning.
Result<int> run_tune(const Options& options);

}  // namespace netsonde
