// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/trace.h"

#include <fmt/format.h>

#include <array>

#include "user/base/text.h"
#include "user/sinks/concerns.h"
#include "user/sinks/json_rows.h"
#include "user/sinks/table.h"

namespace netsonde {

namespace {

constexpr std::array kKinds = {EV_CONNECT, EV_ESTABLISHED,      EV_ACCEPT,          EV_LISTEN,
                               EV_CLOSE,   EV_LISTEN_CLOSE,     EV_RETRANSMIT,      EV_RESET,
                               EV_DROP,    EV_CONGESTION_STATE, EV_LISTEN_OVERFLOW, EV_RTT};

bool is_shown(std::uint16_t kind) {
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

std::string endpoint(const std::uint8_t (&address)[16], std::uint16_t port) {
  const Address a = Address::from(address);
  const std::string number = port ? std::to_string(port) : "*";
  return fmt::format("{}:{}", a.is_ipv4() ? to_text(a) : "[" + to_text(a) + "]", number);
}

std::string who(const ev_conn& conn) {
  std::string owner = "?";
  if (conn.owner) owner = fmt::format("{}[{}]", printable(fixed_string(conn.comm)), conn.pid);
  if (conn.direction == EV_LISTENER)
    return fmt::format("{} {}", owner, endpoint(conn.local, conn.local_port));
  const char arrow = conn.direction == EV_IN ? '<' : conn.direction == EV_OUT ? '>' : '~';
  return fmt::format("{} {} {} {}", owner, endpoint(conn.local, conn.local_port), arrow,
                     endpoint(conn.remote, conn.remote_port));
}

std::string microseconds(std::uint64_t us) {
  return short_duration(Nanos(static_cast<std::int64_t>(us * 1000)));
}

struct Details {
  const Store& store;

  std::string operator()(const ev_sample& e) const {
    if (e.header.kind == EV_LISTEN_CLOSE) return fmt::format("{} overflows", e.sk_drops);
    const std::string lasted =
        e.conn.start_ns ? microseconds((e.header.time_ns - e.conn.start_ns) / 1000) : "-";
    const std::string rtt = e.srtt_us ? microseconds(e.srtt_us) : "-";
    return fmt::format("{} after {}, sent {}B, received {}B, rtt {}, {} retransmitted", end_name(e),
                       lasted, short_bytes(static_cast<double>(e.tx_bytes)),
                       short_bytes(static_cast<double>(e.rx_bytes)), rtt, e.retransmitted);
  }
  std::string operator()(const ev_retransmit& e) const {
    return fmt::format("{}, {} segment{}{}", retransmit_name(e.kind), e.segments,
                       e.segments == 1 ? "" : "s",
                       e.error ? fmt::format(", not sent: errno {}", e.error) : "");
  }
  std::string operator()(const ev_reset& e) const {
    const std::string reason =
        e.reason == EV_NO_REASON ? std::string() : ", " + store.names().reset_reason(e.reason);
    return (e.sent ? "sent" : "received") + reason;
  }
  std::string operator()(const ev_drop& e) const {
    const std::string reason = store.names().drop_reason(e.reason);
    const std::string_view location = store.names().symbol(e.location);
    const BenignDrop* benign = benign_drop(reason, location);
    return fmt::format("{} in {}, {} bytes {}{}", reason, location.empty() ? "?" : location,
                       e.length, e.incoming ? "incoming" : "outgoing",
                       benign ? fmt::format(", benign: {}", benign->why) : ", harmful");
  }
  std::string operator()(const ev_congestion_state& e) const {
    return fmt::format("{} to {}{}, cwnd {}", congestion_state_name(e.old_state),
                       congestion_state_name(e.new_state), e.undone ? " (needless, undone)" : "",
                       e.cwnd);
  }
  std::string operator()(const ev_rtt& e) const {
    return fmt::format("rtt {}, srtt {}, cwnd {}, in flight {}", microseconds(e.rtt_us),
                       microseconds(e.srtt_us), e.cwnd, e.in_flight);
  }
  std::string operator()(const ev_listen_overflow& e) const {
    return fmt::format("{} dropped, accept queue {} of {}", e.count, e.queued, e.backlog);
  }
  template <typename Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

}  // namespace

Result<std::set<std::uint16_t>> parse_event_kinds(std::string_view list) {
  std::set<std::uint16_t> kinds;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, comma);
    const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                    [name](ev_kind kind) { return name_of(kind) == name; });
    if (found == kKinds.end()) {
      std::string known;
      for (const ev_kind kind : kKinds)
        known += (known.empty() ? "" : ", ") + std::string(name_of(kind));
      return Error(fmt::format("unknown event '{}'; known: {}", printable(name), known));
    }
    kinds.insert(static_cast<std::uint16_t>(*found));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return kinds;
}

bool Trace::wanted(const Event& event, const Store& store) const {
  const std::uint16_t kind = header_of(event).kind;
  if (!is_shown(kind) || (!settings_.kinds.empty() && !settings_.kinds.contains(kind)))
    return false;
  return concerns(filter_, event, store);
}

Result<> Trace::on_event(const Event& event, const Store& store) {
  if (settings_.count && total_ >= settings_.count) return {};
  if (!wanted(event, store)) return {};
  ++printed_[header_of(event).kind];
  ++total_;
  const std::string line =
      (settings_.json ? to_line(to_json(event, store)) : to_line(event, store)) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), out_) != line.size())
    return Error::from_errno("write events");
  if (settings_.count && total_ == settings_.count) on_full_();
  return {};
}

Result<> Trace::flush() {
  if (std::fflush(out_)) return Error::from_errno("write events");
  return {};
}

std::string Trace::summary(const ev_tick& tick) const {
  std::string text;
  for (const auto& [kind, count] : printed_)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count,
                        name_of(static_cast<ev_kind>(kind)));
  const std::string lost = losses_text(tick);
  return fmt::format("{} events{}{}; lost: {}", total_, text.empty() ? "" : ": ", text,
                     lost.empty() ? "none" : lost);
}

std::string to_line(const Event& event, const Store& store) {
  const ev_header& header = header_of(event);
  const std::string time =
      rfc3339(static_cast<std::int64_t>(header.time_ns) + store.tick().realtime_offset_ns);
  const ev_conn* conn = connection_of(event);
  // Of the UTC time the clock alone, in microseconds.
  return fmt::format("{}Z {:<16} {}  {}", time.substr(11, 15),
                     name_of(static_cast<ev_kind>(header.kind)), conn ? who(*conn) : "",
                     details_of(event, store));
}

std::string details_of(const Event& event, const Store& store) {
  return std::visit(Details{store}, event);
}

}  // namespace netsonde
