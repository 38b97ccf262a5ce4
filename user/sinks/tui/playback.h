// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "user/model/history.h"
#include "user/sinks/tui/header.h"
#include "user/sinks/tui/verdict.h"

namespace netsonde {

// The live store, or the one of an earlier tick.
class Playback {
 public:
  explicit Playback(std::size_t history_bytes) : history_(history_bytes) {}

  void before_event(const Event& event, const Store& live) { history_.append(event, live); }

  bool frozen() const { return frozen_ != nullptr; }
  // blame: of the live store's interval, for where there is no history to take it from.
  void freeze(const Store& live, const Blame::Interval& blame);
  void thaw() { frozen_.reset(); }
  // By ticks; freezes first. Behind the newest tick: live again. Returns why it could not be done.
  std::string step(int ticks, const Store& live, const Blame::Interval& blame);

  const Store& store(const Store& live) const { return frozen_ ? *frozen_ : live; }
  Moment moment(const Store& live) const;
  const History& history() const { return history_; }
  // Whom the faults of the frozen interval belong to.
  const Blame::Interval& blame() const { return blame_; }

 private:
  void freeze_at(std::size_t index, const Names& names);
  // The newest tick that is not newer than the time; 0 when all are.
  std::size_t index_at(Time time) const;

  History history_;
  std::unique_ptr<const Store> frozen_;
  Blame::Interval blame_;
};

}  // namespace netsonde
