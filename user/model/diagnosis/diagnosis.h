// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "user/model/diagnosis/finding.h"
#include "user/model/diagnosis/observation.h"

namespace netsonde {

// One thing that may be wrong, and the pure function that looks for it. An entry of the manual.
struct Rule {
  std::string_view id;    // the contract's name of its findings
  std::string_view help;  // what it means, on which evidence
  std::vector<Finding> (*check)(const Observation&) = nullptr;
  bool needs_host = false;   // looks at the host's counters
  std::string_view needs{};  // the number of them without which it sees nothing
};

std::span<const Rule> all_rules();

struct Diagnosis {
  std::vector<std::string_view> checked;      // ids of the rules that had what they need
  std::vector<std::string_view> not_checked;  // and of the others
  // Worst first: severity, then what it cost. What another one explains stands right behind that
  // one, which is as severe at least.
  std::vector<Finding> findings;
};
Diagnosis diagnose(const Observation& observation);

}  // namespace netsonde
