// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace netsonde {

using Nanos = std::chrono::nanoseconds;

// The kernel's monotonic clock, the only clock an event carries. Never read below the controller.
struct KernelClock {
  using duration = Nanos;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<KernelClock>;
  static constexpr bool is_steady = true;
};
using Time = KernelClock::time_point;

constexpr Time time_from_ns(std::uint64_t ns) {
  return Time(Nanos(static_cast<std::int64_t>(ns)));
}
constexpr double seconds(Nanos span) {
  return std::chrono::duration<double>(span).count();
}

}  // namespace netsonde
