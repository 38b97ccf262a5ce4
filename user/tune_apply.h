// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// tune apply, confirm, rollback and recover: what changes this host.
Result<int> apply_plan(const Options& options);
Result<int> confirm_changes();
Result<int> roll_back_changes(const Options& options);
Result<int> recover_changes();
Result<int> hand_back_keys(const Options& options);

}  // namespace netsonde
