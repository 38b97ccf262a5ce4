// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/cli.h"
#include "user/tuned_host.h"

namespace netsonde {

// tune apply, confirm, rollback and recover: what changes this host.
Result<int> apply_plan(const Options& options);
Result<int> confirm_changes();
Result<int> roll_back_changes(const Options& options);
Result<int> recover_changes();
Result<int> hand_back_keys(const Options& options);

// Parts of it for whoever changes settings too.

// "KEY=VALUE ..." as sysctl(8) takes them; what is so already is left out.
Result<Plan> plan_of_values(const std::vector<std::string>& wanted, SettingsOfHost& host);
// Whether the user, who is asked unless --yes was given, wants it.
Result<bool> is_wanted(const Plan& plan, const Options& options);
// What an interrupted run has left is undone; fails where that is not possible.
Result<> undo_interrupted();
// Writes the plan, behind a guard. deadline_after 0: none, but the guard is bound to this process.
struct Applied {
  std::uint64_t set = 0;
  std::int64_t begun_ns = 0;
};
Result<Applied> apply(const Plan& plan, Nanos deadline_after);

}  // namespace netsonde
