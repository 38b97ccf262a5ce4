// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "user/base/units.h"
#include "user/model/attempt.h"
#include "user/model/statistics.h"

namespace netsonde {

// What many requests in a row came to.

struct FailureCount {
  std::uint64_t count = 0;
  std::string example{};  // the detail of the first
};
using FailureCounts = std::map<FailureKind, FailureCount>;

struct LoadResult {
  std::uint64_t started = 0;   // requests, those of the next line included
  std::uint64_t opening = 0;   // sent to open connections; not part of times and rate
  std::uint64_t answered = 0;  // without a failure
  FailureCounts failures{};
  std::uint64_t unfinished = 0;  // cut off by the end of the time: neither answered nor failed
  std::uint64_t wire_bytes = 0;  // of bodies
  // Of answered requests. Open loop: the latency counts from the intended start, what the server
  // took from the real one.
  Statistics latency_us{}, service_us{};
  // Open loop: how late requests began, of all that did; those that were late; and those that
  // never could, for too many were in flight.
  Statistics lateness_us{};
  std::uint64_t late = 0, not_started = 0;
  // Answered in a second, while the load was whole; absent where nothing was answered then.
  std::optional<double> per_second{};
  Nanos whole{};  // how long that was

  std::uint64_t failed() const {
    std::uint64_t sum = 0;
    for (const auto& [kind, failures_of_kind] : failures) sum += failures_of_kind.count;
    return sum;
  }
};

}  // namespace netsonde
