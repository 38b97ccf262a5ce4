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
// Asks, unless told not to, applies it behind a guard and says so; waits if wanted.
Result<int> apply_if_wanted(const Plan& plan, const Options& options);
// Whether the user, who is asked unless --yes was given, wants it; with what there is to know.
Result<bool> is_wanted(const Plan& plan, const Options& options, const std::string& note = {});
// Fails where nobody could be asked.
Result<> check_asking(const Options& options);

}  // namespace netsonde
