// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "user/model/filter.h"
#include "user/model/recording/codec.h"
#include "user/model/recording/format.h"
#include "user/model/recording/host_log.h"
#include "user/model/snapshot.h"

namespace netsonde {

// What becomes one frame.
struct FrameJob {
  recording::Batch batch;
  recording::FrameKind kind = recording::FrameKind::Data;
  std::uint16_t flags = 0;
  std::int64_t realtime_offset_ns = 0;
};

// Where frames go, without ever making the recorder wait.
class FrameOutput {
 public:
  virtual ~FrameOutput() = default;
  // All of these jobs, or none where there is no room for them.
  virtual bool offer(std::vector<FrameJob> jobs) = 0;
  // It is time for a checkpoint, with which a new file can begin.
  virtual bool wants_checkpoint() const = 0;
  // Records that it took and could not keep.
  virtual std::uint64_t dropped() const = 0;
};

// The stream as a recording holds it: events, readings of the host, names, and from time to time
// all that is known. What the output does not take is lost, and counted in the ticks that follow.
class Recorder : public Sink {
 public:
  // Of what the filter refuses nothing is kept.
  Recorder(const Filter& filter, FrameOutput& out) : filter_(filter), out_(out) {}

  // Before the first event: a recording begins with a checkpoint.
  void begin(const Store& store) { checkpoint(store); }

  void before_event(const Event& event, const Store& store) override;
  Result<> on_host(Time now, std::span<const HostValue> values) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;
  // Hands over what is older than a while; to be called from time to time.
  void flush(Time now);
  // What is left.
  void finish();

  std::uint64_t not_recorded() const { return lost_; }

 private:
  bool wanted(const Event& event, const Store& store) const;
  void checkpoint(const Store& store);
  void hand_over();

  const Filter& filter_;
  FrameOutput& out_;
  recording::HostLogWriter host_;
  recording::Batch batch_;
  std::size_t names_ = 0;  // of those known, already told
  std::int64_t realtime_offset_ns_ = 0;
  std::uint64_t since_checkpoint_ = 0;  // records
  std::uint64_t lost_ = 0;
};

}  // namespace netsonde
