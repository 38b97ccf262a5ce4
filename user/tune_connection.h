// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// tune connection: changes the live connections that a filter accepts, as tune apply changes
// settings.
Result<int> change_connections(const Options& options);

}  // namespace netsonde
