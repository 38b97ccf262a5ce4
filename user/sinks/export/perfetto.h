// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include "user/sinks/export/output.h"
#include "user/sinks/export/protobuf.h"

namespace netsonde {

// A trace for ui.perfetto.dev and its trace_processor: a track per connection below its process,
// with slices for its life, its states and its recoveries, counters at every tick, and instants for
// what happened to it; and the totals of the host as counters. Times are the kernel's, with what
// makes UTC of them.
class PerfettoOutput : public ExportOutput {
 public:
  explicit PerfettoOutput(std::FILE* out) : out_(out) {}

  bool keeps(ExportTable table) const override {
    return table != ExportTable::Connections && table != ExportTable::Host;
  }
  Result<> event(const Event& event, const Store& store) override;
  Result<> sample(const Row& row) override;
  Result<> connection(const Row& row) override;
  Result<> host(std::int64_t time_ns, const HostValue& value) override;
  Result<> finding(const Json& finding, std::int64_t from_ns, std::int64_t until_ns) override;
  Result<> tick(const Snapshot& snapshot) override;
  Result<> finish(const Snapshot& last) override;

 private:
  // Of a connection whose slice has begun.
  struct Track {
    std::uint64_t uuid = 0;
    std::uint32_t counters = 0;  // bits of those that are described
    bool in_state = false;       // a slice for its TCP state is open
    bool recovering = false;     // and one in it
  };

  Result<> write(const ProtoMessage& packet);
  Result<> write_event(std::uint64_t time_ns, const ProtoMessage& event);
  Result<> describe(const ProtoMessage& descriptor);
  Result<std::uint64_t> process_of(const ev_conn& conn);
  Result<> describe_connection(const Track& track, const ev_conn& conn);
  Result<Track*> track_of(const ev_conn& conn, std::uint64_t time_ns);
  Result<> begin_slice(std::uint64_t time_ns, std::uint64_t track, std::string_view name);
  Result<> end_slice(std::uint64_t time_ns, std::uint64_t track);
  Result<> enter(Track& track, std::uint64_t time_ns, std::string_view state);
  Result<> change(Track& track, const ev_congestion_state& event);
  Result<> end(const ev_conn& conn, std::uint64_t time_ns);
  Result<> instant(std::uint64_t time_ns, std::uint64_t track, std::string_view name,
                   const std::string& details);
  Result<> count(Track& track, std::uint64_t time_ns, std::size_t which, double value);
  Result<> tell_clock(const ev_tick& tick);
  Result<std::uint64_t> host_track();

  std::FILE* out_;
  std::unordered_map<std::uint64_t, Track> tracks_;  // by cookie
  std::unordered_set<std::uint64_t> processes_;      // uuids that are described
  bool host_described_ = false;
  std::int64_t told_offset_ns_ = 0;
};

}  // namespace netsonde
