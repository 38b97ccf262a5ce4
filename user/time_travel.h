// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/request.h"

namespace netsonde {

// The live view on a recording: played, paused, and moved about in time. Needs a terminal but no
// privileges.
Result<int> run_time_travel(const Options& options, Request& request);

}  // namespace netsonde
