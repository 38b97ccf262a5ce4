// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>
#include <cstdint>

#include "user/base/result.h"
#include "user/base/units.h"
#include "user/tuned_host.h"

namespace netsonde {

// Stops signals of the terminal while settings are being written: an end in between would leave
// them to the guard.
class Undisturbed {
 public:
  Undisturbed();
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;
  ~Undisturbed() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

struct Applied {
  std::uint64_t set = 0;
  std::int64_t begun_ns = 0;  // when it began
  std::size_t gone = 0;       // changes of connections that had closed by then
  UniqueFd owner{};           // of one that is bound: as long as it is kept, it is not interrupted
};
// Writes the plan, behind a guard. deadline_after 0: none, but the guard is bound to this process.
Result<Applied> apply(const Plan& plan, Nanos deadline_after);

// What an interrupted run has left is undone, and that is told on standard error; fails where it is
// not possible.
Result<> undo_interrupted();
Result<> undo_interrupted(TunedHost& host);

}  // namespace netsonde
