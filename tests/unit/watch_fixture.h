// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>

#include "tests/unit/store_fixture.h"
#include "user/model/watch.h"

namespace netsonde {

// A host that a watch looks at every second.
class WatchTest : public StoreTest {
 protected:
  WatchTest() { host_.begin(Time(), reading()); }

  // One more interval: the devices that are up have received so much in all.
  std::vector<SeriesChange> after_a_second() {
    now_ += 1;
    tick(now_);
    host_.update(Time(Nanos(static_cast<std::int64_t>(now_ * 1e9))), reading());
    return watch_.add(snapshot());
  }

  // So many intervals in which a device receives bytes.
  std::vector<SeriesChange> receive(const std::string& device, std::uint64_t bytes, int times = 1) {
    std::vector<SeriesChange> changes;
    for (int i = 0; i < times; ++i) {
      devices_[device] += bytes;
      for (const SeriesChange& change : after_a_second()) changes.push_back(change);
    }
    return changes;
  }

  std::vector<HostValue> reading() const {
    std::vector<HostValue> values = numbers_;
    for (const auto& [name, bytes] : devices_) {
      values.push_back({"device.up", name, 1});
      values.push_back({"device.rx_bytes", name, bytes});
    }
    return values;
  }

  const SeriesRecord* find(std::string_view id, std::string_view instance = "") const {
    for (const SeriesRecord* record : watch_.all())
      if (record->series->id == id && record->instance == instance) return record;
    return nullptr;
  }

  Snapshot snapshot() const { return Snapshot(store_, &host_); }

  HostCounters host_;
  std::map<std::string, std::uint64_t> devices_ = {{"lo", 0}};
  std::vector<HostValue> numbers_;
  double now_ = 0;
  Watch watch_{std::chrono::seconds(1)};
};

}  // namespace netsonde
