// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>

#include "probes/lookup.h"
#include "probes/prober.h"
#include "user/base/loop.h"

namespace netsonde {

// Calls back once, unless it is set again, stopped or gone before. On a loop that outlives it.
class Deadline {
 public:
  explicit Deadline(Loop& loop) : loop_(loop) {}
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  ~Deadline() { stop(); }

  Result<> set(Nanos delay, std::function<void()> on_late);
  void stop();

 private:
  void expire();

  Loop& loop_;
  int timer_ = -1;
  std::function<void()> on_late_;
};

// An attempt on its way: what all probers do alike. Whoever calls one of its functions that may
// finish it must not touch it afterwards, for the one who is called back may have ended it.
class AttemptRun {
 public:
  AttemptRun(Loop& loop, const ProbeRequest& request, Prober::OnAttempt on_attempt);

  const ProbeRequest& request() const { return request_; }
  Attempt& attempt() { return attempt_; }
  // Until then the end is called back later, never at once.
  void started() { starting_ = false; }

  // Of the time for everything; positive.
  Nanos left() const;
  // Calls back when this phase has taken longer than the limit, or the attempt as a whole than its.
  Result<> within(Nanos limit, std::function<void()> on_late);
  // Calls back with the address to try: the pinned one, the target itself, or the first that the
  // lookup finds. Without one the attempt is finished. exists: whether the run still does, for the
  // lookup goes on when it has ended.
  void find_address(Lookup& lookup, std::function<bool()> exists,
                    std::function<void(const Address&)> on_address);
  // With everything else of the attempt filled in.
  void finish(std::optional<Failure> failure);
  // For who is called by something that must not end within the call.
  void finish_later(std::optional<Failure> failure);

 private:
  void take(Lookup::Found found, const std::function<void(const Address&)>& on_address);
  void note_end(std::optional<Failure> failure);
  void report();

  ProbeRequest request_;
  Prober::OnAttempt on_attempt_;
  Attempt attempt_;
  Deadline deadline_;
  bool starting_ = true;
};

}  // namespace netsonde
