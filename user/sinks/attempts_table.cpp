// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "user/sinks/attempts.h"

namespace netsonde {

namespace {

constexpr int kTime = 8;           // of a column with a duration
constexpr int kWidestTarget = 48;  // longer ones are cut
constexpr int kSuccess = 20;

struct Summarized {
  Measure measure;
  std::string_view title;
};

constexpr std::array kSummarized = {
    Summarized{.measure = Measure::Echo, .title = "ECHO"},
    Summarized{.measure = Measure::Connect, .title = "CONNECT"},
    Summarized{.measure = Measure::Ttfb, .title = "TTFB"},
    Summarized{.measure = Measure::Total, .title = "TOTAL"},
};

constexpr std::array kPercentiles = {Statistic::P50, Statistic::P95, Statistic::Max};

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string cell(std::string_view text, int width = kTime) {
  return fit(text, width, true) + " ";
}

std::string cell(const std::optional<Nanos>& time) {
  return cell(time ? short_duration(*time) : "-");
}

std::string microseconds_cell(const std::optional<double>& us) {
  return cell(us ? human(*us, Unit::Microseconds) : "-");
}

std::string address_text(const Attempt& attempt) {
  return attempt.address ? to_text(*attempt.address) : "-";
}

std::string status_text(const Attempt& attempt) {
  if (attempt.http && attempt.http->status) return fmt::to_string(*attempt.http->status);
  return attempt.failure ? "-" : "ok";
}

std::string loss_text(const Attempt& attempt) {
  const auto loss = attempt.kernel ? attempt.kernel->loss_percent() : std::nullopt;
  return loss ? human(*loss, Unit::Percent) + "%" : "-";
}

std::string failure_text(const Attempt& attempt) {
  std::string text;
  if (attempt.attempt > 1) text = fmt::format("attempt {}", attempt.attempt);
  if (!attempt.failure) return text;
  const Failure& failure = *attempt.failure;
  return fmt::format("{}{}{}{}{}", text, text.empty() ? "" : ", ", name_of(failure.kind),
                     failure.detail.empty() ? "" : ": ", printable(failure.detail));
}

// Outwards, so that neither 100% nor 0% is said of less or more than that.
double rounded(double percent, bool up) {
  constexpr double kNoise = 1e-9;  // of the multiplication
  return (up ? std::ceil(percent * 10 - kNoise) : std::floor(percent * 10 + kNoise)) / 10;
}

std::string success_text(const AttemptSummary& summary) {
  const auto success = summary.success_percent();
  const auto interval = summary.success_percent_interval();
  if (!success || !interval) return "-";
  return fmt::format("{:g}% ({:g}-{:g})", rounded(*success, false), rounded(interval->low, false),
                     rounded(interval->high, true));
}

// Those of which any target has a value.
std::vector<Summarized> measured(std::span<const TargetSummary> targets) {
  std::vector<Summarized> measures;
  for (const Summarized& column : kSummarized)
    if (std::ranges::any_of(targets, [&column](const TargetSummary& target) {
          return target.summary.of(column.measure).count() > 0;
        }))
      measures.push_back(column);
  return measures;
}

std::string summary_head(std::span<const Summarized> columns, int width) {
  const std::string first = fit("TARGET", width) + " " + cell("N", 6) + cell("FAILED", 6) + " " +
                            fit("SUCCESS (95% CI)", kSuccess) + " ";
  std::string titles(static_cast<std::size_t>(display_width(first)), ' '), line = first;
  for (const Summarized& column : columns) {
    titles += " " + fmt::format("{:-^{}}", fmt::format(" {} ", column.title), 3 * kTime + 1) + "  ";
    line += cell("P50") + cell("P95") + cell("MAX") + " ";
  }
  return columns.empty() ? trimmed(line) : trimmed(titles) + trimmed(line);
}

std::string summary_line(const TargetSummary& target, std::span<const Summarized> columns,
                         int width) {
  const AttemptSummary& summary = target.summary;
  std::string line = fit(printable(target.target), width) + " " +
                     cell(fmt::to_string(summary.attempts()), 6) +
                     cell(fmt::to_string(summary.failures()), 6) + " " +
                     fit(success_text(summary), kSuccess) + " ";
  for (const Summarized& column : columns) {
    for (const Statistic statistic : kPercentiles)
      line += microseconds_cell(value_of(summary.of(column.measure), statistic));
    line += " ";
  }
  return trimmed(std::move(line));
}

// "  2 dns-timeout, 1 reset": the most frequent first.
std::string failures_line(const AttemptSummary& summary) {
  std::vector<std::pair<FailureKind, std::uint64_t>> kinds(summary.failures_by_kind().begin(),
                                                           summary.failures_by_kind().end());
  if (kinds.empty()) return {};
  std::ranges::stable_sort(kinds, std::greater(), [](const auto& kind) { return kind.second; });
  std::string text;
  for (const auto& [kind, count] : kinds)
    text += fmt::format("{} {} {}", text.empty() ? " " : ",", count, name_of(kind));
  return text + "\n";
}

}  // namespace

void AttemptColumns::make_room(std::string_view target_text) {
  target = std::max(target, std::min(display_width(printable(target_text)), kWidestTarget));
}

void AttemptColumns::make_room(const Attempt& attempt) {
  make_room(attempt.target);
  address = std::max(address, display_width(address_text(attempt)));
  echo = echo || attempt.echo;
}

std::string attempt_head(const AttemptColumns& columns) {
  std::string line = fit("TIME", 13) + " " + fit("TARGET", columns.target) + " " +
                     fit("ADDRESS", columns.address) + " " + cell("STATUS", 6);
  for (const char* title : {"DNS", "CONNECT", "TLS", "TTFB", "TRANSFER"}) line += cell(title);
  if (columns.echo) line += cell("ECHO");
  return line + cell("TOTAL") + cell("LOSS", 6) + " FAILURE\n";
}

std::string attempt_line(const Attempt& attempt, std::int64_t realtime_offset_ns,
                         const AttemptColumns& columns) {
  const std::string time = rfc3339(attempt.began.time_since_epoch().count() + realtime_offset_ns);
  const PhaseTimes& times = attempt.times;
  std::string line = time.substr(11, 12) + "Z " + fit(printable(attempt.target), columns.target) +
                     " " + fit(address_text(attempt), columns.address) + " " +
                     cell(status_text(attempt), 6);
  line += cell(times.dns) + (attempt.reused ? cell("reused") : cell(times.connect));
  for (const auto& phase : {times.tls, times.ttfb, times.transfer}) line += cell(phase);
  if (columns.echo) line += cell(attempt.echo);
  line += cell(std::optional(times.total)) + cell(loss_text(attempt), 6);
  return trimmed(line + " " + failure_text(attempt));
}

std::string summary_table(std::span<const TargetSummary> targets) {
  AttemptColumns columns;
  for (const TargetSummary& target : targets) columns.make_room(target.target);
  const std::vector<Summarized> measures = measured(targets);
  std::string text = summary_head(measures, columns.target);
  for (const TargetSummary& target : targets)
    text += summary_line(target, measures, columns.target) + failures_line(target.summary);
  return text;
}

}  // namespace netsonde
