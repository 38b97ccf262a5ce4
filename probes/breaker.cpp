// SPDX-License-Identifier: Apache-2.0
#include "probes/breaker.h"

#include <algorithm>

namespace netsonde {

Breaker::Breaker(const BreakerSettings& settings) : settings_(settings) {}

bool Breaker::allows(Time now) {
  if (!trial_from_) return true;
  if (now < *trial_from_) return false;
  trying_ = true;
  trial_from_ = now + cool_down_;
  return true;
}

void Breaker::note(bool success, Time now) {
  if (!trial_from_) {
    failures_ = success ? 0 : failures_ + 1;
    if (failures_ >= std::max(settings_.failures, 1U)) open(settings_.cool_down, now);
    return;
  }
  if (!trying_) return;
  if (!success)
    return open(
        cool_down_ > settings_.longest_cool_down / 2 ? settings_.longest_cool_down : cool_down_ * 2,
        now);
  *this = Breaker(settings_);
}

void Breaker::open(Nanos cool_down, Time now) {
  cool_down_ = std::min(cool_down, settings_.longest_cool_down);
  trial_from_ = now + cool_down_;
  trying_ = false;
}

Breaker::State Breaker::state(Time now) const {
  if (!trial_from_) return State::Closed;
  return trying_ || now >= *trial_from_ ? State::HalfOpen : State::Open;
}

}  // namespace netsonde
