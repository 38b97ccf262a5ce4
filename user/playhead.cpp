// SPDX-License-Identifier: Apache-2.0
#include "user/playhead.h"

#include <algorithm>
#include <utility>

namespace netsonde {

namespace {

constexpr Nanos kLeadIn = std::chrono::seconds(30);
constexpr int kLeadInTicks = 12;
constexpr std::size_t kMostTimes = 10'000;

}  // namespace

Playhead::Playhead(recording::Recording recording) : replay_(std::move(recording), {}) {
  const Nanos interval(replay_.recording().origin().interval_ns);
  lead_in_ns_ = std::max(kLeadIn, kLeadInTicks * interval).count();
}

Result<> Playhead::open(std::int64_t end_ns) {
  const auto last = TRY(replay_.snapshot_before(end_ns));
  TRY(replay_.start_at(replay_.recording().begin_ns() - 1));
  if (!last || !TRY(replay_.step(*last))) return Error("the recording has no whole interval there");
  first_ns_ = replay_.at_ns();
  last_ns_ = *last;
  return {};
}

void Playhead::add_sink(Sink& sink, std::function<void()> restarts) {
  replay_.add_sink(sink);
  restarts_ = std::move(restarts);
}

Result<bool> Playhead::next() {
  if (replay_.at_ns() >= last_ns_ || !TRY(replay_.step(last_ns_))) return false;
  times_.push_back(replay_.at_ns());
  if (times_.size() > kMostTimes) times_.pop_front();
  return true;
}

Result<bool> Playhead::forward(int steps) {
  for (; steps > 0; --steps)
    if (!TRY(next())) return false;
  return true;
}

Result<bool> Playhead::back(std::size_t steps) {
  while (steps > 0 && replay_.at_ns() > first_ns_) {
    const std::size_t hop = std::min(steps, times_.empty() ? 0 : times_.size() - 1);
    if (hop)
      TRY(go_to_snapshot(times_[times_.size() - 1 - hop], lead_in_ns_));
    else
      TRY(go_to(replay_.at_ns() - 1));
    steps -= std::max<std::size_t>(hop, 1);
  }
  return steps == 0;
}

Result<> Playhead::go_to(std::int64_t time_ns) {
  const std::int64_t snapshot_ns = TRY(snapshot_before(std::min(time_ns, last_ns_)));
  return go_to_snapshot(std::max(snapshot_ns, first_ns_), lead_in_ns_);
}

Result<> Playhead::go_to_snapshot(std::int64_t snapshot_ns, std::int64_t lead_in_ns) {
  restarts_();
  times_.clear();
  TRY(replay_.start_at(snapshot_ns - lead_in_ns));
  while (replay_.at_ns() < snapshot_ns && TRY(next())) {
  }
  return {};
}

Result<std::int64_t> Playhead::snapshot_before(std::int64_t time_ns) {
  return TRY(replay_.snapshot_before(time_ns)).value_or(first_ns_);
}

double Playhead::percent() const {
  const auto length = static_cast<double>(std::max<std::int64_t>(last_ns_ - first_ns_, 1));
  const auto behind = static_cast<double>(replay_.at_ns() - first_ns_);
  return std::clamp(100 * behind / length, 0.0, 100.0);
}

}  // namespace netsonde
