// SPDX-License-Identifier: Apache-2.0
#include "user/model/knee.h"

#include <algorithm>

namespace netsonde {

namespace {

constexpr double kNearBest = 0.95;

const LoadLevel* last_measured(std::span<const LoadLevel> levels) {
  const LoadLevel* last = nullptr;
  for (const LoadLevel& level : levels)
    if (level.per_second) last = &level;
  return last;
}

}  // namespace

std::optional<Knee> knee_of(std::span<const LoadLevel> levels) {
  double best = 0;
  for (const LoadLevel& level : levels) best = std::max(best, level.per_second.value_or(0));
  const auto at = std::ranges::find_if(levels, [best](const LoadLevel& level) {
    return level.per_second && *level.per_second >= kNearBest * best;
  });
  if (best <= 0 || at == levels.end() || &*at == last_measured(levels)) return std::nullopt;
  Knee knee{
      .concurrency = at->concurrency, .per_second = *at->per_second, .latency_us = at->latency_us};
  if (!knee.latency_us) return knee;
  const auto doubled = std::find_if(at, levels.end(), [&knee](const LoadLevel& level) {
    return level.latency_us && *level.latency_us >= 2 * *knee.latency_us;
  });
  if (doubled != levels.end()) knee.doubled_at = doubled->concurrency;
  return knee;
}

}  // namespace netsonde
