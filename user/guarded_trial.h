// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "tuner/ledger.h"
#include "tuner/trial.h"
#include "user/base/result.h"
#include "user/model/filter.h"
#include "user/tune_output.h"

namespace netsonde {

// A Trial of a change set that a guard, bound to this process, would undo.

// Only the traffic of where the settings hold counts.
Result<Filter> traffic_of(std::span<const Proposal> proposals);

// The journal is held only while it is needed: somebody may end the trial with a rollback.
Result<> switch_guarded(std::uint64_t set, bool tried);

// What it has found so far; problem: why nothing could be measured, if it was so.
TrialReport report_of(const Trial& trial, const std::string& problem);

// All blocks say that it is better, and no figure that guards became worse than is tolerated.
bool is_proven(const TrialReport& report);

// Kept or undone, with what was measured. What became of it, in words.
Result<std::string> conclude(const ChangeSet& begun, const TrialReport& report, bool keep);

}  // namespace netsonde
