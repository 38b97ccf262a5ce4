// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "user/model/filter.h"
#include "user/model/snapshot.h"
#include "user/sinks/report/distribution.h"
#include "user/sinks/report/report.h"
#include "user/sinks/report/top_list.h"

namespace netsonde {

// The counters of a connection that a report is about; they may wrap.
struct Counters {
  std::uint64_t tx = 0, rx = 0, retransmitted_bytes = 0;
  std::uint32_t segments = 0, retransmitted = 0, timeouts = 0, drops = 0;
  std::uint32_t receive_window_ms = 0, send_buffer_ms = 0;

  static Counters of(const ev_sample& sample);
  Counters operator-(const Counters& before) const;
};

// What a connection did in the time observed.
struct ConnectionUse {
  ev_conn conn{};
  Counters grown{};
  std::uint32_t srtt_us = 0;     // the newest; 0: none
  std::uint32_t min_rtt_us = 0;  // 0: none
  std::uint64_t queued = 0;      // bytes that wait at the end, either way
  RttQuantiles rtt{};            // since it began
  std::uint64_t end_ns = 0;      // when it was seen last
  std::string_view end{};        // how it ended; empty: it was open

  std::uint64_t bytes() const { return grown.tx + grown.rx; }
  bool did_something() const {
    return grown.segments || bytes() || grown.drops || queued || !end.empty();
  }
  bool failed() const { return !end.empty() && end != "fin"; }
};

// Several connections together.
struct GroupUse {
  ev_conn conn{};  // of the first of them
  std::uint64_t connections = 0, failed = 0;
  std::uint64_t tx = 0, rx = 0, segments = 0, retransmitted = 0, drops = 0;
  std::uint32_t worst_srtt_us = 0, least_rtt_us = 0;
  std::unordered_set<std::uint32_t> pids{};  // at most kMostPids

  static constexpr std::size_t kMostPids = 1000;
  void add(const ConnectionUse& use);
  void add(const GroupUse& other);
};

// Groups by their key, in bounded memory: when there are too many, the lightest go together into
// the others.
class GroupLog {
 public:
  static constexpr std::size_t kMost = 1000;

  void add(const std::string& key, const ConnectionUse& use);
  std::vector<GroupUse> heaviest(std::size_t most) const;
  std::size_t size() const { return groups_.size(); }
  const GroupUse& others() const { return others_; }
  std::uint64_t merged() const { return merged_; }

 private:
  std::vector<const std::pair<const std::string, GroupUse>*> sorted() const;

  std::map<std::string, GroupUse> groups_;
  GroupUse others_;
  std::uint64_t merged_ = 0;
};

// Who did what in the time observed: single connections, and together by process and remote end.
class ConnectionLog {
 public:
  static constexpr std::size_t kMostOfEach = 30;  // connections, by each criterion
  static constexpr std::size_t kMostOlder = 200'000;

  explicit ConnectionLog(const Filter& filter);

  // From here on is counted.
  void begin(const Store& store);
  void on_event(const Event& event, const Store& store);
  // Those that are still open. Nothing may follow.
  void finish(const Snapshot& last);

  std::vector<ReportTable> tables(const Names& names, std::int64_t realtime_offset_ns);
  std::vector<ReportHistogram> histograms() const;
  std::uint64_t active() const { return active_; }
  std::uint64_t idle() const { return idle_; }
  // How many ended in each way.
  const std::map<std::string_view, std::uint64_t>& ends() const { return ends_; }
  std::uint64_t without_base() const { return without_base_; }  // older ones, left out
  // Incoming connections by the port and namespace that they came to.
  std::optional<std::uint64_t> accepted(std::uint32_t netns, std::uint16_t port) const;

 private:
  void add(const Connection& connection, Row row);
  void count(const ConnectionUse& use);

  const Filter& filter_;                               // outlives it
  std::unordered_map<std::uint64_t, Counters> older_;  // as they were when it began, by cookie
  Time begin_;
  bool begun_ = false;
  std::uint64_t without_base_ = 0;
  TopList<ConnectionUse, 6> worst_;
  GroupLog processes_, remotes_;
  std::map<std::string_view, std::uint64_t> ends_;
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::uint64_t> accepted_;
  Distribution durations_, sizes_;
  std::uint64_t active_ = 0, idle_ = 0;
};

}  // namespace netsonde
