// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "user/base/units.h"

namespace netsonde {

struct BreakerSettings {
  unsigned failures = 5;                       // in a row, until nothing is tried any more
  Nanos cool_down = std::chrono::seconds(10);  // until one trial; doubles with each that fails
  Nanos longest_cool_down = std::chrono::minutes(5);
};

// Spares a target that keeps failing: after so many failures in a row it is left alone for a while,
// then tried once. What a failure is, the caller says.
class Breaker {
 public:
  enum class State : std::uint8_t { Closed, Open, HalfOpen };  // all, none, or one trial may go

  explicit Breaker(const BreakerSettings& settings = {});

  // Whether an attempt may begin now. Half open, that is the trial: no other may until its end is
  // noted, or until nothing was heard of it for as long as the cool-down was.
  bool allows(Time now);
  // How an attempt ended. One that began before the breaker opened changes nothing any more.
  void note(bool success, Time now);

  State state(Time now) const;
  // From when on a trial may go; absent where closed.
  std::optional<Time> opens_again_at() const { return trial_from_; }

 private:
  void open(Nanos cool_down, Time now);

  BreakerSettings settings_;
  unsigned failures_ = 0;  // in a row, while closed
  Nanos cool_down_{};
  std::optional<Time> trial_from_;
  bool trying_ = false;  // a trial is under way; the next may go at trial_from_
};

}  // namespace netsonde
