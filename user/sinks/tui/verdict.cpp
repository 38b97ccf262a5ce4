// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "user/sinks/tui/columns.h"

namespace netsonde {

namespace {

std::string span_name(Nanos interval) {
  if (std::abs(seconds(interval) - 1) < 0.25) return "second";
  return short_duration(std::chrono::round<std::chrono::milliseconds>(interval));
}

double known(float rate) {
  return std::isnan(rate) ? 0 : static_cast<double>(rate);
}

template <typename Measure>
const Connection* largest(const Store& store, Measure measure) {
  const Connection* worst = nullptr;
  double most = 0;
  for (const auto& [cookie, connection] : store.connections()) {
    const double value = measure(connection);
    const bool tie = worst && value == most && cookie < worst->last.conn.cookie;
    if (value <= 0 || value < most || (value == most && worst && !tie)) continue;
    most = value;
    worst = &connection;
  }
  return worst;
}

template <typename Counts>
typename Counts::const_iterator most_frequent(const Counts& counts) {
  return std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second, b.first) < std::pair(b.second, a.first);
  });
}

std::string drops_figure(const Snapshot& snapshot, const Blame::Interval& blame) {
  std::string text = figure(snapshot.totals().drop_rate) + " drops/s";
  const auto kind = most_frequent(blame.kinds);
  if (kind == blame.kinds.end()) return text;
  const std::string_view where = snapshot.names().symbol(kind->first.second);
  return text + fmt::format(" (mostly {}{}{})", snapshot.names().drop_reason(kind->first.first),
                            where.empty() ? "" : " in ", where);
}

std::string figures_of(const Snapshot& snapshot, const Blame::Interval& blame) {
  const Totals& t = snapshot.totals();
  std::string text;
  const auto add = [&text](std::string_view figure) {
    if (!text.empty()) text += ", ";
    text += figure;
  };
  if (t.retransmit_rate > 0 && t.retransmit_percent)
    add(fmt::format("{:.{}f}% of segments retransmitted", *t.retransmit_percent,
                    *t.retransmit_percent < 0.1  ? 3
                    : *t.retransmit_percent < 10 ? 1
                                                 : 0));
  if (t.listen_overflow_rate > 0) add(figure(t.listen_overflow_rate) + " listen overflows/s");
  const double resets = t.resets_sent_rate + t.resets_received_rate;
  if (resets > 0)
    add(fmt::format("{} resets/s ({} sent, {} received)", figure(resets),
                    figure(t.resets_sent_rate), figure(t.resets_received_rate)));
  if (t.drop_rate > 0) add(drops_figure(snapshot, blame));
  return text;
}

std::string worst_by_retransmits(const Connection& c) {
  std::string text =
      fmt::format("worst: {}, {} retransmits/s", short_name(c), figure(known(c.retransmit_rate)));
  if (c.limit_known && c.limit != Limit::None)
    text += fmt::format(", limited by {}", limit_name(c.limit));
  return text;
}

std::string worst_of(const Snapshot& snapshot, const Blame::Interval& blame) {
  const Store& store = snapshot.store();
  if (snapshot.totals().retransmit_rate > 0) {
    const Connection* c =
        largest(store, [](const Connection& r) { return known(r.retransmit_rate); });
    if (c) return worst_by_retransmits(*c);
  }
  if (const auto most = most_frequent(blame.overflows); most != blame.overflows.end())
    if (const Connection* c = store.find(most->first))
      return fmt::format("worst: {}, accept queue full {} times", short_name(*c), most->second);
  if (const auto most = most_frequent(blame.drops); most != blame.drops.end())
    if (const Connection* c = store.find(most->first))
      return fmt::format("worst: {}, {} of the drops", short_name(*c), most->second);
  const Connection* c =
      largest(store, [](const Connection& r) { return known(r.tx_rate) + known(r.rx_rate); });
  if (!c) return {};
  return fmt::format("busiest: {}, {}B/s sent, {}B/s received", short_name(*c),
                     short_bytes(known(c->tx_rate)), short_bytes(known(c->rx_rate)));
}

}  // namespace

void Blame::on_event(const Event& event, const Names& names) {
  if (const auto* drop = std::get_if<ev_drop>(&event)) {
    if (benign_drop(names.drop_reason(drop->reason), names.symbol(drop->location))) return;
    if (drop->conn.cookie) ++current_.drops[drop->conn.cookie];
    ++current_.kinds[{drop->reason, drop->location}];
  } else if (const auto* overflow = std::get_if<ev_listen_overflow>(&event)) {
    current_.overflows[overflow->conn.cookie] += overflow->count;
  } else if (std::holds_alternative<ev_tick>(event)) {
    last_ = std::exchange(current_, {});
  }
}

TuiVerdict judge(const Snapshot& snapshot, const Blame::Interval& blame) {
  if (snapshot.interval() == Nanos(0))
    return {.figures = "Measuring: rates need a second tick.", .worst = {}, .style = Style::Normal};
  const Totals& t = snapshot.totals();
  const bool hurt_here = t.drop_rate > 0 || t.listen_overflow_rate > 0;
  const bool hurt = hurt_here || t.retransmit_rate > 0;
  std::string figures = figures_of(snapshot, blame);
  if (!hurt) {
    const std::string_view resets = figures.empty() ? ", no resets" : "";
    figures =
        fmt::format("OK: no retransmissions, no drops, no listen overflows{} in the last {}{}{}",
                    resets, span_name(snapshot.interval()), figures.empty() ? "" : "; ", figures);
  }
  return {.figures = std::move(figures),
          .worst = worst_of(snapshot, blame),
          .style = hurt_here ? Style::Bad
                   : hurt    ? Style::Warn
                             : Style::Good};
}

std::string short_name(const Connection& connection) {
  const ev_conn& c = connection.last.conn;
  const std::string who =
      c.owner ? printable(fmt::format("{}[{}]", fixed_string(c.comm), c.pid)) : "(unknown process)";
  if (connection.is_listener())
    return fmt::format("{} listening on {}", who,
                       endpoint_text(Address::from(c.local), c.local_port));
  return fmt::format("{} {} {}", who, c.direction == EV_IN ? "<-" : "->",
                     endpoint_text(Address::from(c.remote), c.remote_port));
}

std::string figure(double value) {
  if (value <= 0) return "0";
  return value < 9.95 ? fmt::format("{:.1f}", value) : short_count(value);
}

}  // namespace netsonde
