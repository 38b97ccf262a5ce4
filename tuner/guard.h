// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "user/base/result.h"

namespace netsonde {

struct GuardDuty {
  std::string directory{};        // of the journal
  std::uint64_t set = 0;          // the change set that is watched
  std::uint64_t deadline_ns = 0;  // CLOCK_BOOTTIME; 0: none
  bool bound = false;             // to the process that starts it: its end is the deadline too
  // Runs in the guard at the deadline, or when it is told to end (SIGTERM) before.
  std::function<void()> act{};
};

// The dead man's switch: a process in a session of its own, which outlives whoever started it. It
// acts unless the journal says before that the set has ended. Returns when it stands ready.
Result<> start_guard(const GuardDuty& duty);

// Returns when the set has ended, or when its guard is gone.
Result<> wait_for_end(const GuardDuty& duty);

// Whether there is one, for whichever set.
bool has_guard(const std::string& directory);

}  // namespace netsonde
