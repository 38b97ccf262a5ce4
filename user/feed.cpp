// SPDX-License-Identifier: Apache-2.0
#include "user/feed.h"

#include <utility>

namespace netsonde {

void Feed::note(Result<> result) {
  if (!result && !failed_) failed_ = std::move(result).error();
}

Result<> Feed::outcome() {
  if (failed_) return *std::exchange(failed_, std::nullopt);
  return {};
}

void Feed::take(const Event& event) {
  if (quiet_) {
    store_.apply(event);
    store_.take_derived();
    return;
  }
  for (Sink* sink : sinks_) sink->before_event(event, store_);
  store_.apply(event);
  for (Sink* sink : sinks_) note(sink->on_event(event, store_));
  for (const Event& derived : store_.take_derived())
    for (Sink* sink : sinks_) note(sink->on_event(derived, store_));
}

void Feed::take_host(Time now, std::span<const HostValue> values) {
  std::exchange(knows_host_, true) ? host_.update(now, values) : host_.begin(now, values);
  if (quiet_) return;
  for (Sink* sink : sinks_) note(sink->on_host(now, values));
}

void Feed::give_snapshot() {
  if (quiet_) return;
  for (Sink* sink : sinks_) note(sink->on_snapshot(snapshot()));
}

void Feed::reset() {
  names_ = Names();
  store_ = Store(&names_, settings_);
  host_ = HostCounters();
  knows_host_ = false;
}

}  // namespace netsonde
