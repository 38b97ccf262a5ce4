// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "user/model/snapshot.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// What the host counted in the time observed, and which of its settings changed.
class HostFaults {
 public:
  static constexpr std::size_t kMostChanges = 200;

  void add(Time now, std::span<const HostValue> values);
  bool was_read() const { return counted_.was_read(); }
  // The counters of trouble that grew.
  ReportTable faults() const;
  void mark_changes(Timeline& timeline, std::int64_t realtime_offset_ns) const;
  // Of the counters of trouble those that this host does not have, or that could not be read.
  std::vector<std::string> unread() const;

 private:
  struct Change {
    Time after, at;
    HostValue value;
    std::uint64_t before = 0;
  };

  void note_changes(Time now, std::span<const HostValue> values);

  HostCounters counted_;
  Time newest_at_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> settings_;
  std::vector<Change> changes_;
  std::uint64_t changes_left_out_ = 0;
};

}  // namespace netsonde
