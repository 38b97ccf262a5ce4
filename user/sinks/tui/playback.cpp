// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/playback.h"

#include <fmt/format.h>

#include <algorithm>

#include "user/base/text.h"

namespace netsonde {

namespace {

Time tick_of(const Store& store) {
  return time_from_ns(store.tick().header.time_ns);
}

}  // namespace

void Playback::freeze_at(std::size_t index, const Names& names) {
  Blame blame;
  frozen_ = std::make_unique<const Store>(
      history_.at(index, [&](const Event& event) { blame.on_event(event, names); }));
  blame_ = blame.interval();
}

void Playback::freeze(const Store& live, const Blame::Interval& blame) {
  if (history_.size()) return freeze_at(history_.size() - 1, live.names());
  frozen_ = std::make_unique<const Store>(live);
  blame_ = blame;
}

std::size_t Playback::index_at(Time time) const {
  std::size_t low = 0, high = history_.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (history_.tick(middle) <= time)
      low = middle + 1;
    else
      high = middle;
  }
  return low ? low - 1 : 0;
}

std::string Playback::step(int ticks, const Store& live, const Blame::Interval& blame) {
  if (history_.size() == 0) {
    freeze(live, blame);
    return fmt::format("No history: a state of {} connections is too large for a budget of {}B",
                       live.connections().size(),
                       short_bytes(static_cast<double>(history_.budget())));
  }
  const auto last = static_cast<std::ptrdiff_t>(history_.size()) - 1;
  const auto now = frozen_ ? static_cast<std::ptrdiff_t>(index_at(tick_of(*frozen_))) : last;
  const std::ptrdiff_t wanted = now + ticks;
  if (wanted > last) {
    thaw();
    return {};
  }
  freeze_at(static_cast<std::size_t>(std::max(wanted, std::ptrdiff_t{0})), live.names());
  return wanted < 0 ? "This is the oldest tick that the history holds" : "";
}

Moment Playback::moment(const Store& live) const {
  Moment moment;
  moment.frozen = frozen();
  if (!moment.frozen) return moment;
  moment.behind = tick_of(live) - tick_of(*frozen_);
  moment.ticks = history_.size();
  moment.tick = moment.ticks ? index_at(tick_of(*frozen_)) + 1 : 0;
  return moment;
}

}  // namespace netsonde
