// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "user/base/text.h"
#include "user/tune_output.h"

namespace netsonde {

namespace {

constexpr int kWidth = 80;

// Three digits of it, for both are compared.
std::string duration(double seconds) {
  if (seconds >= 1 && seconds < 100) return fmt::format("{:#.3g}s", seconds);
  return short_duration(Nanos(static_cast<std::int64_t>(seconds * 1e9)));
}

std::string indented(const std::string& words) {
  std::string text;
  for (const std::string& line : wrap(words, kWidth - 2)) text += "  " + line + "\n";
  return text;
}

// The metric's name tells of what time a rate is.
std::string figure(double value, const TrialMetric& metric) {
  switch (metric.unit) {
    case Unit::Microseconds: return duration(value / 1e6);
    case Unit::Seconds: return duration(value);
    case Unit::BytesPerSecond: return short_bytes(value) + "B/s";
    case Unit::Percent: return human(value, metric.unit) + "%";
    default: return value >= 1000 ? short_count(value) : fmt::format("{:.3g}", value);
  }
}

std::string row_text(const TrialEffect& one) {
  const auto& effect = one.effect;
  const auto shown = [&one](double value) { return one.blocks ? figure(value, *one.metric) : "-"; };
  return fmt::format(
      "  {:<25} {:>8} {:>8} {:>6} {:>13} {}\n", one.metric->id, shown(one.before), shown(one.after),
      effect ? fmt::format("{:.3f}", effect->ratio) : "-",
      effect ? fmt::format("{:.3f}-{:.3f}", effect->interval.low, effect->interval.high) : "-",
      name_of(one.verdict));
}

bool is_nothing(const TrialEffect& one) {
  return one.effect && one.before == 0 && one.after == 0 && one.effect->ratio == 1;
}

// What the ratios are of, and of those that are inconclusive why.
std::string notes_on(const std::vector<TrialEffect>& effects) {
  std::string steps, more, few, chance;
  for (const TrialEffect& one : effects) {
    if (one.metric->step > 0 && one.effect && !is_nothing(one))
      steps += fmt::format("{}{} {}", steps.empty() ? "" : ", ", one.metric->id,
                           figure(one.metric->step, *one.metric));
    if (one.effect && one.verdict == Verdict::Inconclusive &&
        (one.effect->interval.low > 1 || one.effect->interval.high < 1))
      chance +=
          fmt::format("{}{} {:.2f}", chance.empty() ? "" : ", ", one.metric->id, one.effect->p);
    if (one.more_blocks)
      more += fmt::format("{}{} {}", more.empty() ? "" : ", ", one.metric->id, *one.more_blocks);
    if (!one.effect)
      few += fmt::format("{}{} {}", few.empty() ? "" : ", ", one.metric->id, one.blocks);
  }
  return (steps.empty() ? "" : indented("ratios with so much added to both: " + steps)) +
         (chance.empty() ? "" : indented("may yet be chance (p not below 0.05): " + chance)) +
         (more.empty() ? "" : indented("about so many more blocks would tell: " + more)) +
         (few.empty() ? "" : indented("blocks that could be compared: " + few));
}

Json to_json(const TrialEffect& one, bool decides) {
  const auto& effect = one.effect;
  return object_of({{"metric", one.metric->id},
                    {"decides", decides},
                    {"blocks", one.blocks},
                    {"step", one.metric->step},
                    {"before", one.blocks ? Json(one.before) : Json()},
                    {"after", one.blocks ? Json(one.after) : Json()},
                    {"ratio", effect ? Json(effect->ratio) : Json()},
                    {"low", effect ? Json(effect->interval.low) : Json()},
                    {"high", effect ? Json(effect->interval.high) : Json()},
                    {"p", effect ? Json(effect->p) : Json()},
                    {"verdict", name_of(one.verdict)},
                    {"more_blocks", one.more_blocks ? Json(*one.more_blocks) : Json()}});
}

}  // namespace

std::string to_text(const TrialReport& report) {
  std::string text =
      fmt::format("{} of {} blocks, seed {}\n", report.blocks, report.blocks_wanted, report.seed);
  text += fmt::format("  {:<25} {:>8} {:>8} {:>6} {:>13} {}\n", "METRIC", "BEFORE", "AFTER",
                      "RATIO", "95%", "VERDICT");
  std::string never;
  for (const TrialEffect& one : report.effects) {
    if (is_nothing(one) && &one != &report.effects.front())
      never += fmt::format("{}{}", never.empty() ? "" : ", ", one.metric->id);
    else
      text += row_text(one);
  }
  if (!never.empty()) text += indented("0 either way: " + never);
  text += notes_on(report.effects);
  if (!report.ended_early.empty())
    text += hanging("Ended early: ", printable(report.ended_early), 6);
  else if (!report.against.empty())
    text += hanging("Not proven: ", report.against, 6);
  return text + report.outcome;
}

std::string to_json_lines(const TrialReport& report) {
  std::string lines;
  for (const TrialEffect& one : report.effects)
    lines += to_line(to_json(one, &one == &report.effects.front())) + "\n";
  return lines +
         to_line(object_of(
             {{"summary", true},
              {"set", report.set},
              {"blocks", report.blocks},
              {"blocks_wanted", report.blocks_wanted},
              {"seed", report.seed},
              {"harmed", report.harmed},
              {"against", report.against.empty() ? Json() : Json(report.against)},
              {"kept", report.kept},
              {"ended_early", report.ended_early.empty() ? Json() : Json(report.ended_early)}})) +
         "\n";
}

}  // namespace netsonde
