// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/test_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "user/base/text.h"
#include "user/model/diagnosis/group.h"
#include "user/model/inference.h"
#include "user/sinks/report/words.h"
#include "user/sinks/test_tables.h"

namespace netsonde {

namespace {

std::string us_text(const std::optional<double>& us) {
  return us ? quantity(*us, Unit::Microseconds) : "-";
}

std::string rate_text(double per_second) {
  return quantity(per_second, Unit::PerSecond);
}

std::string mbps_text(double mbps) {
  return quantity(mbps, Unit::MegabitsPerSecond);
}

const StageRun* run_of(const TestResults& results, TestStage stage) {
  const auto found = std::ranges::find(results.stages, stage, &StageRun::stage);
  return found == results.stages.end() ? nullptr : &*found;
}

// Why it was not measured, and how it was if that is not as usual.
void add_stage_words(ReportSection& section, const TestResults& results, TestStage stage) {
  const StageRun* run = run_of(results, stage);
  if (!run) return;
  for (const std::string& words : {run->why_not, run->note})
    if (!words.empty()) section.words.push_back(fmt::format("{}: {}", name_of(stage), words));
}

std::string share_words(const Outcome& outcome) {
  const std::uint64_t ended = outcome.answered + outcome.failed;
  const auto interval = share_interval(outcome.answered, ended);
  return fmt::format("{} of {} were answered: {:.4g}%, and with 95% confidence {:.4g}% to {:.4g}%.",
                     outcome.answered, counted(ended, "request"),
                     100.0 * static_cast<double>(outcome.answered) / static_cast<double>(ended),
                     100 * interval->low, 100 * interval->high);
}

std::string knee_words(const TestResults& results) {
  const SweepLevel* best = best_level(results);
  if (!best) return {};
  const auto knee = knee_of(results);
  if (!knee)
    return fmt::format(
        "The throughput still rose at {} at once ({}): there is no knee up to there.",
        best->concurrency, rate_text(*best->load.per_second));
  std::string words = fmt::format(
      "The knee is at {} at once: {} with a median of {}; more at once "
      "bring less than 5% more",
      knee->concurrency, rate_text(knee->per_second), us_text(knee->latency_us));
  if (knee->doubled_at)
    words += fmt::format(", and from {} on take twice as long", *knee->doubled_at);
  return words + ".";
}

std::string open_loop_words(const OpenLoopResult& result) {
  const LoadResult& load = result.load;
  std::string words = fmt::format("{} were wanted and {} begun in time",
                                  rate_text(result.wanted_per_second), load.started - load.late);
  if (load.late)
    words +=
        fmt::format("; {} began late, by up to {}", load.late, us_text(load.lateness_us.max()));
  if (load.not_started)
    words += fmt::format(
        "; {} could not begin at all, for {} were in flight: the times below are "
        "without them",
        load.not_started, result.most_in_flight);
  if (load.unfinished)
    words += fmt::format("; {} had not ended when the time was over", load.unfinished);
  return words + ". Times count from when a request should have begun.";
}

std::string rpm_words(const ResponsivenessResult& result) {
  const auto rpm = result.loaded.rpm();
  if (!rpm) return "No round trip was measured while the path was full.";
  std::string words = fmt::format("{:.0f} round trips a minute while the path is full ({} each)",
                                  *rpm, us_text(60e6 / *rpm));
  if (const auto idle = result.idle.rpm())
    words += fmt::format(", {:.0f} while it is idle ({})", *idle, us_text(60e6 / *idle));
  return fmt::format("{}; confidence {}.", words, name_of(*result.confidence));
}

std::string full_words(const ResponsivenessResult& result) {
  std::string words =
      fmt::format("The path was filled by {} connection{} for {}", result.connections,
                  result.connections == 1 ? "" : "s", short_duration(result.spent));
  if (result.goodput_mbps) words += fmt::format(", {}", mbps_text(*result.goodput_mbps));
  words += result.goodput_is_stable ? ", until more of them brought nothing" : "";
  if (!result.ended.empty()) words += fmt::format("; {}", result.ended);
  return words + ".";
}

std::string method_words(const ResponsivenessResult& result) {
  return fmt::format(
      "As draft-ietf-ippm-responsiveness has it, by looks every {}: {}",
      short_duration(result.interval),
      result.multiplexed
          ? "the mean of what connections of their own allow and what those with load do."
          : "HTTP/1.1 lets nothing share a connection with load, so the figure is of connections "
            "of their own alone.");
}

ReportSection latency_section(const TestResults& results) {
  ReportSection section{.id = "latency", .title = "Latency"};
  add_stage_words(section, results, TestStage::Cold);
  add_stage_words(section, results, TestStage::Warm);
  if (results.cold && results.cold->prober_delay_us.count())
    section.words.push_back(
        fmt::format("netsonde itself adds {} to the time to connect (median): the kernel knew that "
                    "much earlier.",
                    us_text(results.cold->prober_delay_us.quantile(0.5))));
  section.tables.push_back(latency_table(results));
  return section;
}

ReportSection bandwidth_section(const TestResults& results) {
  ReportSection section{.id = "bandwidth", .title = "Bandwidth"};
  add_stage_words(section, results, TestStage::Download);
  add_stage_words(section, results, TestStage::Upload);
  for (const auto* result : {&results.download, &results.upload})
    if (*result && (*result)->failure)
      section.words.push_back(fmt::format("{} ended early: {}.",
                                          result == &results.upload ? "upload" : "download",
                                          (*result)->failure->detail));
  section.tables.push_back(bandwidth_table(results));
  return section;
}

ReportCurve curve_of(const TestResults& results, std::string_view title, Unit unit) {
  ReportCurve curve{.title = title, .unit = unit};
  for (const SweepLevel& level : results.sweep)
    curve.steps.push_back(fmt::format("{}", level.concurrency));
  if (const auto knee = knee_of(results)) {
    const auto at = std::ranges::find(results.sweep, knee->concurrency, &SweepLevel::concurrency);
    curve.marked = static_cast<std::size_t>(at - results.sweep.begin());
    curve.mark = fmt::format("the knee, {} at once", knee->concurrency);
  }
  return curve;
}

ReportSection sweep_section(const TestResults& results, bool multiplexed) {
  ReportSection section{.id = "concurrency", .title = "Concurrency"};
  if (std::string words = knee_words(results); !words.empty())
    section.words.push_back(std::move(words));
  if (multiplexed)
    section.words.emplace_back(
        "Over HTTP/2 they are streams of as few connections as the server allows.");
  add_stage_words(section, results, TestStage::Sweep);
  section.tables.push_back(sweep_table(results));
  if (results.sweep.size() < 2) return section;
  ReportCurve rates = curve_of(results, "Answers/s by requests at once", Unit::PerSecond);
  ReportCurve times = curve_of(results, "Latency by requests at once", Unit::Microseconds);
  ReportCurve::Line rate{.title = "answers/s"}, median{.title = "p50"}, slow{.title = "p99"};
  for (const SweepLevel& level : results.sweep) {
    rate.values.push_back(level.load.per_second);
    median.values.push_back(level.load.latency_us.quantile(0.5));
    slow.values.push_back(level.load.latency_us.quantile(0.99));
  }
  rates.lines = {std::move(rate)};
  times.lines = {std::move(median), std::move(slow)};
  section.curves = {std::move(rates), std::move(times)};
  return section;
}

ReportSection open_loop_section(const TestResults& results) {
  ReportSection section{.id = "open_loop", .title = "At a given rate"};
  add_stage_words(section, results, TestStage::OpenLoop);
  if (!results.open_loop) return section;
  section.words.insert(section.words.begin(), open_loop_words(*results.open_loop));
  section.tables.push_back(open_loop_table(*results.open_loop));
  return section;
}

ReportSection reliability_section(const TestResults& results, std::int64_t to_epoch_ns) {
  ReportSection section{.id = "reliability", .title = "Reliability"};
  const Outcome outcome = outcome_of(results);
  if (outcome.answered + outcome.failed == 0) return section;
  section.words.push_back(share_words(outcome));
  section.tables = {failure_table(results), reliability_table(results),
                    over_time_table(results, to_epoch_ns)};
  return section;
}

ReportSection responsiveness_section(const TestResults& results) {
  ReportSection section{.id = "responsiveness", .title = "Responsiveness"};
  add_stage_words(section, results, TestStage::Responsiveness);
  if (!results.responsiveness) return section;
  const ResponsivenessResult& result = *results.responsiveness;
  section.words.insert(section.words.begin(),
                       {rpm_words(result), full_words(result), method_words(result)});
  if (result.first_hop.empty() && !result.without_first_hop.empty())
    section.words.push_back("The first hop is unknown: " + result.without_first_hop + ".");
  section.tables = {round_trip_table(result), bloat_table(result)};
  return section;
}

ReportSection endpoint_section(const TestSubject& subject) {
  ReportTable table{.id = "endpoint", .title = "Endpoint"};
  table.columns = {{.id = "what",
                    .title = "What",
                    .help = "Of the first request.",
                    .reach = Column::Reach::Everywhere,
                    .is_text = true},
                   {.id = "value",
                    .title = "Value",
                    .help = "As it was found.",
                    .reach = Column::Reach::Everywhere,
                    .is_text = true}};
  const auto add = [&table](std::string_view what, std::string value) {
    if (!value.empty()) table.rows.push_back({std::string(what), std::move(value)});
  };
  const Attempt& first = subject.first;
  if (first.address)
    add("address", fmt::format("{}, port {}", to_text(*first.address), first.port));
  if (first.lookup && first.lookup->addresses.size() > 1)
    add("addresses of the name", fmt::format("{}", first.lookup->addresses.size()));
  if (first.times.dns) add("name found in", short_duration(*first.times.dns));
  for (const Hop& hop : first.hops) add("redirected from", hop.url);
  if (first.http) {
    add("protocol", "HTTP/" + first.http->version);
    if (first.http->status) add("status", fmt::format("{}", *first.http->status));
    add("content", first.http->content_type);
    add("server", first.http->server);
    add("cache", first.http->cache);
    add("via", first.http->via);
  }
  if (first.tls) {
    add("TLS", first.tls->version + ", " + first.tls->cipher);
    if (first.tls->days_left)
      add("certificate", fmt::format("valid for {} days", *first.tls->days_left));
  }
  return {.id = "endpoint", .title = "Endpoint", .tables = {std::move(table)}};
}

ReportSection stages_section(const TestResults& results) {
  ReportTable table{.id = "stages", .title = "Stages"};
  const auto everywhere = Column::Reach::Everywhere;
  table.columns = {{.id = "stage",
                    .title = "Stage",
                    .help = "In this order.",
                    .reach = everywhere,
                    .is_text = true},
                   {.id = "seconds",
                    .title = "Took",
                    .help = "With what it had to wait for at its end.",
                    .unit = Unit::Seconds,
                    .reach = everywhere},
                   {.id = "why_not",
                    .title = "Why it was not measured",
                    .help = "Empty: it was.",
                    .reach = everywhere,
                    .is_text = true}};
  for (const StageRun& run : results.stages)
    table.rows.push_back(
        {std::string(name_of(run.stage)), seconds(run.to - run.from), run.why_not});
  return {.id = "stages", .title = "Stages", .tables = {std::move(table)}};
}

}  // namespace

std::vector<ReportSection> test_sections(const TestResults& results, const TestSubject& subject) {
  const bool multiplexed = subject.first.http && subject.first.http->version == "2";
  std::vector<ReportSection> sections;
  const auto add = [&](std::initializer_list<TestStage> stages, ReportSection section) {
    for (const TestStage stage : stages)
      if (run_of(results, stage)) return sections.push_back(std::move(section));
  };
  add({TestStage::Cold, TestStage::Warm}, latency_section(results));
  add({TestStage::Download, TestStage::Upload}, bandwidth_section(results));
  add({TestStage::Sweep}, sweep_section(results, multiplexed));
  add({TestStage::OpenLoop}, open_loop_section(results));
  add({TestStage::Responsiveness}, responsiveness_section(results));
  add({TestStage::Cold, TestStage::Warm, TestStage::Sweep, TestStage::OpenLoop},
      reliability_section(results, subject.to_epoch_ns));
  sections.push_back(stages_section(results));
  sections.push_back(endpoint_section(subject));
  return sections;
}

}  // namespace netsonde
