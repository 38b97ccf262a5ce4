// SPDX-License-Identifier: Apache-2.0
#include "user/model/inference.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace netsonde {

namespace {

constexpr double kAlpha = 0.05;
constexpr double kZ = 1.959964;  // of a normal distribution, 2.5% beyond
constexpr std::size_t kResamples = 4000;
constexpr std::size_t kFlips = 10'000;
constexpr std::size_t kExactUpTo = 13;  // blocks whose 2^n signs are all tried
constexpr double kMostMore = 1e6;

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// What to cut off at each side of the drawn means. They scatter less than the mean itself does, by
// the root of (n - 1) / n, and few values tell little of how much they scatter (Student): with 2.5%
// an interval of 95% would miss in 6 blocks 14% of the time (Hesterberg 2015, 5.3.1).
double tail_of(std::size_t count) {
  const double n = static_cast<double>(count), nu = n - 1, z = kZ;
  const double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const double t = z + (z3 + z) / (4 * nu) + (5 * z5 + 16 * z3 + 3 * z) / (96 * nu * nu) +
                   (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * nu * nu * nu);
  return std::erfc(t * std::sqrt(n / nu) / std::sqrt(2.0)) / 2;
}

// Of the means of as many values drawn from these with replacement.
Interval bootstrap(std::span<const double> values, std::mt19937_64& random) {
  std::uniform_int_distribution<std::size_t> draw(0, values.size() - 1);
  std::vector<double> means(kResamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[draw(random)];
    mean = sum / static_cast<double>(values.size());
  }
  std::ranges::sort(means);
  const auto at = [&means](double share) {
    return means[static_cast<std::size_t>(share * static_cast<double>(means.size() - 1))];
  };
  const double tail = tail_of(values.size());
  return {.low = at(tail), .high = at(1 - tail)};
}

// Were the arms the same, each block's sign would be chance.
class SignFlips {
 public:
  explicit SignFlips(std::span<const double> values)
      : values_(values), least_(std::abs(sum_of(0)) * (1 - 1e-12)) {}

  double exact() const {
    const std::uint64_t all = 1ULL << values_.size();
    std::uint64_t as_far = 0;
    for (std::uint64_t signs = 0; signs < all; ++signs) as_far += is_as_far(signs);
    return static_cast<double>(as_far) / static_cast<double>(all);
  }

  // What was measured is one of the draws, so that no p is 0 (Phipson & Smyth 2010).
  double sampled(std::mt19937_64& random) const {
    std::uint64_t as_far = 1;
    for (std::size_t i = 0; i < kFlips; ++i) as_far += flipped_is_as_far(random);
    return static_cast<double>(as_far) / static_cast<double>(kFlips + 1);
  }

 private:
  double sum_of(std::uint64_t signs) const {
    double sum = 0;
    for (std::size_t i = 0; i < values_.size(); ++i)
      sum += i < 64 && signs >> i & 1 ? -values_[i] : values_[i];
    return sum;
  }

  bool is_as_far(std::uint64_t signs) const { return std::abs(sum_of(signs)) >= least_; }

  bool flipped_is_as_far(std::mt19937_64& random) const {
    double sum = 0;
    std::uint64_t signs = 0;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (i % 64 == 0) signs = random();
      sum += signs >> (i % 64) & 1 ? -values_[i] : values_[i];
    }
    return std::abs(sum) >= least_;
  }

  std::span<const double> values_;
  double least_;
};

// An interval shrinks with the root of the blocks: how many make it as narrow as what it must tell
// apart, the effect from 1 or from the edge of the band.
std::optional<std::size_t> more_blocks(const Effect& effect, double band) {
  const double half = std::log(effect.interval.high / effect.interval.low) / 2;
  const double center = std::abs(std::log(effect.ratio));
  const double edge = std::log1p(band);
  const double apart = std::max(center, edge - center);
  if (!(half > 0) || !(apart > 0)) return std::nullopt;
  const double blocks = static_cast<double>(effect.blocks);
  const double more = std::ceil(blocks * (half / apart) * (half / apart) - blocks);
  if (!(more < kMostMore)) return std::nullopt;
  return static_cast<std::size_t>(std::max(more, 1.0));
}

}  // namespace

std::optional<Interval> share_interval(std::uint64_t of_these, std::uint64_t trials) {
  if (trials == 0) return std::nullopt;
  const auto n = static_cast<double>(trials);
  const double share = static_cast<double>(of_these) / n;
  const double center = share + kZ * kZ / (2 * n);
  const double half = kZ * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  const double scale = 1 + kZ * kZ / n;
  return Interval{.low = of_these == 0 ? 0 : (center - half) / scale,
                  .high = of_these == trials ? 1 : (center + half) / scale};
}

std::optional<Effect> effect_of(std::span<const double> log_ratios, std::uint64_t seed) {
  if (log_ratios.size() < kFewestBlocks) return std::nullopt;
  if (!std::ranges::all_of(log_ratios, [](double value) { return std::isfinite(value); }))
    return std::nullopt;
  std::mt19937_64 random(seed);
  const Interval interval = bootstrap(log_ratios, random);
  const SignFlips flips(log_ratios);
  const double p = log_ratios.size() <= kExactUpTo ? flips.exact() : flips.sampled(random);
  return Effect{.blocks = log_ratios.size(),
                .ratio = std::exp(mean_of(log_ratios)),
                .interval = {.low = std::exp(interval.low), .high = std::exp(interval.high)},
                .p = p};
}

std::vector<double> holm(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [p](std::size_t i) { return p[i]; });
  std::vector<double> adjusted(p.size());
  double highest = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double raised = p[order[rank]] * static_cast<double>(p.size() - rank);
    highest = std::max(highest, std::min(raised, 1.0));
    adjusted[order[rank]] = highest;
  }
  return adjusted;
}

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::Better: return "better";
    case Verdict::Worse: return "worse";
    case Verdict::Equivalent: return "equivalent";
    case Verdict::Inconclusive: return "inconclusive";
  }
  return {};
}

Judgement judge(const Effect& effect, double adjusted_p, const JudgeSettings& settings) {
  const double edge = 1 + settings.band;
  if (effect.interval.low >= 1 / edge && effect.interval.high <= edge)
    return {.verdict = Verdict::Equivalent};
  const bool differs = adjusted_p < kAlpha && (effect.interval.low > 1 || effect.interval.high < 1);
  if (!differs) return {.more_blocks = more_blocks(effect, settings.band)};
  const bool less = effect.ratio < 1;
  return {.verdict = less == settings.less_is_better ? Verdict::Better : Verdict::Worse};
}

}  // namespace netsonde
