// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tuner/policy.h"
#include "user/base/result.h"
#include "user/cli.h"
#include "user/tuned_host.h"

namespace netsonde {

// tune plan: what was found, and what that allows to propose. It changes nothing.
Result<int> run_tune_plan(const Options& options);

// What the findings allow to propose here, without what somebody else has set and what is left out.
// tries: what only an experiment decides is proposed too. counted_in: the network namespace whose
// counters were looked at, by its inode; 0: our own.
Result<Plan> plan_of_findings(std::span<const Finding> findings, const TuneOptions& options,
                              bool tries, SettingsOfHost& host, std::uint64_t counted_in = 0);
Goal goal_of(const TuneOptions& options);
// Takes out what --only and --except do not want; what that was, each setting once.
std::vector<Considered> leave_out(Plan& plan, const TuneOptions& options);
// That what is named as a setting, also with --only and --except, is one.
Result<> check_settings(const TuneOptions& options);
// That there is a profile of that name, be it that its file cannot be used.
Result<> check_profile(const std::string& name);

// Those that came with netsonde, and those of the administrator.
Result<int> list_profiles(const Options& options);
Result<int> show_profile(const Options& options);
Result<Plan> plan_of_profile(const std::string& name, SettingsOfHost& host);

}  // namespace netsonde
