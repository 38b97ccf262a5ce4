// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace netsonde {

// What so many requests at once came to.
struct LoadLevel {
  std::size_t concurrency = 0;
  std::optional<double> per_second{};  // answered; absent: not measured
  std::optional<double> latency_us{};  // the median
};

// Where more requests at once stop to bring more answers and only wait longer.
struct Knee {
  // The fewest at once that bring all but 5% of the best throughput of any level.
  std::size_t concurrency = 0;
  double per_second = 0;
  std::optional<double> latency_us{};
  // The first level from there on whose latency is at least twice that of the knee; absent where
  // none was that slow.
  std::optional<std::size_t> doubled_at{};
};

// Of levels in rising order. Absent where the throughput still rose at the last measured level,
// that is where no level before comes within 5% of the best, and with fewer than two levels.
std::optional<Knee> knee_of(std::span<const LoadLevel> levels);

}  // namespace netsonde
