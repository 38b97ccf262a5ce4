// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "user/model/snapshot.h"
#include "user/sinks/tui/screen.h"

namespace netsonde {

// Whom the faults of an interval belong to, as far as no counter tells.
class Blame {
 public:
  struct Interval {
    std::unordered_map<std::uint64_t, std::uint32_t> drops;      // harmful ones, by cookie
    std::unordered_map<std::uint64_t, std::uint32_t> overflows;  // by the listener's cookie
    std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint32_t>
        kinds;  // of drops: reason, location
  };

  void on_event(const Event& event, const Names& names);
  // The last complete interval.
  const Interval& interval() const { return last_; }

 private:
  Interval current_, last_;
};

// How TCP did in the interval, in measured figures, and who did worst.
struct TuiVerdict {
  std::string figures;
  std::string worst;  // or the busiest, when nobody is badly off; empty: nobody did anything
  Style style = Style::Normal;
  std::string finding{};  // the worst of the last seconds, or why there is none
  Style finding_style = Style::Dim;
  bool has_finding = false;
};

TuiVerdict judge(const Snapshot& snapshot, const Blame::Interval& blame);

// "nginx[812] -> 10.0.0.7:443".
std::string short_name(const Connection& connection);
// A number with its decimals only where they tell something: "0.4", "31", "1.2k".
std::string figure(double value);

}  // namespace netsonde
