// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "user/model/store.h"

namespace netsonde {

// The last minutes, within a budget of bytes: what went into the store, so that the store can be had as
// it was at any tick. Kept as spans of events, each behind a copy of the store at its begin; the oldest
// span goes when the budget is used up.
class History {
 public:
  explicit History(std::size_t budget_bytes) : budget_(budget_bytes) {}

  // Every event that the store is given, ticks included, right before the store is given it; store is
  // the state before the event.
  void append(const Event& event, const Store& store);

  // How many ticks can be stepped back to, oldest first; tick(size() - 1) is the newest.
  std::size_t size() const;
  Time tick(std::size_t index) const;
  // The store right after that tick.
  Store at(std::size_t index) const;
  // What happened to one connection up to and including a tick, oldest first.
  std::vector<Event> events_of(std::uint64_t cookie, std::size_t until_tick) const;

  std::size_t bytes() const { return bytes_; }

 private:
  struct Span {
    Store start;
    std::size_t start_bytes = 0;
    std::vector<std::byte> events;  // encoded, one after the other
    struct Tick {
      Time time;
      std::size_t end = 0;  // in events, behind the tick
    };
    std::vector<Tick> ticks;
  };

  void trim();

  std::size_t budget_;
  std::size_t bytes_ = 0;
  std::deque<Span> spans_;
};

}  // namespace netsonde
