// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"

namespace netsonde {

// Prints what this host can show, how, at what cost, and what would hurt. The value is 0 when the
// live view can run here, else 1.
Result<int> run_doctor(bool json);

}  // namespace netsonde
