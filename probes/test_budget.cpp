// SPDX-License-Identifier: Apache-2.0
#include "probes/test_budget.h"

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

// Beside the other stages.
struct Weight {
  double requests = 0, bytes = 0, duration = 0;
};
constexpr std::array<Weight, kTestStages> kWeights = {
    Weight{.requests = 1, .bytes = 5, .duration = 3},     // cold
    Weight{.requests = 5, .bytes = 5, .duration = 2},     // warm
    Weight{.requests = 2, .bytes = 30, .duration = 4},    // download
    Weight{.requests = 2, .bytes = 15, .duration = 4},    // upload
    Weight{.requests = 58, .bytes = 20, .duration = 8},   // sweep
    Weight{.requests = 20, .bytes = 10, .duration = 5},   // open loop
    Weight{.requests = 14, .bytes = 30, .duration = 8}};  // responsiveness

const Weight& weight_of(TestStage stage) {
  return kWeights.at(static_cast<std::size_t>(stage));
}

Weight sum_of(std::span<const TestStage> stages) {
  Weight sum;
  for (const TestStage stage : stages) {
    const Weight& weight = weight_of(stage);
    sum.requests += weight.requests;
    sum.bytes += weight.bytes;
    sum.duration += weight.duration;
  }
  return sum;
}

std::uint64_t part_of(std::uint64_t whole, double part) {
  return static_cast<std::uint64_t>(static_cast<double>(whole) * part);
}

Nanos part_of(Nanos whole, double part) {
  return Nanos(static_cast<std::int64_t>(static_cast<double>(whole.count()) * part));
}

double level_weight(std::size_t concurrency) {
  return 1 + static_cast<double>(concurrency) / 16;
}

}  // namespace

TestBudget stage_share(const TestBudget& whole, const TestBudget& left,
                       std::span<const TestStage> all, std::size_t first) {
  const Weight& weight = weight_of(all[first]);
  const Weight coming = sum_of(all.subspan(first));
  const Nanos fixed = part_of(whole.duration, weight.duration / sum_of(all).duration);
  return {.requests = part_of(left.requests, weight.requests / coming.requests),
          .bytes = part_of(left.bytes, weight.bytes / coming.bytes),
          .duration = all[first] == TestStage::Responsiveness ? left.duration
                                                              : std::min(left.duration, fixed)};
}

std::vector<std::size_t> sweep_levels(std::size_t most) {
  std::vector<std::size_t> levels;
  for (std::size_t level = 1; level < most; level *= 2) levels.push_back(level);
  levels.push_back(most);
  return levels;
}

TestBudget level_share(const TestBudget& left, std::span<const std::size_t> levels) {
  double sum = 0;
  for (const std::size_t level : levels) sum += level_weight(level);
  const double part = level_weight(levels.front()) / sum;
  return {.requests = part_of(left.requests, part),
          .bytes = part_of(left.bytes, part),
          .duration = left.duration / levels.size()};
}

}  // namespace netsonde
