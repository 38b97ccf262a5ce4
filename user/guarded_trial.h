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

// Of which set, and what of it was left there last.
struct GuardedSet {
  std::uint64_t number = 0;
  std::int64_t begun_ns = 0;
  bool in_force = true;
};

// The journal is held only while it is needed: somebody may end the trial with a rollback.
Result<> switch_guarded(GuardedSet& set, bool tried);

// The connections that were opened while what is tried was in force.
class OpenedMeanwhile {
 public:
  // connected: how many were in all until now, when the turn changes.
  void turn(bool tried, double connected) {
    add(connected);
    in_force_ = tried;
  }
  double count(double connected) {
    add(connected);
    return with_;
  }

 private:
  void add(double connected) {
    if (in_force_) with_ += connected - last_;
    last_ = connected;
  }

  bool in_force_ = false;
  double last_ = 0, with_ = 0;
};
// What is tried does nothing for connections that are open, and none was opened: nothing was
// measured of it.
void no_connection_had_it(TrialReport& report);

// What it has found so far; problem: why nothing could be measured, if it was so.
TrialReport report_of(const Trial& trial, const std::string& problem);

// All blocks say that it is better, and no figure that guards became worse than is tolerated.
bool is_proven(const TrialReport& report);

// Kept or undone, with what was measured. What became of it, in words.
Result<std::string> conclude(const GuardedSet& begun, const TrialReport& report, bool keep);

}  // namespace netsonde
