// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "user/replay.h"

namespace netsonde {

// Where in a recording somebody looks, always at a snapshot. A move back in time starts the replay
// anew a little before and tells the sink all of it, so that every moment looks as it did live.
// Times are nanoseconds since the epoch.
class Playhead {
 public:
  explicit Playhead(recording::Recording recording);

  // At the first snapshot; none later than end is gone to.
  Result<> open(std::int64_t end_ns);
  // restarts: what the sink was told so far is of another time. Both are there while it moves.
  void add_sink(Sink& sink, std::function<void()> restarts);

  // One snapshot on; false at the end.
  Result<bool> next();
  // So many snapshots; false where an end was in the way.
  Result<bool> forward(int steps);
  Result<bool> back(std::size_t steps);
  // To the newest snapshot at or before that time, or the first.
  Result<> go_to(std::int64_t time_ns);
  // The sink is told of the time before it too.
  Result<> go_to_snapshot(std::int64_t snapshot_ns, std::int64_t lead_in_ns);
  Result<std::int64_t> snapshot_before(std::int64_t time_ns);

  const Replay& replay() const { return replay_; }
  std::int64_t at_ns() const { return replay_.at_ns(); }
  std::int64_t first_ns() const { return first_ns_; }
  std::int64_t last_ns() const { return last_ns_; }
  // What is read before the time that is gone to, for graphs, findings, and steps back.
  std::int64_t lead_in_ns() const { return lead_in_ns_; }
  double percent() const;

 private:
  Replay replay_;
  std::function<void()> restarts_ = [] {};
  std::int64_t lead_in_ns_ = 0;
  std::int64_t first_ns_ = 0, last_ns_ = 0;
  std::deque<std::int64_t> times_;  // of snapshots up to this one, none left out
};

}  // namespace netsonde
