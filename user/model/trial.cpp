// SPDX-License-Identifier: Apache-2.0
#include "user/model/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace netsonde {

namespace {

constexpr double kAlpha = 0.05;
// Guards that become worse by less do no harm; by how much nobody waits for a verdict.
constexpr double kHarm = 1.1;
constexpr int kMuchWorse = 2;
constexpr std::size_t kInARow = 3;

constexpr std::array kMetrics = {
    TrialMetric{.id = "tx_bytes_per_s",
                .help = "TCP payload sent",
                .unit = Unit::BytesPerSecond,
                .less_is_better = false},
    TrialMetric{.id = "rx_bytes_per_s",
                .help = "TCP payload received",
                .unit = Unit::BytesPerSecond,
                .less_is_better = false},
    TrialMetric{.id = "tx_bytes_per_busy_s",
                .help = "TCP payload sent, of the time in which a connection had some on its way",
                .unit = Unit::BytesPerSecond,
                .less_is_better = false},
    TrialMetric{.id = "opened_per_s",
                .help = "TCP connections opened",
                .unit = Unit::PerSecond,
                .less_is_better = false},
    TrialMetric{.id = "connected_per_s",
                .help = "TCP connections established, without attempts that failed",
                .unit = Unit::PerSecond,
                .less_is_better = false,
                .step = 1},
    TrialMetric{.id = "retransmit_percent",
                .help = "share of the segments sent that were retransmitted",
                .unit = Unit::Percent,
                .guards = true,
                .step = 0.5},
    TrialMetric{.id = "rtt_p50_us",
                .help = "smoothed round-trip time, median of the active connections",
                .unit = Unit::Microseconds,
                .step = 100},
    TrialMetric{.id = "rtt_p99_us",
                .help = "the same, 99th percentile",
                .unit = Unit::Microseconds,
                .guards = true,
                .step = 100},
    TrialMetric{.id = "listen_overflows_per_s",
                .help = "attempts to connect that listeners had no room for",
                .unit = Unit::PerSecond,
                .guards = true,
                .step = 1},
    TrialMetric{.id = "connection_failures_per_s",
                .help = "attempts to connect that failed",
                .unit = Unit::PerSecond,
                .guards = true,
                .step = 1},
    TrialMetric{.id = "timeouts_per_s",
                .help = "retransmission timeouts",
                .unit = Unit::PerSecond,
                .guards = true,
                .step = 1},
    TrialMetric{.id = "softnet_drops_per_s",
                .help = "packets dropped at full input queues of CPUs",
                .unit = Unit::PerSecond,
                .guards = true,
                .step = 1},
    TrialMetric{.id = "udp_receive_errors_per_s",
                .help = "datagrams dropped at full receive buffers",
                .unit = Unit::PerSecond,
                .guards = true,
                .step = 1},
    TrialMetric{.id = "tcp_memory_pages",
                .help = "pages of memory that TCP buffers take",
                .unit = Unit::Count,
                .guards = true,
                .step = 25'600},
    TrialMetric{.id = "softirq_percent",
                .help = "time in software interrupts of all CPUs together, of that of one",
                .unit = Unit::Percent,
                .guards = true,
                .step = 25},
    TrialMetric{.id = "load_seconds", .help = "how long the load ran", .unit = Unit::Seconds},
    TrialMetric{.id = "probe_us",
                .help = "an answer to the probe, whole, median of the period",
                .unit = Unit::Microseconds},
    TrialMetric{.id = "probe_failures",
                .help = "probes that failed, of the period",
                .unit = Unit::Count,
                .guards = true,
                .step = 1},
};

// Both figures of the blocks that have both.
struct Pairs {
  double before = 0, after = 0;  // sums of the logarithms, the step added
  std::vector<double> log_ratios{};
};

Pairs pairs_of(std::span<const TrialBlock> blocks, const TrialMetric& metric) {
  Pairs pairs;
  for (const TrialBlock& block : blocks) {
    const auto before = block.before.find(metric.id), after = block.after.find(metric.id);
    if (before == block.before.end() || after == block.after.end()) continue;
    const double first = before->second + metric.step, second = after->second + metric.step;
    if (first <= 0 || second <= 0) continue;
    pairs.before += std::log(first);
    pairs.after += std::log(second);
    pairs.log_ratios.push_back(std::log(second / first));
  }
  return pairs;
}

double figure_of(double logarithms, std::size_t blocks, const TrialMetric& metric) {
  if (blocks == 0) return 0;
  return std::max(0.0, std::exp(logarithms / static_cast<double>(blocks)) - metric.step);
}

TrialEffect effect_on(std::span<const TrialBlock> blocks, const TrialMetric& metric,
                      std::uint64_t seed) {
  const Pairs pairs = pairs_of(blocks, metric);
  return {.metric = &metric,
          .blocks = pairs.log_ratios.size(),
          .before = figure_of(pairs.before, pairs.log_ratios.size(), metric),
          .after = figure_of(pairs.after, pairs.log_ratios.size(), metric),
          .effect = effect_of(pairs.log_ratios, seed)};
}

void judge_together(std::vector<TrialEffect>& effects) {
  std::vector<double> p;
  for (const TrialEffect& one : effects) p.push_back(one.effect ? one.effect->p : 1);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < effects.size(); ++i) {
    TrialEffect& one = effects[i];
    if (!one.effect) continue;
    const Judgement judgement =
        judge(*one.effect, adjusted[i], {.less_is_better = one.metric->less_is_better});
    one.verdict = judgement.verdict;
    one.more_blocks = judgement.more_blocks;
  }
}

// Surely so many times; 1: not surely.
double worse_by(const TrialEffect& one) {
  if (!one.effect) return 1;
  const Interval& interval = one.effect->interval;
  return std::max(1.0, one.metric->less_is_better ? interval.low : 1 / interval.high);
}

// As measured so far: how many times as good what decides became, at least 1.
double gain_of(const TrialMetric& metric, double ratio) {
  return std::max(1.0, metric.less_is_better ? 1 / ratio : ratio);
}

double gain_in(std::span<const TrialBlock> blocks, const TrialMetric& metric) {
  const std::vector<double> logs = pairs_of(blocks, metric).log_ratios;
  if (logs.empty()) return 1;
  const double sum = std::accumulate(logs.begin(), logs.end(), 0.0);
  return gain_of(metric, std::exp(sum / static_cast<double>(logs.size())));
}

// So many times is no harm.
double tolerated(const TrialMetric& metric, const Tolerance& tolerance, double gain) {
  const double paid = std::pow(gain, tolerance.gain_pays);
  double most = 1;
  if (metric.id == "rtt_p99_us") most = tolerance.round_trip;
  if (metric.id == "softirq_percent") most = std::max(tolerance.processor, paid);
  if (metric.id == "retransmit_percent") most = std::max(tolerance.retransmits, paid);
  return kHarm * most;
}

std::string harm_text(const TrialEffect& one, double most) {
  return fmt::format("{} became {:.2f} times what it was ({:.2f}-{:.2f}), tolerated are {:.2f}",
                     one.metric->id, one.effect->ratio, one.effect->interval.low,
                     one.effect->interval.high, most);
}

// Those that any block has.
std::vector<TrialEffect> guards_of(std::span<const TrialBlock> blocks, std::uint64_t seed) {
  std::vector<TrialEffect> guards;
  for (const TrialMetric& metric : kMetrics) {
    if (!metric.guards) continue;
    TrialEffect effect = effect_on(blocks, metric, seed);
    if (effect.blocks) guards.push_back(effect);
  }
  return guards;
}

bool is_much_worse(std::span<const TrialBlock> blocks, const TrialMetric& metric,
                   double tolerated) {
  if (blocks.size() < kInARow) return false;
  const Pairs pairs = pairs_of(blocks.last(kInARow), metric);
  const double sign = metric.less_is_better ? 1 : -1;
  return pairs.log_ratios.size() == kInARow &&
         std::ranges::all_of(pairs.log_ratios, [&](double ratio) {
           return sign * ratio >= std::log(kMuchWorse * tolerated / kHarm);
         });
}

}  // namespace

std::span<const TrialMetric> trial_metrics() {
  return kMetrics;
}

const TrialMetric* find_trial_metric(std::string_view id) {
  const auto found = std::ranges::find(kMetrics, id, &TrialMetric::id);
  return found == kMetrics.end() ? nullptr : found;
}

std::vector<TrialEffect> judge_trial(std::span<const TrialBlock> blocks, std::string_view decides,
                                     std::uint64_t seed) {
  std::vector<TrialEffect> effects{effect_on(blocks, *find_trial_metric(decides), seed)};
  judge_together(effects);
  std::vector<TrialEffect> guards = guards_of(blocks, seed);
  std::erase_if(guards, [&](const TrialEffect& one) { return one.metric->id == decides; });
  judge_together(guards);
  effects.insert(effects.end(), guards.begin(), guards.end());
  return effects;
}

std::string harm_in(std::span<const TrialEffect> effects, const Tolerance& tolerance) {
  const TrialEffect& decides = effects.front();
  const double gain = decides.effect ? gain_of(*decides.metric, decides.effect->ratio) : 1;
  for (const TrialEffect& one : effects.subspan(1)) {
    const double most = tolerated(*one.metric, tolerance, gain);
    if (one.effect && one.effect->p < kAlpha && worse_by(one) > most) return harm_text(one, most);
  }
  return {};
}

std::string harm_of(std::span<const TrialBlock> blocks, std::string_view decides,
                    std::size_t all_blocks, std::uint64_t seed, const Tolerance& tolerance) {
  const double gain = gain_in(blocks, *find_trial_metric(decides));
  std::vector<TrialEffect> guards = guards_of(blocks, seed);
  const std::size_t looks = all_blocks - std::min(all_blocks, kFewestBlocks) + 1;
  const auto judgements = static_cast<double>(looks * guards.size());
  for (const TrialEffect& one : guards) {
    const double most = tolerated(*one.metric, tolerance, gain);
    if (one.effect && one.effect->p * judgements < kAlpha && worse_by(one) > most)
      return harm_text(one, most);
    if (is_much_worse(blocks, *one.metric, most))
      return fmt::format("{} was at least twice as bad in each of the last {} blocks",
                         one.metric->id, kInARow);
  }
  return {};
}

}  // namespace netsonde
