// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tuner/plan.h"
#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// tune apply --auto: the measurement confirms. One proposal after the other is tried on the traffic
// that there is, and stays only when it proved itself. Status 0 when all did.
Result<int> apply_by_measurement(const Plan& plan, const Options& options);

}  // namespace netsonde
