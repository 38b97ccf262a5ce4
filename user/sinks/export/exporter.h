// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "user/model/diagnosis/observation.h"
#include "user/model/filter.h"
#include "user/sinks/export/output.h"

namespace netsonde {

// How many records came in, and what became of them.
struct ExportCounts {
  std::map<std::uint16_t, std::uint64_t> read;  // by kind (enum ev_kind), derived ones too
  std::uint64_t events = 0;                     // written, as the others below
  std::uint64_t samples = 0;
  std::uint64_t connections = 0;
  std::uint64_t host_values = 0;
  std::uint64_t findings = 0;
  std::uint64_t filtered = 0;      // events and samples that the filter refused
  std::uint64_t gone_samples = 0;  // of sockets that closed before their tick: the close has more
};

// Turns the stream into the records of an export, one after the other: memory depends on the live
// connections, not on how long it goes on. Findings are those of windows of ten seconds.
class Exporter : public Sink {
 public:
  // Both outlive it.
  Exporter(const Filter& filter, ExportOutput& out) : filter_(filter), out_(out) {}

  // What is known where the stream begins.
  void begin(Time now, const Store& store) { observer_.begin(now, store); }

  void before_event(const Event& event, const Store& store) override;
  Result<> on_event(const Event& event, const Store& store) override;
  Result<> on_host(Time now, std::span<const HostValue> values) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;
  // The connections that are still open, and what the last window showed.
  Result<> finish(const Snapshot& last);

  const ExportCounts& counts() const { return counts_; }

 private:
  // As the live view; a window of everything would not stay in its memory.
  static constexpr std::size_t kMostWatched = 20'000;

  Result<> write_samples(const Store& store);
  Result<> write_closed(const ev_sample& close, const Store& store);
  Result<> write_findings(const Snapshot& snapshot);

  const Filter& filter_;
  ExportOutput& out_;
  ExportCounts counts_;
  std::vector<std::uint64_t> sampled_;  // cookies, since the last tick
  std::unordered_map<std::string, std::uint64_t> host_;
  std::int64_t realtime_offset_ns_ = 0;
  Observer observer_{Time(), kMostWatched};
};

}  // namespace netsonde
