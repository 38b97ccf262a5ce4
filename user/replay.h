// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "user/feed.h"
#include "user/model/recording/host_log.h"
#include "user/model/recording/recording.h"

namespace netsonde {

// A recording poured into a store and its sinks: whoever looks sees what a live session showed.
// Times are nanoseconds since the epoch.
class Replay {
 public:
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  Replay(recording::Recording recording, const StoreSettings& settings)
      : recording_(std::move(recording)), feed_(settings) {}

  void add_sink(Sink& sink) { feed_.add_sink(sink); }
  const recording::Recording& recording() const { return recording_; }
  const Store& store() const { return feed_.store(); }
  Snapshot snapshot() const { return feed_.snapshot(); }

  // The newest snapshot at or before that time that is complete: an interval before it is known
  // too. Nothing where the recording has none.
  Result<std::optional<std::int64_t>> snapshot_before(std::int64_t time_ns);
  // What a snapshot, given its time, was told; the sinks hear nothing of how it came about.
  Result<> go_to(std::int64_t snapshot_ns);
  // The state before the first record later than that time; likewise.
  Result<> start_at(std::int64_t time_ns);

  // Up to and with the next snapshot, which the sinks are given. False at the end, or where the
  // next record is later than until; then what came behind the last snapshot has been told.
  Result<bool> step(std::int64_t until_ns = kEnd);
  // All that is left until then.
  Result<> run(std::int64_t until_ns = kEnd);

  // Of the newest record that was told; right after a step: of the snapshot.
  std::int64_t at_ns() const { return at_ns_; }
  // Of whatever was handed to the feed: how many, by kind of record.
  const std::map<std::uint16_t, std::uint64_t>& taken() const { return taken_; }
  std::uint64_t unknown() const { return unknown_; }          // records of a later netsonde
  std::uint64_t undecodable() const { return undecodable_; }  // records that make no sense

 private:
  using Record = recording::Records::Record;

  Result<bool> load();  // the next step, if need be; false at the end
  Result<std::optional<Record>> next();
  Result<> take(const Record& record);
  Result<> take_state(const Record& record);
  std::int64_t time_of(const Record& record) const;

  recording::Recording recording_;
  Feed feed_;
  recording::HostLogReader host_log_;
  std::optional<recording::Recording::Step> step_;
  std::optional<Record> pending_;  // read, but later than anybody asked for
  std::map<std::uint16_t, std::uint64_t> taken_;
  std::int64_t at_ns_ = std::numeric_limits<std::int64_t>::min();
  std::uint64_t unknown_ = 0;
  std::uint64_t undecodable_ = 0;
};

}  // namespace netsonde
