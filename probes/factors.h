// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "probes/prober.h"
#include "user/model/attempt.h"
#include "user/model/comparison.h"

namespace netsonde {

// What an experiment can compare, and how each way of doing it is brought about.

// What was done otherwise than it should have been; absent: nothing.
using ReadBack = std::function<std::optional<std::string>(std::span<const Attempt> unit)>;

// How an arm finds the address, where finding it is part of what is measured. With a pinned
// request it is looked up all the same, and then not used.
struct ArmLookup {
  std::vector<std::string> servers{};  // empty: the system's
  bool hosts_file = true;
};

// One way of doing it. A unit is what is measured once.
struct Arm {
  std::string name{};
  std::string advice{};  // what to do to have it so
  ProbeRequest request{};
  unsigned requests = 1;  // of a unit
  bool at_once = false;   // all at the same time, or one after the other
  bool new_pool = false;  // begins without the connections of the unit before
  std::optional<ArmLookup> lookup{};
  ReadBack not_in_force{};  // empty: nothing can be otherwise
};

struct Factor {
  std::string name{};
  std::string question{};         // what is compared, in words
  std::vector<Metric> metrics{};  // the one that counts most first
  std::vector<Arm> arms{};        // the first is the baseline
};

struct FactorSettings {
  ProbeRequest request{};              // what all arms begin with: what is asked for, and limits
  std::vector<Address> addresses{};    // of the name; the first one is pinned. Empty: not known yet
  unsigned requests = 10;              // of a unit of several
  std::optional<Target> batch{};       // one request for what these give together
  std::vector<std::string> servers{};  // of DNS; empty: the system's
  std::vector<std::uint64_t> values{};             // of a numeric factor; empty: some of ours
  std::vector<std::string> congestion_controls{};  // the first is the baseline
};

// "reuse", "http", ...
const std::vector<std::string>& factor_names();
// Whether it compares the settings' values.
bool has_values(std::string_view factor);
// Fails on a name that is none, and on what the factor needs and the settings lack, with the option
// that gives it.
Result<Factor> make_factor(std::string_view name, const FactorSettings& settings);

// Those of this network namespace, its default first.
std::vector<std::string> congestion_choices();

}  // namespace netsonde
