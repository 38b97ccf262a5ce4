// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdio>
#include <optional>
#include <string>

#include "user/base/json.h"
#include "user/model/watch.h"

namespace netsonde {

struct MonitorSettings {
  Nanos interval = std::chrono::seconds(1);
  std::optional<Nanos> duration{};  // none: until somebody ends it
  bool json = false;
};

// Tells when a watched series leaves what is usual for it and when that ends, and at the end what
// each of them was like.
class Monitor : public Sink {
 public:
  Monitor(const MonitorSettings& settings, std::FILE* out)
      : settings_(settings), out_(out), watch_(settings.interval) {}

  // What is watched, for a person who waits.
  Result<> greet() const;
  Result<> on_snapshot(const Snapshot& snapshot) override;
  // The summary. The last interval, which nobody waited for, counts unless it is less than half as
  // long as the others, or was given already. host_values_unreadable: nothing when nobody knows.
  Result<> finish(const Snapshot& last, std::optional<std::uint64_t> host_values_unreadable);

 private:
  Result<> write(const std::string& text) const;

  MonitorSettings settings_;
  std::FILE* out_;
  Watch watch_;
  Time last_;
};

// What is known beside the watch at its end.
struct MonitorEnd {
  const Snapshot& last;
  std::optional<std::uint64_t> host_values_unreadable = 0;
};

// One object, one line: of a change at that time since the epoch; of the end.
Json to_json(const SeriesChange& change, std::int64_t realtime_ns);
Json to_json(const Watch& watch, const MonitorEnd& end);
std::string to_text(const SeriesChange& change, std::int64_t realtime_ns);
// A table of at most 80 columns, but for names that are longer.
std::string to_text(const Watch& watch, const MonitorEnd& end);

}  // namespace netsonde
