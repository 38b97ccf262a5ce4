// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "user/model/detector.h"
#include "user/model/statistics.h"
#include "user/model/watchlist.h"

namespace netsonde {

// One series of one instance since the watch began.
struct SeriesRecord {
  const WatchedSeries* series = nullptr;
  std::string instance;
  Statistics statistics;
  std::uint64_t anomalies = 0;
  std::optional<AnomalyChange> running;  // as it began
  Time running_since;
  std::int64_t began_at_ns = 0;  // since the epoch, as it was told then
};

// An anomaly that began or ended with the newest snapshot. Valid until the next one.
struct SeriesChange {
  const SeriesRecord& record;
  AnomalyChange change;
  bool gone = false;  // its instance went, and it with that: there is no value
  Nanos lasted{0};    // since it began
};

// Statistics and detectors of all watched series. An instance that comes while we watch may bring
// counts from elsewhere, with a device that moved in: its first value is absent. With one that goes
// goes what its detectors learned; its statistics stay.
class Watch {
 public:
  // interval: between two snapshots.
  explicit Watch(Nanos interval);

  std::vector<SeriesChange> add(const Snapshot& snapshot);

  std::uint64_t samples() const { return samples_; }
  // Before that everything is learned from and nothing is an anomaly.
  bool judges() const { return samples_ > kDetectorWarmUp; }
  Nanos observed() const { return observed_; }  // the intervals of all samples
  // In the order of watched_series(), then of the instances.
  std::vector<const SeriesRecord*> all() const;

 private:
  struct Followed {
    SeriesRecord record;
    std::optional<Detector> detector;  // none: the instance is gone
    bool came = false;                 // with this snapshot
  };
  struct Group {
    const WatchedSeries* series = nullptr;
    double unit = 1;
    std::map<std::string, Followed, std::less<>> instances;
  };

  void add(Group& group, const Snapshot& snapshot);
  void take_up(Group& group, const std::string& instance);
  void add_value(Followed& followed, const Snapshot& snapshot);
  void forget(Followed& followed);

  std::vector<Group> groups_;
  std::vector<SeriesChange> changes_;  // of the snapshot that is being added
  Time now_;
  std::int64_t realtime_ns_ = 0;
  std::uint64_t samples_ = 0;
  Nanos observed_{0};
};

}  // namespace netsonde
