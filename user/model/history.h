// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "user/model/store.h"

namespace netsonde {

// The last minutes, within a budget of bytes: what went into the store, so that the store can be
// had as it was at any tick. Kept as spans of events, each behind a copy of the store at its begin;
// the oldest span goes when the budget is used up. A store whose copy takes more than a third of
// the budget leaves no room for anything to step back to: then nothing is kept.
class History {
 public:
  explicit History(std::size_t budget_bytes) : budget_(budget_bytes) {}

  // Every event that the store is given, ticks included, right before the store is given it; store
  // is the state before the event.
  void append(const Event& event, const Store& store);

  // How many ticks can be stepped back to, oldest first; tick(size() - 1) is the newest.
  std::size_t size() const { return size_; }
  Time tick(std::size_t index) const;
  // The store right after that tick; each is told of every event on the way there, also of those
  // that follow from others.
  Store at(std::size_t index, const std::function<void(const Event&)>& each = {}) const;
  // What happened to one connection, oldest first, up to this moment.
  std::vector<Event> events_of(std::uint64_t cookie) const;

  std::size_t bytes() const { return bytes_; }
  std::size_t budget() const { return budget_; }

 private:
  struct Tick {
    Time time;
    std::size_t end = 0;  // in records, behind the tick
  };
  // Every record is self-contained but for the samples of connections that start knows: of these
  // only the words that differ from the sample in there are kept.
  struct Span {
    Store start;
    std::size_t start_bytes = 0;
    Time begin;
    std::vector<std::byte> records;
    std::vector<Tick> ticks;
  };

  bool after_tick_ = true;  // a span holds whole intervals

  bool must_begin(Time now, std::size_t copy_bytes) const;
  void begin(Time now, const Store& store, std::size_t copy_bytes);
  void trim();
  std::pair<std::size_t, std::size_t> locate(std::size_t index) const;  // span, tick in it

  std::size_t budget_;
  std::size_t bytes_ = 0;
  std::size_t size_ = 0;
  std::deque<Span> spans_;
};

}  // namespace netsonde
