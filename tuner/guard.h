// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

struct GuardDuty {
  std::string directory{};        // of the journal
  std::uint64_t set = 0;          // the change set that is watched
  std::int64_t begun_ns = 0;      // when that began: another journal has others
  std::uint64_t deadline_ns = 0;  // CLOCK_BOOTTIME; 0: none
  bool bound = false;             // to the process that starts it: its end is the deadline too
  // Runs in the guard at the deadline, or when it is told to end (SIGTERM) before, with why; once a
  // second until it has done all, or for ten minutes.
  std::function<bool(const std::string& why)> act{};
};

// The dead man's switch: a process in a session of its own, which outlives whoever started it. It
// acts unless the journal says before that the set has ended. Returns when it stands ready.
Result<> start_guard(const GuardDuty& duty);

// Returns when the set has ended, or when its guard is gone.
Result<> wait_for_end(const GuardDuty& duty);

// A set that is bound has an owner as long as whoever has this lives.
Result<UniqueFd> own(const std::string& directory, std::uint64_t set);
bool has_owner(const std::string& directory, std::uint64_t set);

// Whether the set has one.
bool has_guard(const std::string& directory, std::uint64_t set);

}  // namespace netsonde
