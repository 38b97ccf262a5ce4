// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <ctime>

#include "user/model/fields.h"
#include "user/sinks/tui/sparkline.h"

namespace netsonde {

namespace {

constexpr std::size_t kPoints = 900;
constexpr std::size_t kSpan = 120;  // points that a sparkline shows, at least
constexpr int kGaugeWidth = 26, kMostGauges = 6, kLabel = 9, kValue = 7;
constexpr int kOneLine = 120;                         // columns that hold the whole verdict
constexpr int kRoomForName = 72, kRoomForHost = 110;  // columns, of a recording's

struct Gauge {
  std::string_view label;
  Unit unit;
  double (*get)(const Totals&);  // NaN: nothing to tell
  Style above_zero;
};

double or_unknown(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

// TuiColumn by column: what hurts, how long it takes, how much there is.
constexpr std::array kGauges = {
    Gauge{"retrans %", Unit::Percent,
          [](const Totals& t) { return or_unknown(t.retransmit_percent); }, Style::Warn},
    Gauge{"drops/s", Unit::PerSecond, [](const Totals& t) { return t.drop_rate; }, Style::Bad},
    Gauge{"overfl/s", Unit::PerSecond, [](const Totals& t) { return t.listen_overflow_rate; },
          Style::Bad},
    Gauge{"resets/s", Unit::PerSecond,
          [](const Totals& t) { return t.resets_sent_rate + t.resets_received_rate; }, Style::Warn},
    Gauge{"RTT p50", Unit::Microseconds, [](const Totals& t) { return or_unknown(t.rtt_p50_us); },
          Style::Normal},
    Gauge{"RTT p99", Unit::Microseconds, [](const Totals& t) { return or_unknown(t.rtt_p99_us); },
          Style::Normal},
    Gauge{"opened/s", Unit::PerSecond, [](const Totals& t) { return t.opened_rate; },
          Style::Normal},
    Gauge{"closed/s", Unit::PerSecond, [](const Totals& t) { return t.closed_rate; },
          Style::Normal},
    Gauge{"sent B/s", Unit::BytesPerSecond, [](const Totals& t) { return t.tx_rate; },
          Style::Normal},
    Gauge{"rcvd B/s", Unit::BytesPerSecond, [](const Totals& t) { return t.rx_rate; },
          Style::Normal},
    Gauge{"segs out", Unit::PerSecond, [](const Totals& t) { return t.segments_out_rate; },
          Style::Normal},
    Gauge{"segs in", Unit::PerSecond, [](const Totals& t) { return t.segments_in_rate; },
          Style::Normal},
};

constexpr std::array<std::string_view, 10> kLossNames = {
    "records (ring full)",
    "events (ring nearly full)",
    "samples (ring half full)",
    "sockets (no memory)",
    "histograms (no room)",
    "kinds of drops (table full)",
    "drop events (above the rate limit; still counted)",
    "runs (the kernel skipped them)",
    "retransmitted segments (the kernel did not tell)",
    "records (not kept by the recorder)"};
static_assert(kLossNames.size() == EV_LOSSES);

int gauges_per_row(int columns) {
  return std::clamp(columns / kGaugeWidth, 1, kMostGauges);
}

int gauge_rows(int rows, int columns) {
  const int per_row = gauges_per_row(columns);
  const int all = (static_cast<int>(kGauges.size()) + per_row - 1) / per_row;
  return std::clamp((rows - 12) / 3, 0, all);
}

bool worst_has_line(int rows, int columns) {
  return rows >= 12 && columns < kOneLine;
}
// Whether or not there is one, so that nothing moves when it comes; else it is in the worst's
// place.
bool finding_has_line(int rows, int columns) {
  return rows >= 30 && columns >= kOneLine;
}
bool states_have_line(int rows) {
  return rows >= 14;
}

std::string lost_text(const ev_tick& tick) {
  std::string text;
  for (std::size_t i = 0; i < EV_LOSSES; ++i)
    if (tick.lost[i])
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", tick.lost[i], kLossNames[i]);
  return "netsonde missed since it began: " + text;
}

std::string states_text(const Totals& totals) {
  std::string text = fmt::format("{} connections", totals.connections);
  std::vector<std::pair<std::uint32_t, std::string_view>> states;
  for (std::size_t i = 0; i < kTcpStates; ++i) {
    const std::string_view name = state_name(static_cast<std::uint8_t>(i));
    if (totals.by_state[i] && name != "LISTEN") states.emplace_back(totals.by_state[i], name);
  }
  std::stable_sort(states.begin(), states.end(),
                   [](auto& a, auto& b) { return a.first > b.first; });
  std::string_view separator = ": ";
  for (const auto& [count, name] : states) {
    text += fmt::format("{}{} {}", std::exchange(separator, ", "), count, name);
  }
  return text + fmt::format("; {} listener{}", totals.listeners, totals.listeners == 1 ? "" : "s");
}

std::string cost_text(double cpu_percent, const Snapshot& snapshot, bool brief) {
  const std::uint64_t bpf = snapshot.tick().bpf_ns_per_s;
  const std::string_view gap = brief ? " " : "  ";
  return fmt::format("{}CPU {}{}BPF {}{}lost {}", brief ? "" : "own ",
                     std::isnan(cpu_percent) ? "-" : fmt::format("{:.1f}%", cpu_percent), gap,
                     bpf == ~0ULL ? "-" : short_duration(Nanos(bpf)) + "/s", gap, snapshot.lost());
}

std::string moment_text(const Moment& moment) {
  if (!moment.frozen) return fmt::format("live {:g}s", seconds(moment.interval));
  std::string text = "FROZEN";
  if (moment.behind > Nanos(0)) text += fmt::format(", {} ago", short_duration(moment.behind));
  if (moment.ticks) text += fmt::format(", tick {} of {}", moment.tick, moment.ticks);
  return text;
}

}  // namespace

std::string clock_text(std::int64_t realtime_ns, bool with_millis) {
  const std::time_t second = realtime_ns / 1'000'000'000;
  std::tm local{};
  localtime_r(&second, &local);
  const std::string time =
      fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
  if (with_millis) return time + fmt::format(".{:03}", realtime_ns % 1'000'000'000 / 1'000'000);
  return time + " " + local.tm_zone;
}

void Header::add(const Snapshot& snapshot) {
  const double span = seconds(snapshot.interval());
  const std::uint64_t cpu_ns = snapshot.tick().cpu_ns;
  Point point = {.time = snapshot.time(),
                 .totals = snapshot.totals(),
                 .cpu_percent = std::numeric_limits<double>::quiet_NaN()};
  if (span > 0 && cpu_ns_ && cpu_ns >= cpu_ns_)
    point.cpu_percent = static_cast<double>(cpu_ns - cpu_ns_) / span / 1e7;
  cpu_ns_ = cpu_ns;
  points_.push_back(point);
  if (points_.size() <= kPoints) return;
  points_.pop_front();
  ++dropped_;
}

const Header::Point* Header::point_at(Time time) const {
  const auto found = std::lower_bound(points_.begin(), points_.end(), time,
                                      [](const Point& point, Time t) { return point.time < t; });
  return found == points_.end() || found->time != time ? nullptr : &*found;
}

std::vector<double> Header::series(double (*get)(const Totals&), Time until,
                                   std::size_t capacity) const {
  std::vector<double> values;
  for (const Point& point : points_)
    if (point.time <= until) values.push_back(get(point.totals));
  const auto span = std::min(values.size(), kSpan);
  return compressed(values, dropped_, std::bit_ceil((span + capacity - 1) / capacity));
}

int Header::height(const Screen& screen, const Snapshot& snapshot) const {
  const int rows = screen.rows(), columns = screen.columns();
  return 2 + (snapshot.lost() ? 1 : 0) + worst_has_line(rows, columns) +
         finding_has_line(rows, columns) + states_have_line(rows) + gauge_rows(rows, columns);
}

// The host and the date go first where there is little room.
void Header::draw_recording_title(Screen& screen, const Snapshot& snapshot, const Moment& moment) {
  const int columns = screen.columns();
  auto put = [&screen, x = 0](std::string_view text, int most, Style style) mutable {
    const std::string clean = screen.clean(text);
    const int width = std::min(display_width(clean), most);
    screen.put(0, x, width, clean, style);
    x += width + 2;
  };
  put("netsonde", columns, Style::Strong);
  if (columns >= kRoomForHost && !snapshot.names().host.empty())
    put(snapshot.names().host, columns / 6, Style::Normal);
  if (columns >= kRoomForName) put(moment.recording, columns / 4, Style::Normal);
  const std::string date = rfc3339(snapshot.realtime_ns()).substr(0, 10) + " ";
  put((columns >= kRoomForHost ? date : "") + clock_text(snapshot.realtime_ns()), columns,
      Style::Normal);
  put(moment.play.text, columns, moment.play.moving ? Style::Normal : Style::Bar);
  put(fmt::format("{:.0f}%", moment.play.percent), columns, Style::Normal);
  const std::string lost = fmt::format("lost {}", snapshot.lost());
  const auto width = static_cast<int>(lost.size());
  if (columns < kRoomForName) return;
  screen.put(0, columns - width, width, lost, snapshot.lost() ? Style::Bad : Style::Normal);
}

void Header::draw_title(Screen& screen, const Snapshot& snapshot, const Moment& moment) const {
  if (!moment.recording.empty()) return draw_recording_title(screen, snapshot, moment);
  const int columns = screen.columns();
  const Point* point = point_at(snapshot.time());
  const double cpu = point ? point->cpu_percent : std::numeric_limits<double>::quiet_NaN();
  const std::string when = clock_text(snapshot.realtime_ns());
  const std::string how = moment_text(moment);
  auto put = [&screen, x = 0](std::string_view text, Style style) mutable {
    const int width = display_width(screen.clean(text));
    screen.put(0, x, width, text, style);
    x += width + 2;
    return x;
  };
  put("netsonde", Style::Strong);
  if (!snapshot.names().host.empty())
    put(fit(screen.clean(snapshot.names().host),
            std::min<int>(display_width(snapshot.names().host), columns / 5)),
        Style::Normal);
  put(when, Style::Normal);
  const int used = put(how, moment.frozen ? Style::Bar : Style::Normal);
  for (const bool brief : {false, true}) {
    const std::string cost = cost_text(cpu, snapshot, brief);
    const int width = static_cast<int>(cost.size());
    if (used + width > columns) continue;
    screen.put(0, columns - width, width, cost, snapshot.lost() ? Style::Bad : Style::Normal);
    break;
  }
}

void Header::draw_gauges(Screen& screen, const Snapshot& snapshot, int y, int rows) const {
  const int per_row = gauges_per_row(screen.columns()), width = screen.columns() / per_row;
  const int all_rows = (static_cast<int>(kGauges.size()) + per_row - 1) / per_row;
  const int graph_width = width - kLabel - kValue - 4;
  const auto capacity =
      static_cast<std::size_t>(std::max(graph_capacity(graph_width, screen.unicode()), 1));
  for (int i = 0; i < static_cast<int>(kGauges.size()); ++i) {
    const int row = i % all_rows, x = i / all_rows * width;
    if (row >= rows) continue;
    const Gauge& gauge = kGauges[static_cast<std::size_t>(i)];
    const double value = gauge.get(snapshot.totals());
    const Style style = value > 0 ? gauge.above_zero : Style::Normal;
    screen.put(y + row, x, kLabel, gauge.label);
    screen.put(y + row, x + kLabel + 1, kValue,
               fit(human(std::isnan(value) ? Value() : Value(value), gauge.unit), kValue, true),
               style);
    const auto values = series(gauge.get, snapshot.time(), capacity);
    screen.put(y + row, x + kLabel + kValue + 2, graph_width,
               sparkline(values, graph_width, screen.unicode()), style);
  }
}

int Header::draw_verdict(Screen& screen, int y, const TuiVerdict& verdict) {
  const int rows = screen.rows(), columns = screen.columns();
  const bool own_line = finding_has_line(rows, columns);
  const bool instead = verdict.has_finding && !own_line;
  const std::string& second = instead ? verdict.finding : verdict.worst;
  const Style second_style = instead ? verdict.finding_style : Style::Normal;
  if (worst_has_line(rows, columns)) {
    screen.put(y++, 0, columns, verdict.figures, verdict.style);
    screen.put(y++, 0, columns, second, second_style);
  } else if (instead && columns < kOneLine) {
    screen.put(y++, 0, columns, second, second_style);
  } else {
    const std::string first = verdict.figures + (second.empty() ? "" : "; ");
    const int width = std::min(display_width(first), columns);
    screen.put(y, 0, width, first, verdict.style);
    screen.put(y++, width, columns - width, second, instead ? second_style : verdict.style);
  }
  if (own_line) screen.put(y++, 0, columns, verdict.finding, verdict.finding_style);
  return y;
}

void Header::draw(Screen& screen, const Snapshot& snapshot, const TuiVerdict& verdict,
                  const Moment& moment) const {
  const int rows = screen.rows(), columns = screen.columns();
  draw_title(screen, snapshot, moment);
  int y = 1;
  if (snapshot.lost()) screen.put(y++, 0, columns, lost_text(snapshot.tick()), Style::Bad);
  y = draw_verdict(screen, y, verdict);
  if (states_have_line(rows)) screen.put(y++, 0, columns, states_text(snapshot.totals()));
  draw_gauges(screen, snapshot, y, gauge_rows(rows, columns));
}

}  // namespace netsonde
