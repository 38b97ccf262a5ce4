// SPDX-License-Identifier: Apache-2.0
#include "user/pace.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

// Behind the last one: as fast as it goes.
constexpr std::array kSpeeds = {0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0};

}  // namespace

std::string Pace::text() const {
  return step_ == kSpeeds.size() ? "at full speed" : fmt::format("{:g}x", kSpeeds[step_]);
}

void Pace::slower() {
  if (step_ > 0) --step_;
}

void Pace::faster() {
  step_ = std::min(step_ + 1, kSpeeds.size());
}

void Pace::pass(Nanos time) {
  if (step_ == kSpeeds.size()) return;
  credit_ += Nanos(static_cast<Nanos::rep>(static_cast<double>(time.count()) * kSpeeds[step_]));
}

bool Pace::take(Nanos interval) {
  if (step_ == kSpeeds.size()) return true;
  if (credit_ < interval) return false;
  credit_ -= interval;
  return true;
}

void Pace::forgive(Nanos interval) {
  credit_ = std::min(credit_, interval);
}

}  // namespace netsonde
