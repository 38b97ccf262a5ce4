// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "user/base/text.h"
#include "user/model/diagnosis/group.h"

namespace netsonde {

namespace {

const Figure& figure(const Report& report, std::string_view id) {
  return *std::ranges::find(report.figures, id, &Figure::id);
}

bool is_absent(const Cell& cell) {
  return std::holds_alternative<std::monostate>(cell);
}

std::uint64_t number(const Report& report, std::string_view id) {
  const auto* number = std::get_if<std::uint64_t>(&figure(report, id).value);
  return number ? *number : 0;
}

std::string text(const Report& report, std::string_view id) {
  const Figure& found = figure(report, id);
  const bool is_bytes = found.unit == Unit::Bytes;
  return human(found.value, found.unit) + (is_bytes ? "B" : "");
}

std::string day_of(std::int64_t ns) {
  return rfc3339(ns).substr(0, 10);
}

std::string findings_counted(const Report& report) {
  std::array<std::size_t, 3> counts{};
  for (const ReportFinding& found : report.findings)
    ++counts[static_cast<std::size_t>(found.finding.severity)];
  std::string text;
  const auto add = [&](Severity severity, std::string_view what) {
    if (const std::size_t count = counts[static_cast<std::size_t>(severity)])
      text += (text.empty() ? "" : ", ") + counted(count, what);
  };
  add(Severity::Critical, "critical finding");
  add(Severity::Warning, "warning");
  add(Severity::Info, "hint");
  return text;
}

std::string verdict_of(const Report& report) {
  if (!report.ticks) return "Nothing was observed: there was no whole interval.";
  if (report.findings.empty())
    return report.lost ? "No trouble was found in what was seen; some events were lost."
                       : "No trouble was found.";
  const ReportFinding& worst = report.findings.front();
  return fmt::format("{}. The worst, {} of {}: {}", findings_counted(report), worst.finding.id,
                     worst.who, worst.finding.text);
}

std::string traffic_words(const Report& report) {
  std::string words =
      fmt::format("{} went out and {} came in", text(report, "tx_bytes"), text(report, "rx_bytes"));
  const std::uint64_t segments = number(report, "tx_segments");
  if (segments)
    words +=
        fmt::format("; of {} sent, {} ({}%) were retransmissions", counted(segments, "segment"),
                    text(report, "retransmitted_segments"), text(report, "retransmit_percent"));
  return words + ".";
}

std::string trouble_words(const Report& report) {
  return fmt::format("Harmful drops: {}; resets: {} sent, {} received; listen overflows: {}.",
                     text(report, "drops"), text(report, "resets_sent"),
                     text(report, "resets_received"), text(report, "listen_overflows"));
}

// When it was worst, of what has a worst.
std::string peak_words(const Report& report, const TimelineLog& timeline) {
  struct Peak {
    std::string_view series, what;
  };
  constexpr std::array kPeaks = {
      Peak{.series = "retransmit_percent", .what = "retransmissions"},
      Peak{.series = "rtt_p99_us", .what = "the slowest hundredth of round trips"},
      Peak{.series = "drops_per_s", .what = "harmful drops"}};
  std::string words;
  for (const Peak& peak : kPeaks) {
    const TimelineBin* bin = timeline.peak(report.timeline, peak.series);
    if (!bin || report.timeline.bins.size() < 3) continue;
    const auto series = std::ranges::find(report.timeline.series, peak.series, &TimelineSeries::id);
    const double most = *timeline.range(peak.series).max;
    words += fmt::format("{}{} at {} ({})", words.empty() ? "Worst: " : ", ", peak.what,
                         bin_text(*bin, report), quantity(most, series->unit));
  }
  return words.empty() ? words : words + ".";
}

// Of some bins together; absent where none has a value.
Cell mean_of(const TimelineSeries& series, std::size_t from, std::size_t to) {
  double sum = 0, weight = 0;
  for (std::size_t i = from; i < to; ++i) {
    const Range& range = series.bins[i];
    sum += range.mean.value_or(0) * range.weight;
    weight += range.weight;
  }
  return weight > 0 ? Cell(sum / weight) : Cell();
}

}  // namespace

std::string human(const Cell& cell, Unit unit) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* number = std::get_if<std::uint64_t>(&cell)) return human(Value(*number), unit);
  if (const auto* real = std::get_if<double>(&cell)) return human(Value(*real), unit);
  return "-";
}

std::string quantity(double value, Unit unit) {
  std::string text = human(Value(value), unit);
  switch (unit) {
    case Unit::Bytes: return text + "B";
    case Unit::BytesPerSecond: return text + "B/s";
    case Unit::PerSecond: return text + "/s";
    case Unit::Percent: return text + "%";
    case Unit::MegabitsPerSecond: return text + " Mbit/s";
    default: return text;
  }
}

void add_words(Report& report, const TimelineLog& timeline) {
  for (const ReportFinding& found : report.findings)
    report.severity = std::max(report.severity, found.finding.severity);
  report.verdict = verdict_of(report);
  if (!report.ticks) return;
  auto& summary = report.summary;
  const std::uint64_t active = number(report, "active_connections");
  summary.push_back(fmt::format(
      "In {} on {}, {} active; {} opened and {} closed{}.",
      short_duration(Nanos(report.end_ns - report.begin_ns)),
      report.host.empty() ? "this host" : report.host,
      counted(active, "connection") + (active == 1 ? " was" : " were"), text(report, "opened"),
      text(report, "closed"),
      number(report, "failed")
          ? fmt::format(", {} of them not by a close of both ends", text(report, "failed"))
          : ""));
  summary.push_back(traffic_words(report));
  if (!is_absent(figure(report, "rtt_p50_us").value))
    summary.push_back(fmt::format("Half of the round trips took at most {}, 99% at most {}.",
                                  text(report, "rtt_p50_us"), text(report, "rtt_p99_us")));
  summary.push_back(trouble_words(report));
  if (std::string peaks = peak_words(report, timeline); !peaks.empty())
    summary.push_back(std::move(peaks));
  if (report.lost)
    summary.push_back("netsonde lost events, so figures may be too low: " + report.losses_text +
                      ".");
}

std::string clock_text(std::int64_t ns, const Report& report) {
  const std::string time = rfc3339(ns);
  const std::string clock = time.substr(11, 8);
  return day_of(report.begin_ns) == day_of(report.end_ns) ? clock : time.substr(5, 5) + " " + clock;
}

std::string bin_text(const TimelineBin& bin, const Report& report) {
  const std::string clock = clock_text(bin.from_ns, report);
  const bool is_exact = report.interval >= std::chrono::seconds(1);
  return is_exact ? clock : clock + rfc3339(bin.from_ns).substr(19, 4);
}

std::string period_text(const Report& report) {
  const std::string from = rfc3339(report.begin_ns), to = rfc3339(report.end_ns);
  const bool same_day = day_of(report.begin_ns) == day_of(report.end_ns);
  return fmt::format("{}, {} to {}{} UTC", from.substr(0, 10), from.substr(11, 8),
                     same_day ? "" : to.substr(0, 10) + ", ", to.substr(11, 8));
}

std::string impact_text(const Impact& impact) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (impact.connections) add(counted(impact.connections, "connection"));
  if (impact.attempts) add(counted(*impact.attempts, "attempt"));
  if (impact.time.value_or(Nanos(0)) > Nanos(0)) add(short_duration(*impact.time));
  if (impact.bytes) add(short_bytes(static_cast<double>(*impact.bytes)) + "B");
  if (impact.segments) add(counted(*impact.segments, "segment"));
  return text;
}

std::string when_text(const ReportFinding& found, const Report& report) {
  std::string text = fmt::format("from {} on, last found ", clock_text(found.since_ns, report));
  // A window is as exact as it gets.
  const Nanos window = std::min(report.window, Nanos(found.until_ns - report.begin_ns));
  text += fmt::format("in the {} before {}", short_duration(window),
                      found.lasted ? "the end" : clock_text(found.until_ns, report));
  if (found.spans.size() > 1) text += fmt::format("; {} times", found.spans.size());
  return text;
}

std::vector<std::pair<std::string_view, std::string>> measured_words(const Report& report) {
  const ReportOrigin& origin = report.origin;
  std::vector<std::pair<std::string_view, std::string>> words = {
      {"By", origin.program + ", report schema " + std::to_string(Report::kSchema)},
      {"Source", origin.source},
      {"Host", report.host},
      {"Kernel", origin.kernel.empty() ? "unknown" : origin.kernel},
      {"From", rfc3339(report.begin_ns)},
      {"To", rfc3339(report.end_ns)}};
  words.insert(words.end(), report.measured.begin(), report.measured.end());
  if (!report.of_events()) return words;
  std::string events;
  for (const auto& [kind, count] : report.events)
    events += fmt::format("{}{} {}", events.empty() ? "" : ", ", count, kind);
  words.emplace_back("Looks", fmt::format("{}, every {} on average", report.ticks,
                                          short_duration(report.interval)));
  words.emplace_back("Findings", fmt::format("{} rules, on {} at a time", report.checked.size(),
                                             short_duration(report.window)));
  words.emplace_back("Events", events.empty() ? "none" : events);
  if (!origin.filter.empty())
    words.emplace_back("Filter", origin.filter +
                                     " (findings, connections, processes, remote ends, "
                                     "listeners; the rest is the whole host)");
  return words;
}

ReportTable timeline_table(const Report& report, std::size_t most) {
  const Timeline& timeline = report.timeline;
  ReportTable table{.id = "timeline", .title = "Timeline", .note = "Means of each row."};
  table.columns = {
      {.id = "from", .title = "From", .help = "When it begins (UTC).", .is_text = true}};
  for (const TimelineSeries& series : timeline.series)
    table.columns.push_back(
        {.id = series.id, .title = series.title, .help = series.help, .unit = series.unit});
  const std::size_t bins = timeline.bins.size();
  const std::size_t step = std::max<std::size_t>((bins + most - 1) / most, 1);
  for (std::size_t i = 0; i < bins; i += step) {
    std::vector<Cell> row = {bin_text(timeline.bins[i], report)};
    for (const TimelineSeries& series : timeline.series)
      row.push_back(mean_of(series, i, std::min(i + step, bins)));
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string listed(const std::vector<std::string_view>& ids) {
  std::string text;
  for (const std::string_view id : ids) text += (text.empty() ? "" : ", ") + std::string(id);
  return text;
}

std::string evidence_text(const Finding& finding) {
  std::string text;
  for (const Evidence& evidence : finding.evidence)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", evidence.field, human(evidence));
  return text;
}

}  // namespace netsonde
