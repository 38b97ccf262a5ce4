// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/base/result.h"
#include "user/cli.h"
#include "user/tuned_host.h"

namespace netsonde {

// tune plan: what was found, and what that allows to propose. It changes nothing.
Result<int> run_tune_plan(const Options& options);

// Those that came with netsonde, and those of the administrator.
Result<int> list_profiles();
Result<int> show_profile(const Options& options);
Result<Plan> plan_of_profile(const std::string& name, SettingsOfHost& host);

}  // namespace netsonde
