// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/test_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "user/base/text.h"
#include "user/model/diagnosis/group.h"
#include "user/sinks/report/words.h"
#include "user/sinks/test_sections.h"
#include "user/sinks/test_tables.h"

namespace netsonde {

namespace {

constexpr double kManyFailures = 0.05;  // of requests

Cell cell(const std::optional<double>& value) {
  return value ? Cell(*value) : Cell();
}

std::string us_text(const std::optional<double>& us) {
  return us ? quantity(*us, Unit::Microseconds) : "-";
}

std::string mbps_text(double mbps) {
  return quantity(mbps, Unit::MegabitsPerSecond);
}

std::string bytes_text(std::uint64_t bytes) {
  return short_count(static_cast<double>(bytes)) + "B";
}

std::string budget_text(const TestBudget& budget) {
  return fmt::format("{}, {}, {}", counted(budget.requests, "request"), bytes_text(budget.bytes),
                     short_duration(budget.duration));
}

std::optional<double> mbps_of(const std::optional<BandwidthResult>& result) {
  return result ? result->mbps() : std::nullopt;
}

std::optional<double> rpm_of(const TestResults& results) {
  return results.responsiveness ? results.responsiveness->loaded.rpm() : std::nullopt;
}

std::optional<double> quantile_of(const std::optional<LatencyResult>& result, double share) {
  return result ? result->load.latency_us.quantile(share) : std::nullopt;
}

bool is_summed_up(const ReportSection& section) {
  return section.id == "concurrency" || section.id == "responsiveness" ||
         section.id == "reliability";
}

void add_figures(Report& report, const TestResults& results) {
  const Outcome outcome = outcome_of(results);
  const std::uint64_t ended = outcome.answered + outcome.failed;
  const auto knee = knee_of(results);
  const SweepLevel* best = best_level(results);
  std::optional<double> success;
  if (ended) success = 100.0 * static_cast<double>(outcome.answered) / static_cast<double>(ended);
  std::optional<double> open_p99;
  if (results.open_loop) open_p99 = results.open_loop->load.latency_us.quantile(0.99);
  const auto us = Unit::Microseconds;
  report.figures = {
      {.id = "requests", .title = "Requests", .value = results.requests, .unit = Unit::Count},
      {.id = "success_percent", .title = "Success", .value = cell(success), .unit = Unit::Percent},
      {.id = "cold_p50_us",
       .title = "Cold, p50",
       .value = cell(quantile_of(results.cold, 0.5)),
       .unit = us},
      {.id = "warm_p50_us",
       .title = "Warm, p50",
       .value = cell(quantile_of(results.warm, 0.5)),
       .unit = us},
      {.id = "warm_p99_us",
       .title = "Warm, p99",
       .value = cell(quantile_of(results.warm, 0.99)),
       .unit = us},
      {.id = "open_loop_p99_us", .title = "At its rate, p99", .value = cell(open_p99), .unit = us},
      {.id = "download_mbps",
       .title = "Down, Mbit/s",
       .value = cell(mbps_of(results.download)),
       .unit = Unit::MegabitsPerSecond},
      {.id = "upload_mbps",
       .title = "Up, Mbit/s",
       .value = cell(mbps_of(results.upload)),
       .unit = Unit::MegabitsPerSecond},
      {.id = "best_per_second",
       .title = "Best, answers/s",
       .value = cell(best ? best->load.per_second : std::nullopt),
       .unit = Unit::PerSecond},
      {.id = "knee_concurrency",
       .title = "Knee, at once",
       .value = knee ? Cell(static_cast<std::uint64_t>(knee->concurrency)) : Cell(),
       .unit = Unit::Count},
      {.id = "rpm",
       .title = "Round trips/min, full",
       .value = cell(rpm_of(results)),
       .unit = Unit::Count},
      {.id = "body_bytes", .title = "Received", .value = results.bytes, .unit = Unit::Bytes}};
}

void add_timeline(Report& report, const TestResults& results, std::int64_t to_epoch_ns) {
  const auto epoch = [to_epoch_ns](Time time) {
    return time.time_since_epoch().count() + to_epoch_ns;
  };
  TimelineSeries answered{.id = "answered_per_s",
                          .title = "answered",
                          .chart = "Answers",
                          .help = "Requests without a failure.",
                          .unit = Unit::PerSecond},
      failed{.id = "failed_per_s",
             .title = "failed",
             .chart = "Answers",
             .help = "Requests with one.",
             .unit = Unit::PerSecond},
      latency{.id = "latency_us",
              .title = "latency",
              .chart = "Latency",
              .help = "Of answered requests.",
              .unit = Unit::Microseconds},
      received{.id = "received_bytes_per_s",
               .title = "received",
               .chart = "Received",
               .help = "Of bodies.",
               .unit = Unit::BytesPerSecond};
  const double length = seconds(results.bin_length);
  const auto rate = [length](std::uint64_t count) {
    const double value = static_cast<double>(count) / length;
    return Range{.mean = value, .min = value, .max = value, .weight = 1};
  };
  for (std::size_t i = 0; i < results.bins.size(); ++i) {
    const TestBin& bin = results.bins[i];
    const Time from = results.began + results.bin_length * static_cast<std::int64_t>(i);
    report.timeline.bins.push_back({.from_ns = epoch(from),
                                    .to_ns = epoch(from + results.bin_length),
                                    .ticks = static_cast<std::uint32_t>(bin.answered)});
    answered.bins.push_back(rate(bin.answered));
    failed.bins.push_back(rate(bin.failed));
    received.bins.push_back(rate(bin.received_bytes));
    latency.bins.push_back(bin.answered
                               ? Range{.mean = bin.latency_us / static_cast<double>(bin.answered),
                                       .min = bin.least_us,
                                       .max = bin.most_us,
                                       .weight = static_cast<double>(bin.answered)}
                               : Range{});
  }
  report.timeline.series = {std::move(answered), std::move(failed), std::move(latency),
                            std::move(received)};
  for (const StageRun& run : results.stages)
    if (run.why_not.empty())
      report.timeline.marks.push_back({.from_ns = epoch(run.from),
                                       .to_ns = epoch(run.from),
                                       .kind = "stage",
                                       .text = std::string(name_of(run.stage))});
}

void add_verdict(Report& report, const TestResults& results) {
  const Outcome outcome = outcome_of(results);
  const std::uint64_t ended = outcome.answered + outcome.failed;
  const double failed =
      ended ? static_cast<double>(outcome.failed) / static_cast<double>(ended) : 0;
  if (outcome.failed)
    report.severity = failed > kManyFailures ? Severity::Critical : Severity::Warning;
  std::vector<std::string> parts;
  if (const auto warm = quantile_of(results.warm, 0.5))
    parts.push_back(fmt::format("an answer takes {} (p99 {})", us_text(warm),
                                us_text(quantile_of(results.warm, 0.99))));
  if (const SweepLevel* best = best_level(results))
    parts.push_back(fmt::format("up to {} answers/s", short_count(*best->load.per_second)));
  if (const auto down = mbps_of(results.download))
    parts.push_back(fmt::format("{} down", mbps_text(*down)));
  if (const auto rpm = rpm_of(results))
    parts.push_back(fmt::format("{:.0f} round trips a minute under load", *rpm));
  const std::string found = fmt::format("{}", fmt::join(parts, ", "));
  if (outcome.failed)
    report.verdict =
        fmt::format("{} of {} failed ({:.3g}%){}{}.", outcome.failed, counted(ended, "request"),
                    100 * failed, found.empty() ? "" : "; otherwise ", found);
  else if (ended)
    report.verdict = fmt::format("All of {} were answered{}{}.", counted(ended, "request"),
                                 found.empty() ? "" : "; ", found);
  else
    report.verdict = found.empty() ? "Nothing was measured." : found + ".";
}

void add_histograms(Report& report, const TestResults& results) {
  if (results.cold)
    report.histograms.push_back(
        histogram_of(results.cold->load.latency_us, "cold_us", "Latency, cold"));
  if (results.warm)
    report.histograms.push_back(
        histogram_of(results.warm->load.latency_us, "warm_us", "Latency, warm"));
  if (results.open_loop)
    report.histograms.push_back(histogram_of(results.open_loop->load.latency_us, "open_loop_us",
                                             "Latency from the intended start"));
}

// What stands before the tables: one sentence each.
void add_summary(Report& report, const TestResults& results, const TestSubject& subject) {
  const Attempt& first = subject.first;
  if (first.address && first.http)
    report.summary.push_back(fmt::format("{} answers over HTTP/{}{}.", to_text(*first.address),
                                         first.http->version,
                                         first.tls ? " and " + first.tls->version : ""));
  for (const ReportSection& section : test_sections(results, subject))
    if (is_summed_up(section) && !section.words.empty())
      report.summary.push_back(section.words.front());
  if (results.interrupted) report.summary.emplace_back("It was ended early.");
}

}  // namespace

Report test_report(const TestResults& results, const TestSubject& subject) {
  Report report;
  report.kind = "test";
  report.host = subject.url;
  report.origin = {.program = subject.program, .kernel = subject.kernel, .source = "the network"};
  report.begin_ns = results.began.time_since_epoch().count() + subject.to_epoch_ns;
  report.end_ns = results.ended.time_since_epoch().count() + subject.to_epoch_ns;
  report.interval = results.bin_length;
  report.losses = Json::object();
  report.host_faults = {.id = "host_faults", .title = "Faults of the host"};
  add_verdict(report, results);
  add_summary(report, results, subject);
  add_figures(report, results);
  add_timeline(report, results, subject.to_epoch_ns);
  report.sections = test_sections(results, subject);
  add_histograms(report, results);
  report.measured = {{"Budget", budget_text(results.budget)},
                     {"Used", fmt::format("{}, {}, {}", counted(results.requests, "request"),
                                          bytes_text(results.bytes),
                                          short_duration(results.ended - results.began))}};
  if (results.interrupted) report.unknown.emplace_back("The test was ended early.");
  return report;
}

}  // namespace netsonde
