// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/monitor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "user/base/text.h"
#include "user/sinks/json_rows.h"
#include "user/sinks/table.h"

namespace netsonde {

namespace {

constexpr int kTextWidth = 80;
constexpr int kNameWidth = 31;
constexpr int kCellWidth = 7;

struct Column {
  std::string_view title;
  std::optional<double> (*get)(const Statistics& statistics);
};

constexpr std::array kColumns = {
    Column{"mean", [](const Statistics& s) { return s.mean(); }},
    Column{"sd", [](const Statistics& s) { return s.standard_deviation(); }},
    Column{"min", [](const Statistics& s) { return s.min(); }},
    Column{"p50", [](const Statistics& s) { return s.quantile(0.5); }},
    Column{"p95", [](const Statistics& s) { return s.quantile(0.95); }},
    Column{"p99", [](const Statistics& s) { return s.quantile(0.99); }},
    Column{"max", [](const Statistics& s) { return s.max(); }},
};

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json instance_json(const SeriesRecord& record) {
  return record.instance.empty() ? Json(nullptr) : Json(record.instance);
}

std::string_view name_of(AnomalyChange::Kind kind) {
  return kind == AnomalyChange::Kind::Spike ? "spike" : "shift";
}

std::string_view direction_of(const AnomalyChange& change) {
  return change.up ? "up" : "down";
}

std::string_view end_of(const SeriesChange& change) {
  if (change.gone) return "vanished";
  return change.change.end == AnomalyChange::End::Settled ? "settled" : "returned";
}

std::string title_of(const SeriesRecord& record) {
  const std::string_view id = record.series->id;
  return record.instance.empty() ? std::string(id)
                                 : fmt::format("{} {}", id, printable(record.instance));
}

// At most six columns.
std::string number_text(double value, Unit unit) {
  const bool count = unit == Unit::PerSecond || unit == Unit::Count;
  return count && value < 9.95 ? fmt::format("{:.2g}", value) : human(value, unit);
}

std::string with_unit(double value, Unit unit) {
  const std::string text = number_text(value, unit);
  if (unit == Unit::BytesPerSecond) return text + "B/s";
  if (unit == Unit::PerSecond) return text + "/s";
  return unit == Unit::Percent ? text + "%" : text;
}

// "2026-11-22T13:16:02.123Z"
std::string clock_text(std::int64_t realtime_ns) {
  return rfc3339(realtime_ns).substr(0, 23) + "Z";
}

// "spike up from 340KiB/s"
std::string from_text(const SeriesRecord& record, const AnomalyChange& change) {
  return fmt::format("{} {} from {}", name_of(change.kind), direction_of(change),
                     with_unit(change.baseline, record.series->unit));
}

Json to_json(const SeriesRecord& record) {
  const Statistics& statistics = record.statistics;
  const std::string_view unit = unit_name(record.series->unit);
  return {{"id", record.series->id},
          {"instance", instance_json(record)},
          {"unit", unit},
          {"samples", statistics.count()},
          {"absent", statistics.absent()},
          {"mean", or_null(statistics.mean())},
          {"min", or_null(statistics.min())},
          {"max", or_null(statistics.max())},
          {"standard_deviation", or_null(statistics.standard_deviation())},
          {"p50", or_null(statistics.quantile(0.5))},
          {"p95", or_null(statistics.quantile(0.95))},
          {"p99", or_null(statistics.quantile(0.99))},
          {"anomalies", record.anomalies}};
}

Json running_json(const SeriesRecord& record, const Snapshot& last) {
  return {{"series", record.series->id},
          {"instance", instance_json(record)},
          {"began_at", rfc3339(record.began_at_ns)},
          {"kind", name_of(record.running->kind)},
          {"direction", direction_of(*record.running)},
          {"baseline", record.running->baseline},
          {"duration_s", seconds(last.time() - record.running_since)}};
}

std::uint64_t anomalies_of(const Watch& watch) {
  std::uint64_t count = 0;
  for (const SeriesRecord* record : watch.all()) count += record->anomalies;
  return count;
}

std::string anomalies_text(const Watch& watch, const Snapshot& last) {
  if (!watch.judges())
    return fmt::format("No anomaly was looked for: the first {} samples are learned from.\n",
                       kDetectorWarmUp);
  const std::uint64_t count = anomalies_of(watch);
  if (!count) return "No anomaly.\n";
  std::string text = fmt::format("{} {}:\n", count, count == 1 ? "anomaly" : "anomalies");
  for (const SeriesRecord* record : watch.all()) {
    if (!record->anomalies) continue;
    text += fmt::format("{:>4}  {}", record->anomalies, title_of(*record));
    if (record->running)
      text += fmt::format(", still running after {}: {}",
                          short_duration(last.time() - record->running_since),
                          from_text(*record, *record->running));
    text += "\n";
  }
  return text;
}

std::string row_text(const SeriesRecord& record) {
  const std::string title = title_of(record);
  // A name that is too long has a line of its own.
  std::string text = display_width(title) <= kNameWidth
                         ? fit(title, kNameWidth)
                         : title + "\n" + std::string(kNameWidth, ' ');
  for (const Column& column : kColumns) {
    const auto value = column.get(record.statistics);
    text += fit(value ? number_text(*value, record.series->unit) : "-", kCellWidth, true);
  }
  return text + "\n";
}

std::string table_text(const Watch& watch) {
  std::string rows;
  std::size_t zero = 0, never = 0;
  for (const SeriesRecord* record : watch.all()) {
    const std::optional<double> max = record->statistics.max();
    if (!max)
      ++never;
    else if (*max == 0)
      ++zero;
    else
      rows += row_text(*record);
  }
  std::string head = fit("series", kNameWidth);
  for (const Column& column : kColumns) head += fit(column.title, kCellWidth, true);
  std::string text = rows.empty() ? "" : head + "\n" + rows;
  if (zero || never)
    text += fmt::format("Left out: {} series always at zero, {} never measured.\n", zero, never);
  return text;
}

Json learned_json(const Watch& watch, std::int64_t realtime_ns) {
  return {{"time", rfc3339(realtime_ns)},
          {"event", "learned"},
          {"samples", watch.samples()},
          {"observed_s", seconds(watch.observed())}};
}

std::string learned_text(const Watch& watch, std::int64_t realtime_ns) {
  return fmt::format("{} learned what is usual from {} samples; anomalies are told from now on\n",
                     clock_text(realtime_ns), watch.samples());
}

}  // namespace

Json to_json(const SeriesChange& changed, std::int64_t realtime_ns) {
  const AnomalyChange& change = changed.change;
  const bool began = change.began;
  const auto measured = [&changed](double value) {
    return changed.gone ? Json(nullptr) : Json(value);
  };
  return {{"time", rfc3339(realtime_ns)},
          {"event", began ? "anomaly_began" : "anomaly_ended"},
          {"series", changed.record.series->id},
          {"instance", instance_json(changed.record)},
          {"unit", unit_name(changed.record.series->unit)},
          {"value", measured(change.value)},
          {"baseline", change.baseline},
          {"deviation_sigmas", measured(change.deviation)},
          {"kind", name_of(change.kind)},
          {"direction", direction_of(change)},
          {"ended", began ? Json(nullptr) : Json(end_of(changed))},
          {"duration_s", began ? Json(nullptr) : Json(seconds(changed.lasted))}};
}

Json to_json(const Watch& watch, const MonitorEnd& end) {
  Json series = Json::array(), running = Json::array();
  for (const SeriesRecord* record : watch.all()) {
    series.push_back(to_json(*record));
    if (record->running) running.push_back(running_json(*record, end.last));
  }
  return {{"event", "summary"},
          {"time", rfc3339(end.last.realtime_ns())},
          {"observed_s", seconds(watch.observed())},
          {"samples", watch.samples()},
          {"warm_up_samples", kDetectorWarmUp},
          {"lost_events", end.last.lost()},
          {"lost", losses_to_json(end.last.tick())},
          {"host_values_unreadable",
           end.host_values_unreadable ? Json(*end.host_values_unreadable) : Json(nullptr)},
          {"series", std::move(series)},
          {"running", std::move(running)},
          {"anomalies", anomalies_of(watch)}};
}

std::string to_text(const SeriesChange& changed, std::int64_t realtime_ns) {
  const AnomalyChange& change = changed.change;
  const Unit unit = changed.record.series->unit;
  std::string text = fmt::format("{} {} {}", clock_text(realtime_ns),
                                 change.began ? "began" : "ended", title_of(changed.record));
  if (!changed.gone)
    text += fmt::format(": {}, {:+.1f} sigmas", with_unit(change.value, unit), change.deviation);
  text += "; " + from_text(changed.record, change);
  if (!change.began)
    text += fmt::format(", {} after {}", end_of(changed), short_duration(changed.lasted));
  return text + "\n";
}

std::string to_text(const Watch& watch, const MonitorEnd& end) {
  const std::string lost = losses_text(end.last.tick());
  const std::string head = fmt::format(
      "Observed for {}: {} sample{}; lost events: {}.", short_duration(watch.observed()),
      watch.samples(), watch.samples() == 1 ? "" : "s", lost.empty() ? "none" : lost);
  std::string text;
  for (const std::string& line : wrap(head, kTextWidth)) text += line + "\n";
  if (end.host_values_unreadable.value_or(0))
    text += fmt::format("{} numbers of the host could not be understood.\n",
                        *end.host_values_unreadable);
  return text + anomalies_text(watch, end.last) + "\n" + table_text(watch);
}

Result<> Monitor::write(const std::string& text) const {
  const bool written = std::fwrite(text.data(), 1, text.size(), out_) == text.size();
  if (!written || std::fflush(out_)) return Error::from_errno("write what was observed");
  return {};
}

Result<> Monitor::greet() const {
  const Nanos warm_up = settings_.interval * kDetectorWarmUp;
  const bool too_short = settings_.duration && *settings_.duration <= warm_up;
  return write(fmt::format(
      "Watching every {}{}, until Ctrl-C at the latest: TCP of all network\n"
      "namespaces; devices, queues, protocols and memory of this one.\n"
      "The first {} samples ({}) are learned from{}.\n\n",
      short_duration(settings_.interval),
      settings_.duration ? " for " + short_duration(*settings_.duration) : "", kDetectorWarmUp,
      short_duration(warm_up),
      too_short ? "; this run ends before: it tells no anomalies" : ", then anomalies are told"));
}

Result<> Monitor::on_snapshot(const Snapshot& snapshot) {
  last_ = snapshot.time();
  const std::vector<SeriesChange> changes = watch_.add(snapshot);
  std::string text;
  for (const SeriesChange& change : changes)
    text += settings_.json ? to_line(to_json(change, snapshot.realtime_ns())) + "\n"
                           : to_text(change, snapshot.realtime_ns());
  if (watch_.samples() == kDetectorWarmUp)
    text += settings_.json ? to_line(learned_json(watch_, snapshot.realtime_ns())) + "\n"
                           : learned_text(watch_, snapshot.realtime_ns());
  if (text.empty()) return {};
  return write(text);
}

Result<> Monitor::finish(const Snapshot& last,
                         std::optional<std::uint64_t> host_values_unreadable) {
  if (last.time() > last_ && last.interval() >= settings_.interval / 2) TRY(on_snapshot(last));
  const MonitorEnd end = {.last = last, .host_values_unreadable = host_values_unreadable};
  return write(settings_.json ? to_line(to_json(watch_, end)) + "\n" : to_text(watch_, end));
}

}  // namespace netsonde
