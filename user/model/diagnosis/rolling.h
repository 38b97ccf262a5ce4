// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "user/model/diagnosis/observation.h"

namespace netsonde {

// The last 10 to 20 seconds, however long it runs: of two observers begun in turn the older one
// answers. Until there were 10 seconds: since the first snapshot. Where ticks are further apart
// than that, at least one interval.
class RollingObserver : public Sink {
 public:
  static constexpr Nanos kLeast = std::chrono::seconds(10);
  // Sockets that an observer watches: two of them take some 50 MB when as many are active.
  static constexpr std::size_t kMostWatched = 20'000;

  explicit RollingObserver(std::size_t most = kMostWatched)
      : observers_{Observer(Time(), most), Observer(Time(), most)} {}

  void before_event(const Event& event, const Store& store) override;
  Result<> on_event(const Event& event, const Store& store) override;
  Result<> on_host(Time now, std::span<const HostValue> values) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;

  // As of the newest snapshot, which must be the one given; as valid as that of an Observer.
  Observation observe(const Snapshot& snapshot);

 private:
  Observer& older() { return observers_[older_]; }
  Observer& younger() { return observers_[1 - older_]; }

  std::array<Observer, 2> observers_;
  std::size_t older_ = 0;
  bool begun_ = false;
};

}  // namespace netsonde
