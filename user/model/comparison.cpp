// SPDX-License-Identifier: Apache-2.0
#include "user/model/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace netsonde {

namespace {

constexpr double kAlpha = 0.05;

// Both arms' figures, of the blocks that have both. Of nothing there is no ratio.
struct Pairs {
  Statistics baseline{}, arm{};
  std::vector<double> log_ratios{};
};

Pairs pairs_of(const ArmFigures& baseline, const ArmFigures& arm, Metric metric) {
  Pairs pairs;
  const auto first = baseline.medians.find(metric), second = arm.medians.find(metric);
  if (first == baseline.medians.end() || second == arm.medians.end()) return pairs;
  const std::size_t blocks = std::min(first->second.size(), second->second.size());
  for (std::size_t i = 0; i < blocks; ++i) {
    const auto one = first->second[i], other = second->second[i];
    if (!one || !other || !(*one > 0) || !(*other > 0)) continue;
    pairs.baseline.add(one);
    pairs.arm.add(other);
    pairs.log_ratios.push_back(std::log(*other / *one));
  }
  return pairs;
}

// How many blocks a p below 0.05 takes at least among so many comparisons, whatever they show.
std::size_t fewest_blocks(std::size_t comparisons) {
  const auto all = static_cast<double>(comparisons);
  const auto blocks = static_cast<std::size_t>(std::floor(std::log2(2 * all / kAlpha))) + 1;
  return std::max(blocks, kFewestBlocks);
}

// Each p, raised for all of the same kind.
void adjust(std::vector<ArmComparison>& comparisons, bool again) {
  std::vector<double> p;
  std::vector<ArmComparison*> whose;
  for (ArmComparison& comparison : comparisons) {
    if (comparison.again != again || !comparison.effect) continue;
    p.push_back(comparison.effect->p);
    whose.push_back(&comparison);
  }
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < whose.size(); ++i) whose[i]->adjusted_p = adjusted[i];
}

// How many standard deviations a normal variable is away, or more, with this probability.
double deviations_at(double p) {
  double low = 0, high = 10;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::sqrt(2.0)) > p ? low : high) = middle;
  }
  return low;
}

// As judge() says it of one comparison: blocks that make the interval narrow enough, here one that
// is wider for there being several.
std::size_t blocks_for_all(const Effect& effect, std::size_t for_one, std::size_t comparisons,
                           double band) {
  const double center = std::abs(std::log(effect.ratio));
  if (center < std::log1p(band) / 2) return for_one;  // to be told equivalent
  const double half = std::log(effect.interval.high / effect.interval.low) / 2;
  const double wider =
      deviations_at(kAlpha / static_cast<double>(comparisons)) / deviations_at(kAlpha);
  const double blocks = static_cast<double>(effect.blocks);
  const double more = std::ceil(blocks * std::pow(half * wider / center, 2) - blocks);
  return static_cast<std::size_t>(std::max(more, 1.0));
}

void judge_comparison(ArmComparison& comparison, std::size_t comparisons) {
  const JudgeSettings settings{.less_is_better = less_is_better(comparison.metric)};
  if (comparison.effect) {
    const Judgement judged = judge(*comparison.effect, *comparison.adjusted_p, settings);
    comparison.verdict = judged.verdict;
    if (judged.more_blocks)
      comparison.more_blocks =
          blocks_for_all(*comparison.effect, *judged.more_blocks, comparisons, settings.band);
  }
  const std::size_t fewest = fewest_blocks(comparisons);
  // Without a single figure more blocks may help nothing.
  if (comparison.verdict != Verdict::Inconclusive || comparison.blocks == 0) return;
  if (comparison.blocks >= fewest) return;
  const std::size_t missing = fewest - comparison.blocks;
  comparison.more_blocks = std::max(comparison.more_blocks.value_or(0), missing);
}

std::string refusal(const ArmComparison& alarm) {
  return fmt::format("noise: {} of the baseline differs from itself by {:+.1f}% [{:+.1f}, {:+.1f}]",
                     name_of(alarm.metric), (alarm.effect->ratio - 1) * 100,
                     (alarm.effect->interval.low - 1) * 100,
                     (alarm.effect->interval.high - 1) * 100);
}

// Why there is no verdict about this comparison; empty: there is.
std::string refusal_of(const ArmComparison& comparison, const std::vector<ArmComparison>& all) {
  bool noise_known = false;
  for (const ArmComparison& other : all) {
    if (!other.again || other.factor != comparison.factor) continue;
    if (other.alarm) return refusal(other);
    noise_known |= other.metric == comparison.metric && other.effect;
  }
  return noise_known ? "" : "the noise is unknown: no figures of the baseline once more";
}

// Judged as an arm is that was changed.
bool differs_from_itself(const ArmComparison& comparison) {
  if (!comparison.again || !comparison.effect) return false;
  const Verdict verdict = judge(*comparison.effect, *comparison.adjusted_p, {}).verdict;
  return verdict == Verdict::Better || verdict == Verdict::Worse;
}

void refuse_noise(std::vector<ArmComparison>& comparisons) {
  for (ArmComparison& comparison : comparisons) comparison.alarm = differs_from_itself(comparison);
  for (ArmComparison& comparison : comparisons)
    if (!comparison.again && comparison.effect)
      comparison.refused = refusal_of(comparison, comparisons);
}

}  // namespace

std::string_view name_of(Metric metric) {
  switch (metric) {
    case Metric::Total: return "total_us";
    case Metric::Ttfb: return "ttfb_us";
    case Metric::WireBytes: return "wire_bytes";
    case Metric::Bandwidth: return "bandwidth_mbps";
  }
  return {};
}

bool less_is_better(Metric metric) {
  return metric != Metric::Bandwidth;
}

Statistics statistics_of(const ArmFigures& arm, Metric metric) {
  Statistics statistics;
  const auto found = arm.medians.find(metric);
  if (found == arm.medians.end()) return statistics;
  for (const auto& median : found->second) statistics.add(median);
  return statistics;
}

bool is_measured(const FactorFigures& factor, Metric metric) {
  const ArmFigures* baseline = factor.baseline();
  if (!baseline) return false;
  return metric == factor.metrics.front() || statistics_of(*baseline, metric).count() > 0;
}

std::string_view verdict_of(const ArmComparison& comparison) {
  if (comparison.again) return comparison.alarm ? "alarm" : "same";
  return comparison.refused.empty() ? name_of(comparison.verdict) : "refused";
}

const ArmFigures* FactorFigures::baseline() const {
  const auto found = std::ranges::find_if(
      arms, [](const ArmFigures& arm) -> bool { return arm.unavailable.empty(); });
  return found == arms.end() ? nullptr : &*found;
}

std::vector<ArmComparison> compare(const std::vector<FactorFigures>& factors, std::uint64_t seed) {
  std::vector<ArmComparison> comparisons;
  std::mt19937_64 seeds(seed);
  for (const FactorFigures& factor : factors) {
    const ArmFigures* baseline = factor.baseline();
    const auto add = [&](const ArmFigures& arm, bool again) {
      for (const Metric metric : factor.metrics) {
        if (!is_measured(factor, metric)) continue;
        const Pairs pairs = pairs_of(*baseline, arm, metric);
        comparisons.push_back({.factor = factor.name,
                               .arm = arm.name,
                               .baseline = baseline->name,
                               .again = again,
                               .metric = metric,
                               .blocks = pairs.log_ratios.size(),
                               .baseline_median = pairs.baseline.quantile(0.5),
                               .arm_median = pairs.arm.quantile(0.5),
                               .effect = effect_of(pairs.log_ratios, seeds())});
      }
    };
    if (!baseline) continue;
    if (factor.baseline_again) add(*factor.baseline_again, true);
    for (const ArmFigures& arm : factor.arms)
      if (&arm != baseline && arm.unavailable.empty()) add(arm, false);
  }
  adjust(comparisons, false);
  adjust(comparisons, true);
  const auto judged =
      static_cast<std::size_t>(std::ranges::count(comparisons, false, &ArmComparison::again));
  for (ArmComparison& comparison : comparisons)
    if (!comparison.again) judge_comparison(comparison, judged);
  refuse_noise(comparisons);
  return comparisons;
}

}  // namespace netsonde
