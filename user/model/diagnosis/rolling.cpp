// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/rolling.h"

namespace netsonde {

void RollingObserver::before_event(const Event& event, const Store& store) {
  if (!begun_) return;
  for (Observer& observer : observers_) observer.before_event(event, store);
}

Result<> RollingObserver::on_event(const Event& event, const Store& store) {
  if (!begun_) return {};
  for (Observer& observer : observers_) TRY(observer.on_event(event, store));
  return {};
}

Result<> RollingObserver::on_host(Time now, std::span<const HostValue> values) {
  for (Observer& observer : observers_) TRY(observer.on_host(now, values));
  return {};
}

Result<> RollingObserver::on_snapshot(const Snapshot& snapshot) {
  const Time now = snapshot.time();
  if (!begun_) {
    for (Observer& observer : observers_) observer.begin(now, snapshot.store());
    begun_ = true;
    return {};
  }
  for (Observer& observer : observers_) TRY(observer.on_snapshot(snapshot));
  if (now - younger().from() < kLeast) return {};
  older_ = 1 - older_;
  younger().begin(now, snapshot.store());
  return {};
}

Observation RollingObserver::observe(const Snapshot& snapshot) {
  return older().observe(snapshot, Filter());
}

}  // namespace netsonde
