// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/test_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "user/base/text.h"
#include "user/model/attempt_summary.h"
#include "user/model/diagnosis/group.h"
#include "user/model/inference.h"

namespace netsonde {

namespace {

constexpr std::size_t kMostParts = 12;  // of the time
constexpr std::size_t kMostBuckets = 20;
constexpr std::array kBucketsPerOctave = {64, 32, 16, 8, 4, 2, 1};
constexpr auto kEverywhere = Column::Reach::Everywhere;

Cell cell(const std::optional<double>& value) {
  return value ? Cell(*value) : Cell();
}

Cell cell(const std::optional<Nanos>& span) {
  return span ? Cell(static_cast<double>(span->count()) / 1e3) : Cell();
}

Column text_column(std::string_view id, std::string_view title, std::string_view help) {
  return {.id = id, .title = title, .help = help, .reach = kEverywhere, .is_text = true};
}

Column unit_column(std::string_view id, std::string_view title, std::string_view help, Unit unit) {
  return {.id = id, .title = title, .help = help, .unit = unit, .reach = kEverywhere};
}

Column count_column(std::string_view id, std::string_view title, std::string_view help) {
  return unit_column(id, title, help, Unit::Count);
}

Column time_column(std::string_view id, std::string_view title, std::string_view help) {
  return unit_column(id, title, help, Unit::Microseconds);
}

Column share_column(std::string_view id, std::string_view title, std::string_view help) {
  return unit_column(id, title, help, Unit::Percent);
}

void add_time_columns(ReportTable& table) {
  for (Column column :
       {count_column("count", "N", "So many were measured."),
        time_column("min_us", "Min", "The least."), time_column("mean_us", "Mean", "The mean."),
        time_column("p50_us", "p50", "Half took no longer."),
        time_column("p90_us", "p90", "Nine of ten took no longer."),
        time_column("p95_us", "p95", "19 of 20 took no longer."),
        time_column("p99_us", "p99", "99 of 100 took no longer."),
        time_column("max_us", "Max", "The greatest."),
        time_column("stddev_us", "Std dev", "The standard deviation.")})
    table.columns.push_back(column);
}

std::vector<Cell> with_times(std::vector<Cell> row, const Statistics& times) {
  row.emplace_back(times.count());
  for (const Statistic statistic :
       {Statistic::Min, Statistic::Mean, Statistic::P50, Statistic::P90, Statistic::P95,
        Statistic::P99, Statistic::Max, Statistic::Deviation})
    row.push_back(cell(value_of(times, statistic)));
  return row;
}

void add_phases(ReportTable& table, std::string_view kind, const LatencyResult& result) {
  struct Phase {
    std::string_view name;
    const Statistics& times;
  };
  for (const Phase& phase :
       {Phase{"whole", result.load.latency_us}, Phase{"connect", result.connect_us},
        Phase{"TLS", result.tls_us}, Phase{"first byte", result.ttfb_us},
        Phase{"transfer", result.transfer_us}, Phase{"SYN, by the kernel", result.syn_rtt_us}})
    if (phase.times.count())
      table.rows.push_back(with_times({std::string(kind), std::string(phase.name)}, phase.times));
}

void add_bandwidth(ReportTable& table, std::string_view direction, const BandwidthResult& result) {
  const bool known = result.segments_sent && *result.segments_sent && result.retransmitted_segments;
  std::optional<double> lost;
  if (known)
    lost = 100.0 * static_cast<double>(*result.retransmitted_segments) /
           static_cast<double>(*result.segments_sent);
  table.rows.push_back({std::string(direction), cell(result.mbps()), result.bytes,
                        seconds(result.spent), result.requests, cell(result.min_rtt),
                        cell(result.srtt), cell(lost), result.congestion_control});
}

std::vector<Cell> with_share(std::vector<Cell> row, std::uint64_t answered, std::uint64_t failed) {
  const std::uint64_t ended = answered + failed;
  const auto interval = share_interval(answered, ended);
  row.emplace_back(answered);
  row.emplace_back(failed);
  if (!interval) {
    row.resize(row.size() + 3);
    return row;
  }
  row.emplace_back(100.0 * static_cast<double>(answered) / static_cast<double>(ended));
  row.emplace_back(100 * interval->low);
  row.emplace_back(100 * interval->high);
  return row;
}

void add_share_columns(ReportTable& table) {
  table.columns.push_back(count_column("answered", "Answered", "Without a failure."));
  table.columns.push_back(count_column("failed", "Failed", "In any way."));
  table.columns.push_back(share_column("success_percent", "Success %", "Of those that ended."));
  table.columns.push_back(share_column("success_low_percent", "From %",
                                       "What these figures are still usual for, 95%."));
  table.columns.push_back(share_column("success_high_percent", "To %", "Likewise."));
}

struct NamedLoad {
  std::string name;
  const LoadResult& load;
};

std::vector<NamedLoad> loads_of(const TestResults& results) {
  std::vector<NamedLoad> loads;
  if (results.cold) loads.push_back({"cold", results.cold->load});
  if (results.warm) loads.push_back({"warm", results.warm->load});
  for (const SweepLevel& level : results.sweep)
    loads.push_back({fmt::format("sweep, {} at once", level.concurrency), level.load});
  if (results.open_loop) loads.push_back({"open loop", results.open_loop->load});
  return loads;
}

std::optional<double> difference(const std::optional<double>& a, const std::optional<double>& b) {
  if (!a || !b) return std::nullopt;
  return *a - *b;
}

// Absent where the part seems longer than the whole: they are measured apart.
std::optional<double> beyond(const std::optional<double>& whole,
                             const std::optional<double>& part) {
  const auto rest = difference(whole, part);
  return rest && *rest >= 0 ? rest : std::nullopt;
}

}  // namespace

ReportTable latency_table(const TestResults& results) {
  ReportTable table{.id = "latency", .title = "Latency"};
  table.columns = {text_column("connection", "Connection", "Cold: new. Warm: kept open."),
                   text_column("phase", "Phase", "The whole request, or a part of it.")};
  add_time_columns(table);
  if (results.cold) add_phases(table, "cold", *results.cold);
  if (results.warm) add_phases(table, "warm", *results.warm);
  return table;
}

ReportTable bandwidth_table(const TestResults& results) {
  ReportTable table{.id = "bandwidth", .title = "Bandwidth"};
  table.columns = {
      text_column("direction", "Direction", "Down: from the server. Up: to it."),
      unit_column("mbps", "Mbit/s", "Of bodies alone.", Unit::MegabitsPerSecond),
      unit_column("bytes", "Bytes", "In that time.", Unit::Bytes),
      unit_column("seconds", "Time",
                  "Down: from the first byte to the last. Up: until the server answered.",
                  Unit::Seconds),
      count_column("requests", "Requests", "So many were made."),
      time_column("min_rtt_us", "Min RTT", "The kernel's shortest round trip."),
      time_column("srtt_us", "RTT", "The kernel's smoothed round trip at the end."),
      share_column("retransmit_percent", "Retr %", "Of segments that we sent, by the kernel."),
      text_column("congestion_control", "Congestion", "Of what we send.")};
  if (results.download) add_bandwidth(table, "down", *results.download);
  if (results.upload) add_bandwidth(table, "up", *results.upload);
  return table;
}

ReportTable sweep_table(const TestResults& results) {
  ReportTable table{.id = "sweep", .title = "Concurrency"};
  table.columns = {
      count_column("concurrency", "At once", "Requests in flight."),
      unit_column("per_second", "Answers/s", "While all were in flight.", Unit::PerSecond),
      count_column("failed", "Failed", "In any way."),
      count_column("unfinished", "Cut off", "Still under way when the time was over.")};
  add_time_columns(table);
  for (const SweepLevel& level : results.sweep)
    table.rows.push_back(
        with_times({static_cast<std::uint64_t>(level.concurrency), cell(level.load.per_second),
                    level.load.failed(), level.load.unfinished},
                   level.load.latency_us));
  return table;
}

ReportTable open_loop_table(const OpenLoopResult& result) {
  ReportTable table{.id = "open_loop", .title = "At a given rate"};
  table.columns = {text_column("from", "Counted from", "Where the time of a request begins.")};
  add_time_columns(table);
  table.rows = {with_times({"intended start"}, result.load.latency_us),
                with_times({"real start"}, result.load.service_us)};
  return table;
}

ReportTable reliability_table(const TestResults& results) {
  ReportTable table{.id = "reliability", .title = "By stage"};
  table.columns = {text_column("stage", "Stage", "A part of the test.")};
  add_share_columns(table);
  for (const auto& [name, load] : loads_of(results))
    table.rows.push_back(with_share({name}, load.answered, load.failed()));
  return table;
}

ReportTable over_time_table(const TestResults& results, std::int64_t to_epoch_ns) {
  ReportTable table{.id = "over_time", .title = "Over the time"};
  table.columns = {text_column("from", "From", "When it begins (UTC).")};
  add_share_columns(table);
  const std::size_t step =
      std::max<std::size_t>((results.bins.size() + kMostParts - 1) / kMostParts, 1);
  for (std::size_t i = 0; i < results.bins.size(); i += step) {
    Outcome part;
    for (std::size_t k = i; k < std::min(i + step, results.bins.size()); ++k) {
      part.answered += results.bins[k].answered;
      part.failed += results.bins[k].failed;
    }
    if (part.answered + part.failed == 0) continue;
    const Time from = results.began + results.bin_length * static_cast<std::int64_t>(i);
    table.rows.push_back(
        with_share({rfc3339(from.time_since_epoch().count() + to_epoch_ns).substr(11, 12)},
                   part.answered, part.failed));
  }
  return table;
}

FailureCounts failures_of(const TestResults& results) {
  FailureCounts all;
  const auto add = [&all](FailureKind kind, std::uint64_t count, const std::string& example) {
    FailureCount& sum = all[kind];
    if (sum.count == 0) sum.example = example;
    sum.count += count;
  };
  for (const auto& [name, load] : loads_of(results))
    for (const auto& [kind, failures] : load.failures) add(kind, failures.count, failures.example);
  for (const auto* bandwidth : {&results.download, &results.upload})
    if (*bandwidth && (*bandwidth)->failure)
      add((*bandwidth)->failure->kind, 1, (*bandwidth)->failure->detail);
  if (!results.responsiveness) return all;
  for (const auto& [kind, failures] : results.responsiveness->probe_failures)
    add(kind, failures.count, failures.example);
  if (const auto& failure = results.responsiveness->failure) add(failure->kind, 1, failure->detail);
  return all;
}

ReportTable failure_table(const TestResults& results) {
  ReportTable table{.id = "failures", .title = "Failures"};
  table.columns = {text_column("kind", "Failure", "As netsonde probe names it."),
                   count_column("count", "N", "So many."),
                   text_column("example", "The first of them", "What was said of it.")};
  for (const auto& [kind, failures] : failures_of(results))
    table.rows.push_back({std::string(name_of(kind)), failures.count, failures.example});
  return table;
}

Outcome outcome_of(const TestResults& results) {
  Outcome sum;
  for (const auto& [name, load] : loads_of(results)) {
    sum.answered += load.answered;
    sum.failed += load.failed();
  }
  return sum;
}

std::optional<Knee> knee_of(const TestResults& results) {
  std::vector<LoadLevel> levels;
  for (const SweepLevel& level : results.sweep)
    levels.push_back({.concurrency = level.concurrency,
                      .per_second = level.load.per_second,
                      .latency_us = level.load.latency_us.quantile(0.5)});
  return knee_of(levels);
}

const SweepLevel* best_level(const TestResults& results) {
  const SweepLevel* best = nullptr;
  for (const SweepLevel& level : results.sweep)
    if (level.load.per_second && (!best || *level.load.per_second > *best->load.per_second))
      best = &level;
  return best;
}

ReportTable round_trip_table(const ResponsivenessResult& result) {
  ReportTable table{.id = "round_trips", .title = "Round trips"};
  table.columns = {text_column("path", "Path", "Idle, or as full as it gets."),
                   count_column("rpm", "RPM", "Round trips a minute."),
                   time_column("tcp_us", "TCP", "The handshake, by the kernel where it tells."),
                   time_column("tls_us", "TLS", "Likewise, by round trip."),
                   time_column("http_us", "HTTP", "A request on a connection of its own."),
                   time_column("self_us", "HTTP beside load",
                               "A request on a connection that bears load (HTTP/2)."),
                   count_column("foreign", "Probes", "Answered, on connections of their own."),
                   count_column("self", "Beside load", "Answered, on connections with load.")};
  const auto add = [&table](std::string_view path, const RoundTrips& trips) {
    table.rows.push_back({std::string(path), cell(trips.rpm()), cell(trips.tcp_us),
                          cell(trips.tls_us), cell(trips.http_us), cell(trips.self_us),
                          trips.foreign, trips.self});
  };
  add("idle", result.idle);
  add("full", result.loaded);
  return table;
}

ReportTable bloat_table(const ResponsivenessResult& result) {
  const RoundTrips& idle = result.idle;
  const RoundTrips& full = result.loaded;
  ReportTable table{.id = "bloat", .title = "Where it grew longer"};
  table.columns = {text_column("where", "Where", "A part of the way."),
                   time_column("idle_us", "Idle", "While nothing else was sent."),
                   time_column("full_us", "Full", "While the path was full."),
                   time_column("growth_us", "Growth", "The difference.")};
  const auto add = [&table](std::string where, const std::optional<double>& before,
                            const std::optional<double>& then) {
    if (before || then)
      table.rows.push_back(
          {std::move(where), cell(before), cell(then), cell(difference(then, before))});
  };
  add(result.own_queue.empty() ? "own queues" : "own queue of " + result.own_queue,
      idle.own_queue_us, full.own_queue_us);
  add("first hop" + (result.first_hop.empty() ? "" : ", " + result.first_hop), idle.first_hop_us,
      full.first_hop_us);
  if (result.first_hop != result.address)
    add("beyond it", beyond(idle.tcp_us, idle.first_hop_us),
        beyond(full.tcp_us, full.first_hop_us));
  add("whole path (SYN)", idle.tcp_us, full.tcp_us);
  add("beyond the path (HTTP)", beyond(idle.http_us, idle.tcp_us),
      beyond(full.http_us, full.tcp_us));
  return table;
}

ReportHistogram histogram_of(const Statistics& values_us, std::string_view id,
                             std::string_view title) {
  ReportHistogram histogram{.id = id, .title = title, .unit = Unit::Microseconds};
  histogram.total = values_us.count();
  if (!histogram.total) return histogram;
  histogram.p50 = values_us.quantile(0.5);
  histogram.p90 = values_us.quantile(0.9);
  histogram.p99 = values_us.quantile(0.99);
  histogram.note = "of " + counted(histogram.total, "request");
  const double least = std::max(*values_us.min(), std::ldexp(1.0, -10));
  const double most = std::max(*values_us.max(), least);
  for (const int per_octave : kBucketsPerOctave) {
    // Edges that count_below() is exact for.
    const auto edge_at = [per_octave](int index) {
      const int octave = static_cast<int>(std::floor(static_cast<double>(index) / per_octave));
      return std::ldexp(1 + static_cast<double>(index - octave * per_octave) / per_octave, octave);
    };
    int first = static_cast<int>(std::floor(std::log2(least))) * per_octave;
    while (edge_at(first + 1) <= least) ++first;
    int last = first;
    while (edge_at(last + 1) <= most) ++last;
    if (last - first >= static_cast<int>(kMostBuckets) && per_octave != 1) continue;
    std::uint64_t below = 0;
    for (int i = first; i <= last; ++i) {
      const std::uint64_t next =
          i == last ? histogram.total : values_us.count_below(edge_at(i + 1));
      histogram.buckets.push_back(
          {.from = edge_at(i), .to = edge_at(i + 1), .count = next - below});
      below = next;
    }
    break;
  }
  return histogram;
}

}  // namespace netsonde
