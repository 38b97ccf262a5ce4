// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace netsonde {

// What a measurement allows to say, and how surely. Randomness comes from a seed alone: the same
// figures give the same answer.

struct Interval {
  double low = 0;
  double high = 0;
};

// Of a share, that many of so many: with 95% confidence (Wilson 1927). Absent without trials.
std::optional<Interval> share_interval(std::uint64_t of_these, std::uint64_t trials);

// Two arms measured side by side in blocks: in each of them both, in random order.
struct Effect {
  std::size_t blocks = 0;
  double ratio = 1;  // of the second arm to the first: the geometric mean of the blocks' ratios
  Interval interval{.low = 1, .high = 1};  // of it, 95%: bootstrap over blocks, wider for few
  double p = 1;  // of a ratio at least as far from 1 if the arms were the same: signs flipped
};

// Fewer blocks cannot give a p below 0.05, whatever they show.
inline constexpr std::size_t kFewestBlocks = 6;

// log_ratios: of each block, the logarithm of the second arm's figure (a median, say) over the
// first's. Absent for fewer than kFewestBlocks, or where one is no number.
std::optional<Effect> effect_of(std::span<const double> log_ratios, std::uint64_t seed);

// The p of each of several comparisons, raised for there being several (Holm 1979): with these
// below 0.05, one false alarm in all of them has a chance of 5%.
std::vector<double> holm(std::span<const double> p);

enum class Verdict : std::uint8_t { Better, Worse, Equivalent, Inconclusive };

std::string_view name_of(Verdict verdict);

struct Judgement {
  Verdict verdict = Verdict::Inconclusive;
  // About so many blocks more, with blocks that scatter like these, would tell; of Inconclusive.
  std::optional<std::size_t> more_blocks{};
};

struct JudgeSettings {
  bool less_is_better = true;
  double band = 0.03;  // ratios from 1 / (1 + band) to 1 + band make no difference to anybody
};

// adjusted_p: of the effect, by holm(). Better and Worse need it below 0.05, and an interval
// without 1; Equivalent needs the interval within the band, and comes first.
Judgement judge(const Effect& effect, double adjusted_p, const JudgeSettings& settings);

}  // namespace netsonde
