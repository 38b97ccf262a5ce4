// SPDX-License-Identifier: Apache-2.0
#include "user/experiment_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "user/base/json.h"
#include "user/base/text.h"
#include "user/base/units.h"

namespace netsonde {

namespace {

constexpr int kMetricWidth = 14;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

std::string value_text(Metric metric, std::optional<double> value) {
  if (!value) return "-";
  switch (metric) {
    case Metric::Total:
    case Metric::Ttfb: return short_duration(Nanos(std::llround(*value * 1e3)));
    case Metric::WireBytes: return short_bytes(*value);
    case Metric::Bandwidth: return fmt::format("{:.1f}", *value);
  }
  return {};
}

std::string p_text(std::optional<double> p) {
  if (!p) return "-";
  return *p < 0.001 ? "<0.001" : fmt::format("{:.3f}", *p);
}

// "84.5% less".
std::string change_text(double ratio) {
  return ratio < 1 ? fmt::format("{:.1f}% less", (1 - ratio) * 100)
                   : fmt::format("{:.1f}% more", (ratio - 1) * 100);
}

std::string verdict_text(const ArmComparison& comparison) {
  if (comparison.again && comparison.alarm) return "alarm: the baseline differs from itself";
  if (comparison.again) return comparison.effect ? "as it should be" : "too few blocks to tell";
  if (!comparison.refused.empty()) return "refused: no claim";
  switch (comparison.verdict) {
    case Verdict::Better:
    case Verdict::Worse:
      return fmt::format("{}: {}", name_of(comparison.verdict),
                         change_text(comparison.effect->ratio));
    case Verdict::Equivalent: return "equivalent: within 3%";
    case Verdict::Inconclusive: break;
  }
  if (comparison.blocks == 0) return "inconclusive: no figures";
  if (!comparison.more_blocks) return "inconclusive: too much scatter to say what would tell";
  return fmt::format("inconclusive: needs about {} more block{}", *comparison.more_blocks,
                     *comparison.more_blocks == 1 ? "" : "s");
}

// How wide the names of arms are.
int width_of(const FactorFigures& factor) {
  int width = 3;
  for (const ArmFigures& arm : factor.arms)
    width = std::max(width, display_width(printable(arm.name)) + 4);  // " A/A"
  return std::min(width, 40);
}

std::string row_text(const ArmComparison& comparison, int width) {
  const std::string name = printable(comparison.arm) + (comparison.again ? " A/A" : "");
  const auto& effect = comparison.effect;
  return fmt::format(
      "  {} {} {:>6} {:>9} {:>6} {:>13} {:>6}  {}\n", fit(name, width),
      fit(name_of(comparison.metric), kMetricWidth), comparison.blocks,
      value_text(comparison.metric, comparison.arm_median),
      effect ? fmt::format("{:.3f}", effect->ratio) : "-",
      effect ? fmt::format("{:.3f}-{:.3f}", effect->interval.low, effect->interval.high) : "-",
      p_text(comparison.adjusted_p), verdict_text(comparison));
}

std::string baseline_text(const FactorFigures& factor, int width) {
  const ArmFigures& baseline = *factor.baseline();
  std::string text;
  for (const Metric metric : factor.metrics) {
    if (!is_measured(factor, metric)) continue;
    const Statistics statistics = statistics_of(baseline, metric);
    text +=
        fmt::format("  {} {} {:>6} {:>9} {:>6} {:>13} {:>6}  baseline\n",
                    fit(printable(baseline.name), width), fit(name_of(metric), kMetricWidth),
                    statistics.count(), value_text(metric, statistics.quantile(0.5)), "", "", "");
  }
  return text;
}

// What the figures of an arm leave out.
std::string omissions_text(const ArmFigures& arm, bool again) {
  std::string text;
  const std::string name = printable(arm.name) + (again ? " A/A" : "");
  if (arm.failed)
    text += fmt::format("  {}: {} of {} units failed, the last: {}\n", name, arm.failed, arm.units,
                        printable(arm.failure));
  if (arm.not_in_force)
    text += fmt::format("  {}: {} of {} units were not so, the last: {}\n", name, arm.not_in_force,
                        arm.units, printable(arm.why_not_in_force));
  return text;
}

// What to do about the metric that counts.
std::string advice_text(const FactorFigures& factor, const ArmComparison& comparison) {
  if (comparison.again || comparison.metric != factor.metrics.front()) return {};
  const auto arm = std::ranges::find(factor.arms, comparison.arm, &ArmFigures::name);
  const std::string name = printable(comparison.arm);
  if (!comparison.refused.empty())
    return fmt::format("  {}: {}\n", name, printable(comparison.refused));
  switch (comparison.verdict) {
    case Verdict::Better: return fmt::format("  {}: {}\n", name, printable(arm->advice));
    case Verdict::Worse:
      return fmt::format("  {}: rather {}\n", name, printable(factor.baseline()->advice));
    case Verdict::Equivalent: return fmt::format("  {}: nothing to gain or to lose\n", name);
    case Verdict::Inconclusive: break;
  }
  return {};
}

std::string factor_text(const FactorFigures& factor,
                        const std::vector<ArmComparison>& comparisons) {
  std::string text = fmt::format("{}: {}\n", factor.name, factor.question);
  const int width = width_of(factor);
  if (factor.baseline_again) {
    text += fmt::format("  {} {} {:>6} {:>9} {:>6} {:>13} {:>6}  VERDICT\n", fit("ARM", width),
                        fit("METRIC", kMetricWidth), "BLOCKS", "MEDIAN", "RATIO", "95%", "P");
    text += baseline_text(factor, width);
    std::string advice;
    for (const ArmComparison& comparison : comparisons) {
      if (comparison.factor != factor.name) continue;
      text += row_text(comparison, width);
      advice += advice_text(factor, comparison);
    }
    text += advice;
    text += omissions_text(*factor.baseline_again, true);
  } else {
    text += factor.arms.size() < 2 ? "  nothing to compare: there is only one\n"
                                   : "  nothing to compare\n";
  }
  for (const ArmFigures& arm : factor.arms) {
    text += omissions_text(arm, false);
    if (!arm.unavailable.empty())
      text += fmt::format("  {} is not available: {}\n", printable(arm.name),
                          printable(arm.unavailable));
  }
  return text;
}

Json arm_json(const ArmFigures& arm) {
  return {{"units", arm.units},
          {"failed", arm.failed},
          {"failure", or_null(arm.failure)},
          {"not_in_force", arm.not_in_force},
          {"why_not_in_force", or_null(arm.why_not_in_force)}};
}

const ArmFigures& arm_of(const FactorFigures& factor, const ArmComparison& comparison) {
  if (comparison.again) return *factor.baseline_again;
  return *std::ranges::find(factor.arms, comparison.arm, &ArmFigures::name);
}

Json comparison_json(const FactorFigures& factor, const ArmComparison& comparison) {
  const auto& effect = comparison.effect;
  const auto of_effect = [&](double value) { return effect ? Json(value) : Json(); };
  const Effect found = effect.value_or(Effect{});
  const ArmFigures& arm = arm_of(factor, comparison);
  Json json = {{"factor", comparison.factor},
               {"arm", comparison.arm},
               {"baseline", comparison.baseline},
               {"aa", comparison.again},
               {"metric", name_of(comparison.metric)},
               {"main", comparison.metric == factor.metrics.front()},
               {"verdict", verdict_of(comparison)},
               {"why", or_null(comparison.refused)},
               {"advice", or_null(arm.advice)},
               {"more_blocks", or_null(comparison.more_blocks)},
               {"blocks", comparison.blocks},
               {"baseline_median", or_null(comparison.baseline_median)},
               {"arm_median", or_null(comparison.arm_median)},
               {"ratio", of_effect(found.ratio)},
               {"ratio_low", of_effect(found.interval.low)},
               {"ratio_high", of_effect(found.interval.high)},
               {"p", of_effect(found.p)},
               {"p_holm", or_null(comparison.adjusted_p)}};
  json.update(arm_json(arm));
  return json;
}

Json unavailable_json(const FactorFigures& factor, const ArmFigures& arm) {
  return {{"factor", factor.name},
          {"arm", arm.name},
          {"verdict", "unavailable"},
          {"why", arm.unavailable}};
}

Json summary_json(const ExperimentReport& report, std::uint64_t unavailable) {
  const auto count = [&](std::string_view verdict) {
    return std::ranges::count_if(report.comparisons, [verdict](const ArmComparison& comparison) {
      return verdict_of(comparison) == verdict;
    });
  };
  return {{"url", report.url},
          {"address", report.address},
          {"blocks", report.blocks},
          {"blocks_wanted", report.blocks_wanted},
          {"units", report.units},
          {"seed", report.seed},
          {"requests", report.requests},
          {"ended_early", or_null(report.ended_early)},
          {"better", count("better")},
          {"worse", count("worse")},
          {"equivalent", count("equivalent")},
          {"inconclusive", count("inconclusive")},
          {"refused", count("refused")},
          {"unavailable", unavailable},
          {"aa_same", count("same")},
          {"aa_alarms", count("alarm")}};
}

}  // namespace

bool ExperimentReport::measured() const {
  return std::ranges::any_of(comparisons, [](const ArmComparison& comparison) {
    return !comparison.again && comparison.blocks > 0;
  });
}

std::string to_text(const ExperimentReport& report) {
  std::string text = fmt::format(
      "{} at {}: {} of {} blocks, {} units of each arm in each, seed {}\n", printable(report.url),
      report.address, report.blocks, report.blocks_wanted, report.units, report.seed);
  for (const FactorFigures& factor : report.factors)
    text += factor_text(factor, report.comparisons);
  return text;
}

std::string to_json_lines(const ExperimentReport& report, std::int64_t now_ns) {
  std::string lines;
  std::uint64_t unavailable = 0;
  const auto add = [&](const Json& row) {
    Json json = {{"time", rfc3339(now_ns)}};
    json.update(row);
    lines += to_line(json) + "\n";
  };
  for (const FactorFigures& factor : report.factors) {
    for (const ArmComparison& comparison : report.comparisons)
      if (comparison.factor == factor.name) add(comparison_json(factor, comparison));
    for (const ArmFigures& arm : factor.arms) {
      if (arm.unavailable.empty()) continue;
      add(unavailable_json(factor, arm));
      ++unavailable;
    }
  }
  return lines + to_line({{"summary", summary_json(report, unavailable)}}) + "\n";
}

}  // namespace netsonde
