// SPDX-License-Identifier: Apache-2.0
#include "user/model/watch.h"

#include <algorithm>
#include <utility>

namespace netsonde {

Watch::Watch(Nanos interval) {
  for (const WatchedSeries& series : watched_series()) {
    Group& group = groups_.emplace_back();
    group.series = &series;
    group.unit = detector_unit(series, interval);
    if (!series.instances) take_up(group, "");
  }
}

std::vector<SeriesChange> Watch::add(const Snapshot& snapshot) {
  now_ = snapshot.time();
  realtime_ns_ = snapshot.realtime_ns();
  observed_ += snapshot.interval();
  for (Group& group : groups_) add(group, snapshot);
  ++samples_;
  return std::exchange(changes_, {});
}

void Watch::add(Group& group, const Snapshot& snapshot) {
  std::vector<std::string> present;
  if (group.series->instances && snapshot.host())
    present = group.series->instances(*snapshot.host());
  // None at all: most likely they could not be read.
  if (!present.empty())
    for (auto& [name, followed] : group.instances)
      if (!std::binary_search(present.begin(), present.end(), name)) forget(followed);
  for (const std::string& name : present) take_up(group, name);
  for (auto& [name, followed] : group.instances)
    if (followed.detector) add_value(followed, snapshot);
}

void Watch::take_up(Group& group, const std::string& instance) {
  Followed& followed = group.instances[instance];
  if (followed.detector) return;
  followed.record.series = group.series;
  followed.record.instance = instance;
  followed.detector.emplace(group.unit);
  followed.came = samples_ != 0;
}

void Watch::add_value(Followed& followed, const Snapshot& snapshot) {
  SeriesRecord& record = followed.record;
  const bool came = std::exchange(followed.came, false);
  const auto value = came ? std::nullopt : value_of(*record.series, snapshot, record.instance);
  record.statistics.add(value, seconds(snapshot.interval()));
  const std::optional<AnomalyChange> change = followed.detector->add(value);
  if (!change) return;
  if (change->began) {
    ++record.anomalies;
    record.running = change;
    record.running_since = now_;
    record.began_at_ns = realtime_ns_;
  } else {
    record.running.reset();
  }
  changes_.push_back({.record = record, .change = *change, .lasted = now_ - record.running_since});
}

void Watch::forget(Followed& followed) {
  followed.detector.reset();
  SeriesRecord& record = followed.record;
  if (!record.running) return;
  AnomalyChange change = *std::exchange(record.running, std::nullopt);
  change.began = false;
  changes_.push_back(
      {.record = record, .change = change, .gone = true, .lasted = now_ - record.running_since});
}

std::vector<const SeriesRecord*> Watch::all() const {
  std::vector<const SeriesRecord*> all;
  for (const Group& group : groups_)
    for (const auto& [name, followed] : group.instances) all.push_back(&followed.record);
  return all;
}

}  // namespace netsonde
