// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "user/base/text.h"
#include "user/sinks/json_rows.h"
#include "user/sinks/report/words.h"
#include "user/sinks/table.h"

namespace netsonde {

namespace {

Cell cell(const std::optional<double>& value) {
  return value ? Cell(*value) : Cell();
}

// The losses of the time between two ticks.
ev_tick losses_between(const ev_tick& before, const ev_tick& after) {
  ev_tick tick = {};
  for (std::size_t cause = 0; cause < EV_LOSSES; ++cause)
    tick.lost[cause] = after.lost[cause] - before.lost[cause];
  return tick;
}

std::uint64_t lost_of(const ev_tick& tick) {
  std::uint64_t sum = 0;
  for (std::size_t cause = 0; cause < EV_LOSSES; ++cause)
    if (cause != EV_LOST_RATE) sum += tick.lost[cause];
  return sum;
}

}  // namespace

ReportBuilder::ReportBuilder(const ReportSettings& settings, const Filter& filter)
    : settings_(settings),
      filter_(filter),
      observer_(Time(), settings.most_watched),
      connections_(filter) {}

void ReportBuilder::begin(const Store& store) {
  begun_ = true;
  began_ = looked_ = time_from_ns(store.tick().header.time_ns);
  first_tick_ = store.tick();
  vanished_before_ = store.totals().vanished;
  observer_.begin(began_, store);
  timeline_.begin(Snapshot(store));
  connections_.begin(store);
  faults_.begin(store);
  rtt_.begin(began_);
}

void ReportBuilder::before_event(const Event& event, const Store& store) {
  if (!begun_ && store.tick().header.time_ns) begin(store);
  rtt_.before_event(event, store);
  if (begun_) observer_.before_event(event, store);
}

Result<> ReportBuilder::on_event(const Event& event, const Store& store) {
  if (!begun_) return {};
  ++events_[name_of(static_cast<ev_kind>(header_of(event).kind))];
  connections_.on_event(event, store);
  faults_.on_event(event);
  return observer_.on_event(event, store);
}

Result<> ReportBuilder::on_host(Time now, std::span<const HostValue> values) {
  host_.add(now, values);
  return observer_.on_host(now, values);
}

Result<> ReportBuilder::on_snapshot(const Snapshot& snapshot) {
  if (!begun_) begin(snapshot.store());
  if (snapshot.time() <= looked_) return {};
  look(snapshot, false);
  if (snapshot.time() - observer_.from() >= settings_.window) diagnose_window(snapshot);
  return {};
}

void ReportBuilder::look(const Snapshot& snapshot, bool cut_short) {
  looked_ = snapshot.time();
  timeline_.add(snapshot, cut_short);
  most_connections_ = std::max(most_connections_, snapshot.totals().connections);
  // An observer keeps what it is told; it cannot fail.
  if (const Result<> told = observer_.on_snapshot(snapshot); !told) return;
}

void ReportBuilder::diagnose_window(const Snapshot& snapshot) {
  const Observation observation = observer_.observe(snapshot, filter_);
  findings_.add(diagnose(observation), observation,
                timeline_.ticks() > 1 && observation.span() < settings_.window / 2);
  observer_.begin(snapshot.time(), snapshot.store());
}

Report ReportBuilder::finish(const Snapshot& last, ReportOrigin origin) {
  if (!begun_) begin(last.store());
  const Nanos usual = timeline_.ticks()
                          ? timeline_.observed() / static_cast<std::int64_t>(timeline_.ticks())
                          : Nanos(0);
  if (last.time() > looked_) look(last, last.interval() < usual / 2);
  if (last.time() > observer_.from()) diagnose_window(last);
  connections_.finish(last);
  const std::int64_t offset = last.tick().realtime_offset_ns;
  Report report{.origin = std::move(origin),
                .host = last.names().host,
                .begin_ns = began_.time_since_epoch().count() + offset,
                .end_ns = last.time().time_since_epoch().count() + offset,
                .ticks = timeline_.ticks(),
                .window = settings_.window,
                .events = events_};
  if (report.ticks)
    report.interval = timeline_.observed() / static_cast<std::int64_t>(report.ticks);
  report.findings = findings_.findings(offset);
  report.findings_left_out = findings_.left_out();
  report.checked = findings_.checked();
  report.not_checked = findings_.not_checked();
  report.timeline = timeline_.timeline(offset);
  host_.mark_changes(report.timeline, offset);
  for (TimelineMark& mark : marks_) report.timeline.marks.push_back(std::move(mark));
  add_tables(report, last);
  report.sections = std::move(sections_);
  add_losses(report, last);
  add_figures(report);
  add_words(report, timeline_);
  return report;
}

void ReportBuilder::add_tables(Report& report, const Snapshot& last) {
  report.tables = connections_.tables(last.names(), last.tick().realtime_offset_ns);
  report.tables.push_back(faults_.listeners(last, filter_, connections_));
  report.tables.push_back(faults_.drops(last.store()));
  report.tables.push_back(faults_.resets(last.names()));
  report.host_faults = host_.faults();
  report.histograms = connections_.histograms();
  report.histograms.insert(report.histograms.begin(), rtt_.histogram());
}

void ReportBuilder::add_losses(Report& report, const Snapshot& last) const {
  const ev_tick lost = losses_between(first_tick_, last.tick());
  report.lost = lost_of(lost);
  report.losses = losses_to_json(lost);
  report.losses_text = losses_text(lost);
  report.unknown = report.origin.unknown;
  for (std::string& limit : limits(last)) report.unknown.push_back(std::move(limit));
}

// What the report itself had no room for, or nothing to go by.
std::vector<std::string> ReportBuilder::limits(const Snapshot& last) const {
  std::vector<std::string> limits;
  const auto add = [&limits](std::uint64_t count, std::string_view text) {
    if (count) limits.push_back(fmt::format(fmt::runtime(text), count));
  };
  add(last.totals().vanished - vanished_before_,
      "Connections whose end was lost, and their last counters with it: {}.");
  add(findings_.not_watched(),
      "Sockets that were active beyond those that findings watch: up to "
      "{} in a window.");
  add(connections_.without_base(),
      "Connections whose counters at the begin are not known, left out of the tables: {}.");
  add(findings_.left_out(), "Findings beyond the limit of the report: {}.");
  if (rtt_.left_out())
    limits.push_back(
        fmt::format("The round-trip times of some connections are missing: {} that "
                    "are open at once are followed.",
                    RttLog::kMostOpen));
  if (!host_.was_read()) {
    limits.emplace_back("The host's own counters were not read.");
    return limits;
  }
  std::string unread;
  for (const std::string& name : host_.unread()) unread += (unread.empty() ? "" : ", ") + name;
  if (!unread.empty())
    limits.push_back("Counters that this host does not have or that could not be read: " + unread +
                     ".");
  return limits;
}

void ReportBuilder::add_figures(Report& report) const {
  add_connection_figures(report);
  add_traffic_figures(report);
  add_trouble_figures(report);
}

// A rate over the whole time as what it counted.
Cell ReportBuilder::total(std::string_view series) const {
  const std::optional<double> total = timeline_.total(series);
  return total ? Cell(static_cast<std::uint64_t>(std::llround(*total))) : Cell();
}

void ReportBuilder::add_connection_figures(Report& report) const {
  std::uint64_t failed = 0;
  for (const auto& [end, count] : connections_.ends()) failed += end == "fin" ? 0 : count;
  report.figures = {
      {.id = "active_connections",
       .title = "Active",
       .value = connections_.active(),
       .unit = Unit::Count},
      {.id = "idle_connections",
       .title = "Idle",
       .value = connections_.idle(),
       .unit = Unit::Count},
      {.id = "most_connections",
       .title = "Open at once",
       .value = std::uint64_t{most_connections_},
       .unit = Unit::Count},
      {.id = "opened", .title = "Opened", .value = total("opened_per_s"), .unit = Unit::Count},
      {.id = "closed", .title = "Closed", .value = total("closed_per_s"), .unit = Unit::Count},
      {.id = "failed", .title = "Failed", .value = failed, .unit = Unit::Count}};
}

void ReportBuilder::add_traffic_figures(Report& report) const {
  const ReportHistogram& rtt = report.histograms.front();
  report.figures.insert(
      report.figures.end(),
      {{.id = "tx_bytes", .title = "Sent", .value = total("tx_bytes_per_s"), .unit = Unit::Bytes},
       {.id = "rx_bytes",
        .title = "Received",
        .value = total("rx_bytes_per_s"),
        .unit = Unit::Bytes},
       {.id = "tx_segments",
        .title = "Segments sent",
        .value = total("tx_segments_per_s"),
        .unit = Unit::Segments},
       {.id = "retransmitted_segments",
        .title = "Retransmitted",
        .value = total("retransmitted_segments_per_s"),
        .unit = Unit::Segments},
       {.id = "retransmit_percent",
        .title = "In percent",
        .value = cell(timeline_.range("retransmit_percent").mean),
        .unit = Unit::Percent},
       {.id = "rtt_p50_us",
        .title = "RTT median",
        .value = cell(rtt.p50),
        .unit = Unit::Microseconds},
       {.id = "rtt_p99_us",
        .title = "RTT p99",
        .value = cell(rtt.p99),
        .unit = Unit::Microseconds}});
}

void ReportBuilder::add_trouble_figures(Report& report) const {
  report.figures.insert(
      report.figures.end(),
      {{.id = "drops", .title = "Drops", .value = total("drops_per_s"), .unit = Unit::Count},
       {.id = "resets_sent",
        .title = "Resets out",
        .value = total("resets_sent_per_s"),
        .unit = Unit::Count},
       {.id = "resets_received",
        .title = "Resets in",
        .value = total("resets_received_per_s"),
        .unit = Unit::Count},
       {.id = "listen_overflows",
        .title = "Overflows",
        .value = total("listen_overflows_per_s"),
        .unit = Unit::Count},
       {.id = "lost_events", .title = "Lost events", .value = report.lost, .unit = Unit::Count}});
}

}  // namespace netsonde
