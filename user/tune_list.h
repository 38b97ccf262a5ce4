// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// netsonde tune list.
Result<int> list_settings(const Options& options);

}  // namespace netsonde
