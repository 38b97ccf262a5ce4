// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tuner/policy.h"
#include "tuner/trial.h"
#include "user/base/units.h"

namespace netsonde {

// How a setting shows on live traffic whether it helps.
struct Proof {
  std::string_view key{};
  std::string_view metric{};  // of user/model/trial.h
  TrialDesign design = TrialDesign::Turns;
  bool opened_later = false;  // it does nothing for connections that are open
};
// Null: live traffic cannot tell, so nobody but a person changes it.
const Proof* proof_of(std::string_view key);

// What may become worse for what is gained.
Tolerance tolerance_of(Goal goal);

struct AutoLimits {
  std::size_t most_per_hour = 12;             // changes, whether they stay or not
  Nanos back_off = std::chrono::minutes(10);  // of a setting that did not help; doubles each time
  Nanos longest_back_off = std::chrono::hours(24);
};

// Decides what is tried next, and when. Knows no clock, and changes nothing.
class AutoPilot {
 public:
  explicit AutoPilot(AutoLimits limits) : limits_(limits) {}

  struct Choice {
    std::optional<Proposal> proposal{};    // absent: nothing now
    std::vector<Considered> considered{};  // why not the others
  };
  // The proposals of one look, those of the worst finding first. One is taken only when the look
  // before had it too, never to a value that it was led away from, and only when proof_of() it.
  Choice choose(const std::vector<Proposal>& proposals, Time now);

  // What came of the one that was chosen.
  void note(const Proposal& proposal, bool kept, Time now);
  // Somebody else has ended its trial: it is not chosen again.
  void leave(const Proposal& proposal, Time now);

 private:
  using Setting = std::pair<std::string, std::string>;  // key, scope
  struct Past {
    std::set<std::string> left;  // values that something better replaced
    bool is_theirs = false;      // somebody else has ended a trial of it
    int failures = 0;            // since it was last kept
    Nanos rests{0};
    Time not_before{};
  };
  static Setting setting_of(const Proposal& proposal);
  // Why not now; empty: now.
  std::string why_not(const Proposal& proposal, const std::set<Setting>& seen, Time now) const;

  AutoLimits limits_;
  std::set<Setting> seen_;  // by the look before
  std::map<Setting, Past> past_;
  std::deque<Time> changes_;  // of the last hour
};

}  // namespace netsonde
