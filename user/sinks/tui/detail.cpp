// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/detail.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "user/model/fields.h"
#include "user/sinks/tui/columns.h"
#include "user/sinks/tui/header.h"
#include "user/sinks/tui/sparkline.h"

namespace netsonde {

namespace {

constexpr int kTwoColumns = 130;  // width from which what happened stands beside the rest
constexpr int kLabel = 12;
constexpr int kLeastTimeline = 3;  // lines that findings leave to what happened

struct Fact {
  std::string_view label;
  std::string text;
  Style style = Style::Normal;
};

std::string text_of(const Row& row, std::string_view id) {
  const Field& field = *find_field(id);
  return human(field.get(row), field.unit);
}

// "rto 201ms  mss 1448": titles of their own, values of the fields.
std::string listed(const Row& row,
                   std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  std::string text;
  for (const auto& [title, id] : parts)
    text += fmt::format("{}{} {}", text.empty() ? "" : "  ", title, text_of(row, id));
  return text;
}

std::string options_text(const Row& row) {
  std::string text;
  for (const auto& [id, name] :
       {std::pair("timestamps", "timestamps"), std::pair("sack", "SACK"),
        std::pair("window_scaling", "window scaling"), std::pair("ecn", "ECN")}) {
    const Value value = find_field(id)->get(row);
    const auto* on = std::get_if<bool>(&value);
    if (on) text += fmt::format("{}{}{}", text.empty() ? "" : ", ", *on ? "" : "no ", name);
  }
  return text.empty() ? "-" : text;
}

std::string identity(const Row& row, NameCache* names) {
  const ev_conn& conn = row.connection.last.conn;
  const Address remote = Address::from(conn.remote);
  const std::string_view name = names && !remote.is_unspecified() ? names->name_of(remote) : "";
  const std::string local = endpoint_text(Address::from(conn.local), conn.local_port);
  if (row.connection.is_listener()) return "listening on " + local;
  const std::string_view arrow = conn.direction == EV_IN    ? "<-"
                                 : conn.direction == EV_OUT ? "->"
                                                            : "--";
  return fmt::format("{} {} {}{}{}", local, arrow, endpoint_text(remote, conn.remote_port),
                     name.empty() ? "" : "  ", name);
}

std::string state_text(const Row& row) {
  const std::string age = text_of(row, "age_s");
  if (row.connection.is_closed()) {
    const auto ago = row.now - time_from_ns(row.connection.closed_ns);
    return fmt::format("CLOSED {} ago: {}; it lived {}", short_duration(ago),
                       end_name(row.connection.last), age);
  }
  return fmt::format("{}, congestion state {}, age {}", text_of(row, "state"),
                     text_of(row, "congestion_state"),
                     age == "-" ? "unknown (older than netsonde)" : age);
}

std::string owner_text(const Row& row) {
  const ev_conn& conn = row.connection.last.conn;
  if (!conn.owner) return fmt::format("unknown process, uid {}", conn.uid);
  return fmt::format("{}[{}]  uid {}  ({})  netns {}", printable(fixed_string(conn.comm)), conn.pid,
                     conn.uid, text_of(row, "owner_source"), conn.netns);
}

// Shares of the time in which the sender had something to send.
std::string limit_text(const Row& row) {
  const ev_sample& s = row.connection.last;
  std::string text =
      row.connection.limit_known ? std::string(limit_name(row.connection.limit)) : "-";
  const double all = s.busy_ms + s.rwnd_limited_ms + s.sndbuf_limited_ms;
  if (all <= 0)
    return text + (s.tx_bytes ? " now; its data was out too shortly to be measured"
                              : " now; it never sent data");
  const auto share = [all](std::uint32_t ms) { return fmt::format("{:.0f}%", 100 * ms / all); };
  return fmt::format("{} now; of {} busy: rwnd {}, sndbuf {}, neither {}", text,
                     short_duration(std::chrono::milliseconds(static_cast<std::int64_t>(all))),
                     share(s.rwnd_limited_ms), share(s.sndbuf_limited_ms), share(s.busy_ms));
}

std::vector<Fact> loss_facts(const Row& row) {
  const ev_sample& s = row.connection.last;
  std::string text = fmt::format("{} of {} segments ({}%)", s.retransmitted, s.segs_out,
                                 text_of(row, "retransmit_percent"));
  if (s.retransmitted)
    text += ": " + listed(row, {{"rto", "retransmits_rto"},
                                {"fast", "retransmits_fast"},
                                {"tlp", "retransmits_tlp"},
                                {"syn", "retransmits_syn"}});
  if (s.retransmits_unknown) text += "  unseen " + text_of(row, "retransmits_unknown");
  return {{"Retransmits", text, row.connection.retransmit_rate > 0 ? Style::Warn : Style::Normal},
          {"", listed(row, {{"needless", "retransmits_spurious"},
                            {"lost", "lost_segments"},
                            {"recoveries", "fast_recoveries"},
                            {"loss episodes", "loss_episodes"}})},
          {"Drops here",
           listed(row, {{"packets", "drops"},
                        {"out of order", "out_of_order_segments"},
                        {"ECN marks", "ecn_marked_segments"}}),
           s.drops ? Style::Bad : Style::Normal}};
}

std::vector<Fact> listener_facts(const Row& row) {
  return {{"Owner", owner_text(row)},
          {"Cgroup", text_of(row, "cgroup") + "  container " + text_of(row, "container")},
          {"Queue", listed(row, {{"waiting", "accept_queue"}, {"backlog", "backlog"}})},
          {"Overflows", text_of(row, "listen_overflows"),
           row.connection.last.sk_drops ? Style::Bad : Style::Normal}};
}

std::string protocol_text(const Row& row) {
  constexpr std::uint8_t kSynSent = 2, kSynRecv = 3;
  const ev_sample& s = row.connection.last;
  const std::string congestion = text_of(row, "congestion_control");
  if (s.old_state == kSynSent || s.old_state == kSynRecv)
    return congestion +
           (row.connection.is_closed() ? "  nothing was agreed on" : "  nothing is agreed on yet");
  return fmt::format("{}  mss {}  {}", congestion, s.mss, options_text(row));
}

std::vector<Fact> connection_facts(const Row& row) {
  std::vector<Fact> facts = {
      {"State", state_text(row), row.connection.is_closed() ? Style::Strong : Style::Normal},
      {"Owner", owner_text(row)},
      {"Cgroup", text_of(row, "cgroup") + "  container " + text_of(row, "container")},
      {"Limited by", limit_text(row), Style::Strong},
      {"RTT", listed(row, {{"now", "srtt_us"},
                           {"min", "min_rtt_us"},
                           {"p50", "rtt_p50_us"},
                           {"p90", "rtt_p90_us"},
                           {"p99", "rtt_p99_us"},
                           {"rto", "rto_us"}})}};
  const auto loss = loss_facts(row);
  facts.insert(facts.end(), loss.begin(), loss.end());
  const Fact more[] = {{"Window", listed(row, {{"cwnd", "cwnd_segments"},
                                               {"ssthresh", "ssthresh_segments"},
                                               {"in flight", "in_flight_segments"},
                                               {"peer's", "send_window_bytes"},
                                               {"own", "receive_window_bytes"}})},
                       {"Queues", listed(row, {{"send", "send_queue_bytes"},
                                               {"not sent", "not_sent_bytes"},
                                               {"of", "send_buffer_bytes"},
                                               {"receive", "receive_queue_bytes"},
                                               {"of", "receive_buffer_bytes"}})},
                       {"Total", listed(row, {{"sent", "tx_bytes"},
                                              {"received", "rx_bytes"},
                                              {"pacing", "pacing_bytes_per_s"},
                                              {"delivery", "delivery_bytes_per_s"}})},
                       {"Protocol", protocol_text(row)}};
  facts.insert(facts.end(), std::begin(more), std::end(more));
  return facts;
}

struct Graph {
  std::string_view label;
  Unit unit;
  double Track::Point::*member;
};

constexpr std::array kGraphs = {
    Graph{"RTT", Unit::Microseconds, &Track::Point::srtt_us},
    Graph{"Cwnd", Unit::Segments, &Track::Point::cwnd},
    Graph{"Sent/s", Unit::BytesPerSecond, &Track::Point::tx_rate},
    Graph{"Received/s", Unit::BytesPerSecond, &Track::Point::rx_rate},
    Graph{"Retransm/s", Unit::PerSecond, &Track::Point::retransmit_rate},
};

std::string known(double value, Unit unit) {
  return human(std::isnan(value) ? Value() : Value(value), unit);
}

}  // namespace

int Detail::draw_facts(Screen& screen, Area area, const Row& row, NameCache* names) const {
  int y = area.y;
  const int end = area.y + area.height;
  if (y < end) screen.put(y++, area.x, area.width, identity(row, names), Style::Strong);
  for (const Fact& fact :
       row.connection.is_listener() ? listener_facts(row) : connection_facts(row)) {
    if (y >= end) break;
    screen.put(y, area.x, kLabel, fact.label, Style::Normal);
    screen.put(y++, area.x + kLabel, area.width - kLabel, fact.text, fact.style);
  }
  return y;
}

int Detail::draw_findings(Screen& screen, Area area, const LiveFindings* findings) const {
  const int width = area.width - kLabel, x = area.x + kLabel;
  if (area.height < 1 || width < 1) return area.y;
  int y = area.y;
  screen.put(y, area.x, kLabel, "Findings");
  for (const FindingLine& line : finding_lines(findings, cookie(), width, area.height)) {
    screen.put(y, x, width, line.text, line.rest);
    if (const auto marked = static_cast<int>(line.marked))
      screen.put(y, x, std::min(marked, width), line.text.substr(0, line.marked), line.mark);
    ++y;
  }
  return y;
}

int Detail::draw_graphs(Screen& screen, Area area, Time until, int graph_height) const {
  constexpr int kNumbers = 9, kMaximum = 11;
  const int width = area.width - kLabel - kNumbers - kMaximum - 1;
  int y = area.y;
  for (const Graph& wanted : kGraphs) {
    if (y + graph_height > area.y + area.height || width < 4) break;
    std::vector<double> values;
    for (const Track::Point& point : track_.points())
      if (point.time <= until) values.push_back(point.*wanted.member);
    const auto shown = std::min<std::size_t>(
        values.size(), static_cast<std::size_t>(graph_capacity(width, screen.unicode())));
    double top = 0;
    for (const double value : std::span(values).last(shown))
      if (value > top) top = value;
    screen.put(y, area.x, kLabel, wanted.label);
    const double now = values.empty() ? std::numeric_limits<double>::quiet_NaN() : values.back();
    screen.put(y, area.x + kLabel, kNumbers, known(now, wanted.unit), Style::Strong);
    const auto rows = graph(values, width, graph_height, screen.unicode());
    for (int i = 0; i < graph_height; ++i)
      screen.put(y + i, area.x + kLabel + kNumbers, width, rows[static_cast<std::size_t>(i)]);
    screen.put(y, area.x + kLabel + kNumbers + width + 1, kMaximum,
               "max " + known(top, wanted.unit), Style::Dim);
    y += graph_height;
  }
  return y;
}

void Detail::draw_timeline(Screen& screen, Area area, const Snapshot& snapshot) {
  if (area.height < 2) return;
  const auto& all = track_.happenings();
  int count = 0;
  while (count < static_cast<int>(all.size()) &&
         all[static_cast<std::size_t>(count)].time <= snapshot.time())
    ++count;
  const int lines = area.height - 1;
  scrolled_ = std::clamp(scrolled_, std::min(lines - count, 0), 0);
  const int first = std::max(count - lines + scrolled_, 0);
  screen.put(area.y, area.x, area.width,
             fmt::format("What happened ({}){}", count,
                         scrolled_       ? ", Down: newer"
                         : count > lines ? ", Up: older"
                                         : ""),
             Style::Title);
  if (count == 0)
    screen.put(area.y + 1, area.x, area.width, "Nothing but data since netsonde looks.",
               Style::Dim);
  for (int i = first; i < std::min(first + lines, count); ++i) {
    const Track::Happening& h = all[static_cast<std::size_t>(i)];
    const auto realtime = h.time.time_since_epoch().count() + snapshot.tick().realtime_offset_ns;
    screen.put(area.y + 1 + i - first, area.x, area.width,
               fmt::format("{} {:<11} {}", clock_text(realtime, true), h.what, h.details), h.style);
  }
}

void Detail::draw(Screen& screen, int y, const Snapshot& snapshot, NameCache* names,
                  const LiveFindings* findings) {
  const int bottom = screen.rows() - 1;
  const bool beside = screen.columns() >= kTwoColumns;
  const int width = beside ? screen.columns() / 2 - 1 : screen.columns();
  const int right = width + 2, right_width = screen.columns() - right;
  const Connection* connection = snapshot.store().find(track_.cookie());
  int end = y;
  if (connection)
    end = draw_facts(screen, {y, 0, bottom - y - (beside ? 0 : 1), width},
                     snapshot.row(*connection), names);
  else
    screen.put(end++, 0, width, "This connection was not there, or closed a while ago.",
               Style::Strong);
  if (beside)
    y = draw_findings(screen, {y, right, (bottom - y) / 2, right_width}, findings) + 1;
  else
    end = draw_findings(screen, {end, 0, std::max(bottom - end - kLeastTimeline, 1), width},
                        findings);

  const bool listener = connection && connection->is_listener();
  const int graphs = static_cast<int>(kGraphs.size());
  const int room = beside ? bottom - end - 1 : (bottom - end) / 2;
  const int graph_height = std::clamp(room / graphs, 1, 4);
  if (!listener && room > 0)
    end = draw_graphs(screen, {end, 0, std::max(room, 1), width}, snapshot.time(), graph_height);
  if (beside)
    draw_timeline(screen, {y, right, bottom - y, right_width}, snapshot);
  else
    draw_timeline(screen, {end, 0, bottom - end, width}, snapshot);
}

}  // namespace netsonde
