// SPDX-License-Identifier: Apache-2.0
#include "user/model/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace netsonde {

namespace {

constexpr std::uint32_t kNoRtt = ~0U;
constexpr std::uint32_t kInfiniteSsthresh = 0x7fffffff;
constexpr std::uint64_t kNotPaced = ~0ULL;

const ev_sample& sample(const Row& row) {
  return row.connection.last;
}
const ev_conn& conn(const Row& row) {
  return row.connection.last.conn;
}

Value number(std::uint64_t value) {
  return value;
}

// A counter or gauge of the kernel; absent until a sample has brought it.
template <auto Member>
Value counter(const Row& row) {
  if (!row.connection.sampled) return {};
  return static_cast<std::uint64_t>(sample(row).*Member);
}

// The same, where zero means that the kernel does not know either.
template <auto Member>
Value nonzero(const Row& row) {
  if (!row.connection.sampled || sample(row).*Member == 0) return {};
  return static_cast<std::uint64_t>(sample(row).*Member);
}

// What means nothing on a listener.
template <auto Get>
Value of_connection(const Row& row) {
  if (row.connection.is_listener()) return {};
  return Get(row);
}

template <auto Get>
Value of_listener(const Row& row) {
  if (!row.connection.is_listener()) return {};
  return Get(row);
}

// A sample stands until something happens, and meanwhile ages go on.
template <auto Member>
Value age(const Row& row) {
  if (!row.connection.sampled) return {};
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      row.now - time_from_ns(sample(row).header.time_ns));
  const bool goes_on = !row.connection.is_closed() && since.count() > 0;
  return number(sample(row).*Member + (goes_on ? static_cast<std::uint64_t>(since.count()) : 0));
}

template <auto Member>
Value rate(const Row& row) {
  const float value = row.connection.*Member;
  if (std::isnan(value)) return {};
  return static_cast<double>(value);
}

template <auto Member>
Value quantile(const Row& row) {
  if (row.connection.rtt.samples == 0) return {};
  return static_cast<std::uint64_t>(std::lround(row.connection.rtt.*Member));
}

template <ev_option_flags Flag>
Value option(const Row& row) {
  if (!row.connection.sampled) return {};
  return (sample(row).options & Flag) != 0;
}

Value text(std::string_view value) {
  if (value.empty()) return {};
  return value;
}

Value direction(const Row& row) {
  switch (conn(row).direction) {
    case EV_OUT: return std::string_view("out");
    case EV_IN: return std::string_view("in");
    default: return {};
  }
}

Value state(const Row& row) {
  return row.connection.is_closed() ? std::string_view("CLOSED") : state_name(conn(row).state);
}

Value owner_source(const Row& row) {
  static constexpr std::array<std::string_view, 4> kNames = {"", "listener", "file", "exact"};
  return text(kNames[std::min<std::size_t>(conn(row).owner, kNames.size() - 1)]);
}

Value age(const Row& row) {
  if (!conn(row).start_ns) return {};
  const std::uint64_t end = row.connection.is_closed()
                                ? row.connection.closed_ns
                                : static_cast<std::uint64_t>(row.now.time_since_epoch().count());
  return end > conn(row).start_ns ? static_cast<double>(end - conn(row).start_ns) / 1e9 : 0.0;
}

Value opened_at(const Row& row) {
  if (!conn(row).start_ns) return {};
  return Timestamp{static_cast<std::int64_t>(conn(row).start_ns +
                                             static_cast<std::uint64_t>(row.realtime_offset_ns))};
}

Value handshake(const Row& row) {
  const std::uint64_t begun = conn(row).start_ns, done = sample(row).established_ns;
  if (!begun || done < begun || conn(row).direction != EV_OUT) return {};
  return number((done - begun) / 1000);
}

Value min_rtt(const Row& row) {
  if (!row.connection.sampled || sample(row).min_rtt_us == kNoRtt) return {};
  return number(sample(row).min_rtt_us);
}

Value retransmit_percent(const Row& row) {
  if (!row.connection.sampled || sample(row).segs_out == 0) return {};
  return 100.0 * sample(row).retransmitted / sample(row).segs_out;
}

Value ssthresh(const Row& row) {
  if (!row.connection.sampled || sample(row).ssthresh >= kInfiniteSsthresh) return {};
  return number(sample(row).ssthresh);
}

Value pacing(const Row& row) {
  if (!row.connection.sampled || sample(row).pacing_rate == kNotPaced) return {};
  return number(sample(row).pacing_rate);
}

Value delivery(const Row& row) {
  const ev_sample& s = sample(row);
  if (!row.connection.sampled || !s.delivery_us || !s.delivery_segs) return {};
  return number(static_cast<std::uint64_t>(s.delivery_segs) * s.mss * 1'000'000 / s.delivery_us);
}

Value limited_by(const Row& row) {
  if (!row.connection.limit_known) return {};
  return limit_name(row.connection.limit);
}

Value congestion_state(const Row& row) {
  if (!row.connection.sampled) return {};
  return congestion_state_name(sample(row).ca_state);
}

Value end(const Row& row) {
  if (!row.connection.is_closed()) return {};
  return end_name(sample(row));
}

constexpr auto local_address = [](const Row& row) -> Value {
  return Address::from(conn(row).local);
};
constexpr auto remote_address = [](const Row& row) -> Value {
  return Address::from(conn(row).remote);
};

// In the order of the manual; laid out by hand, a row as short as it can be.
// clang-format off
constexpr std::array kFields = {
    Field{.id = "cookie", .alias = "", .title = "COOKIE", .help = "The kernel's socket cookie (SO_COOKIE).",
          .unit = Unit::None, .width = 8,
          .get = [](const Row& r) -> Value { return number(conn(r).cookie); }},
    Field{.id = "family", .alias = "", .title = "FAM", .help = "Address family: ipv4 or ipv6.", .width = 4,
          
          .get = [](const Row& r) -> Value {
            return std::string_view(Address::from(conn(r).remote).is_ipv4() ? "ipv4" : "ipv6");
          }},
    Field{.id = "local_address", .alias = "local", .title = "LOCAL", .help = "Address of this end.",
          .width = 15, .get = local_address},
    Field{.id = "local_port", .alias = "lport", .title = "LPORT", .help = "Port of this end.", .width = 5,
          .get = [](const Row& r) -> Value { return conn(r).local_port ? number(conn(r).local_port) : Value(); }},
    Field{.id = "remote_address", .alias = "remote", .title = "REMOTE", .help = "Address of the peer.",
          .width = 15, .get = of_connection<remote_address>},
    Field{.id = "remote_port", .alias = "rport", .title = "RPORT", .help = "Port of the peer.", .width = 5,
          
          .get = of_connection<[](const Row& r) -> Value { return number(conn(r).remote_port); }>},
    Field{.id = "state", .alias = "", .title = "STATE",
          .help = "TCP state; CLOSED for a connection that ended lately.", .width = 11,
          .get = state},
    Field{.id = "direction", .alias = "", .title = "DIR",
          .help = "out: this end connected; in: it accepted. For a connection older than netsonde: in where "
                  "its local port is listened on.",
          .width = 3, .get = direction},
    Field{.id = "netns", .alias = "", .title = "NETNS", .help = "Inode of its network namespace.",
          .width = 10, .get = [](const Row& r) -> Value { return number(conn(r).netns); }},
    Field{.id = "pid", .alias = "", .title = "PID", .help = "Process that owns the socket.", .width = 7,
          .get = [](const Row& r) -> Value {
            return conn(r).owner ? number(conn(r).pid) : Value();
          }},
    Field{.id = "comm", .alias = "", .title = "COMMAND", .help = "Name of that process.", .width = 12,
          
          .get = [](const Row& r) -> Value { return text(fixed_string(conn(r).comm)); }},
    Field{.id = "owner_source", .alias = "", .title = "OWNER",
          .help = "How the process is known: exact (it connected, listened or used the socket), file (it held "
                  "the socket open when netsonde started), listener (only the listening process is known).",
          .width = 8, .get = owner_source},
    Field{.id = "uid", .alias = "", .title = "UID", .help = "User that created the socket.", .width = 6,
          .get = [](const Row& r) -> Value { return number(conn(r).uid); }},
    Field{.id = "cgroup", .alias = "", .title = "CGROUP", .help = "cgroup2 path of the process.", .width = 20,
          
          .get = [](const Row& r) -> Value { return text(r.names.cgroup(conn(r).cgroup)); }},
    Field{.id = "container", .alias = "", .title = "CONTAINER",
          .help = "Container id, where the cgroup path shows one.", .width = 12,
          .get = [](const Row& r) -> Value { return text(container_of(r.names.cgroup(conn(r).cgroup))); }},
    Field{.id = "opened_at", .alias = "", .title = "OPENED",
          .help = "When it connected or was accepted; absent where it is older than netsonde.", .width = 30,
          .get = opened_at},
    Field{.id = "age_s", .alias = "age", .title = "AGE", .help = "Seconds since then.", .unit = Unit::Seconds,
          .width = 6, .combine = Combine::Max, .get = age},
    Field{.id = "end", .alias = "", .title = "END",
          .help = "How it ended: fin, reset_sent, reset_received, timeout, refused, unreachable, aborted.",
          .width = 14, .get = end},
    Field{.id = "handshake_us", .alias = "handshake", .title = "HANDSHK",
          .help = "Time from connect to established, on the connecting side.", .unit = Unit::Microseconds,
          .width = 8, .combine = Combine::Max, .get = handshake},

    Field{.id = "srtt_us", .alias = "srtt", .title = "RTT", .help = "Smoothed round-trip time.",
          .unit = Unit::Microseconds, .width = 7, .combine = Combine::Max,
          .get = nonzero<&ev_sample::srtt_us>},
    Field{.id = "rttvar_us", .alias = "rttvar", .title = "RTTVAR", .help = "Its mean deviation.",
          .unit = Unit::Microseconds, .width = 7, .combine = Combine::Max,
          .get = nonzero<&ev_sample::rttvar_us>},
    Field{.id = "min_rtt_us", .alias = "min_rtt", .title = "MINRTT",
          .help = "The kernel's windowed minimum round-trip time.", .unit = Unit::Microseconds, .width = 7,
          .combine = Combine::Min, .get = min_rtt},
    Field{.id = "rtt_p50_us", .alias = "p50", .title = "P50",
          .help = "Median of its round-trip time samples (within 6.25%).", .unit = Unit::Microseconds,
          .width = 7, .combine = Combine::Max, .get = quantile<&RttQuantiles::p50>},
    Field{.id = "rtt_p90_us", .alias = "p90", .title = "P90", .help = "Their 90th percentile (within 6.25%).",
          .unit = Unit::Microseconds, .width = 7, .combine = Combine::Max,
          .get = quantile<&RttQuantiles::p90>},
    Field{.id = "rtt_p99_us", .alias = "p99", .title = "P99", .help = "Their 99th percentile (within 6.25%).",
          .unit = Unit::Microseconds, .width = 7, .combine = Combine::Max,
          .get = quantile<&RttQuantiles::p99>},
    Field{.id = "rtt_samples", .alias = "", .title = "RTT#", .help = "How many samples there were.",
          .unit = Unit::Count, .width = 6, .combine = Combine::Sum,
          .get = counter<&ev_sample::rtt_samples>},
    Field{.id = "rto_us", .alias = "rto", .title = "RTO", .help = "Retransmission timeout in force.",
          .unit = Unit::Microseconds, .width = 7, .combine = Combine::Max,
          .get = of_connection<nonzero<&ev_sample::rto_us>>},
    Field{.id = "rcv_rtt_us", .alias = "", .title = "RCVRTT",
          .help = "Round-trip time estimated by the receiving side.", .unit = Unit::Microseconds, .width = 7,
          .combine = Combine::Max, .get = nonzero<&ev_sample::rcv_rtt_us>},

    Field{.id = "tx_bytes", .alias = "", .title = "SENT", .help = "Payload bytes acknowledged by the peer.",
          .unit = Unit::Bytes, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::tx_bytes>>},
    Field{.id = "rx_bytes", .alias = "", .title = "RCVD", .help = "Payload bytes received in order.",
          .unit = Unit::Bytes, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::rx_bytes>>},
    Field{.id = "tx_bytes_per_s", .alias = "tx", .title = "TX/s",
          .help = "Payload acknowledged per second over the last interval.", .unit = Unit::BytesPerSecond,
          .width = 7, .combine = Combine::Sum,
          .get = of_connection<rate<&Connection::tx_rate>>},
    Field{.id = "rx_bytes_per_s", .alias = "rx", .title = "RX/s",
          .help = "Payload received per second over the last interval.", .unit = Unit::BytesPerSecond,
          .width = 7, .combine = Combine::Sum,
          .get = of_connection<rate<&Connection::rx_rate>>},
    Field{.id = "tx_segments", .alias = "", .title = "SEGSOUT", .help = "Segments sent.",
          .unit = Unit::Segments, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::segs_out>>},
    Field{.id = "rx_segments", .alias = "", .title = "SEGSIN", .help = "Segments received.",
          .unit = Unit::Segments, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::segs_in>>},
    Field{.id = "tx_data_segments", .alias = "", .title = "DSEGOUT", .help = "Segments with data sent.",
          .unit = Unit::Segments, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::data_segs_out>>},
    Field{.id = "rx_data_segments", .alias = "", .title = "DSEGIN", .help = "Segments with data received.",
          .unit = Unit::Segments, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::data_segs_in>>},

    Field{.id = "retransmitted_segments", .alias = "retransmits", .title = "RETR",
          .help = "Segments retransmitted, of every kind.", .unit = Unit::Segments, .width = 6,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::retransmitted>>},
    Field{.id = "retransmits_per_s", .alias = "retr", .title = "RETR/s",
          .help = "Segments retransmitted per second over the last interval.", .unit = Unit::PerSecond,
          .width = 6, .combine = Combine::Sum,
          .get = of_connection<rate<&Connection::retransmit_rate>>},
    Field{.id = "retransmit_percent", .alias = "retr_pct", .title = "RETR%",
          .help = "Retransmitted segments in percent of those sent.", .unit = Unit::Percent, .width = 6,
          .combine = Combine::Max, .get = of_connection<retransmit_percent>},
    Field{.id = "retransmitted_bytes", .alias = "", .title = "RETRB", .help = "Bytes retransmitted.",
          .unit = Unit::Bytes, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::retransmitted_bytes>>},
    Field{.id = "retransmits_rto", .alias = "rto_retr", .title = "RTOS",
          .help = "Segments retransmitted after a timeout, seen by netsonde like those of the other kinds: "
                  "what came before is in retransmits_before.",
          .unit = Unit::Segments, .width = 5, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::retransmits_rto>>},
    Field{.id = "retransmits_fast", .alias = "fast_retr", .title = "FAST",
          .help = "Segments retransmitted in fast recovery.", .unit = Unit::Segments, .width = 5,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::retransmits_fast>>},
    Field{.id = "retransmits_tlp", .alias = "tlp_retr", .title = "TLP",
          .help = "Segments retransmitted as tail loss probes.", .unit = Unit::Segments, .width = 5,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::retransmits_tlp>>},
    Field{.id = "retransmits_syn", .alias = "syn_retr", .title = "SYNS",
          .help = "SYN or SYN-ACK segments retransmitted.", .unit = Unit::Segments, .width = 5,
          .combine = Combine::Sum,
          .get = counter<&ev_sample::retransmits_syn>},
    Field{.id = "retransmits_before", .alias = "", .title = "BEFORE",
          .help = "Segments retransmitted before netsonde looked: nobody knows of which kind.",
          .unit = Unit::Segments, .width = 6, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::retransmitted_before>>},
    Field{.id = "retransmits_spurious", .alias = "spurious", .title = "SPUR",
          .help = "Retransmissions that the peer reported as needless (DSACK).", .unit = Unit::Segments,
          .width = 5, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::dsack_dups>>},
    Field{.id = "undone_recoveries", .alias = "undone", .title = "UNDO",
          .help = "Recoveries that the kernel took back as needless.", .unit = Unit::Count, .width = 5,
          .combine = Combine::Sum, .get = of_connection<counter<&ev_sample::undos>>},
    Field{.id = "fast_recoveries", .alias = "", .title = "RECOV", .help = "Entries into fast recovery.",
          .unit = Unit::Count, .width = 5, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::recoveries>>},
    Field{.id = "loss_episodes", .alias = "", .title = "LOSSES",
          .help = "Entries into loss state, after a timeout.", .unit = Unit::Count, .width = 6,
          .combine = Combine::Sum, .get = of_connection<counter<&ev_sample::losses>>},
    Field{.id = "lost_segments", .alias = "", .title = "LOST", .help = "Segments that the sender marked lost.",
          .unit = Unit::Segments, .width = 6, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::lost>>},
    Field{.id = "delivered_segments", .alias = "", .title = "DELIV", .help = "Segments delivered.",
          .unit = Unit::Segments, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::delivered>>},
    Field{.id = "ecn_marked_segments", .alias = "ce", .title = "CE",
          .help = "Delivered segments that came back with an ECN congestion mark.", .unit = Unit::Segments,
          .width = 6, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::delivered_ce>>},
    Field{.id = "reordering_seen", .alias = "", .title = "REORD", .help = "Reordering events seen by the sender.",
          .unit = Unit::Count, .width = 5, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::reord_seen>>},
    Field{.id = "reordering_segments", .alias = "", .title = "REODEG",
          .help = "Reordering degree in force.", .unit = Unit::Segments, .width = 6, .combine = Combine::Max,
          .get = of_connection<counter<&ev_sample::reordering>>},
    Field{.id = "out_of_order_segments", .alias = "ooo", .title = "OOO",
          .help = "Segments received out of order.", .unit = Unit::Segments, .width = 5,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::rcv_ooopack>>},
    Field{.id = "drops_per_s", .alias = "drop_rate", .title = "DROP/s",
          .help = "Harmful drops per second over the last interval; of a listener, connection attempts that it "
                  "had no room for.",
          .unit = Unit::PerSecond, .width = 6, .combine = Combine::Sum,
          .get = rate<&Connection::drop_rate>},
    Field{.id = "drops", .alias = "", .title = "DROPS",
          .help = "Harmful packet drops on this host tied to the socket, since netsonde looked. Of a listener "
                  "the live view shows its listen_overflows here.",
          .unit = Unit::Count, .width = 5, .combine = Combine::Sum, .get = of_connection<counter<&ev_sample::drops>>},
    Field{.id = "socket_drops", .alias = "", .title = "SKDROP", .help = "The socket's own drop counter.",
          .unit = Unit::Count, .width = 6, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::sk_drops>>},

    Field{.id = "cwnd_segments", .alias = "cwnd", .title = "CWND", .help = "Congestion window.",
          .unit = Unit::Segments, .width = 5, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::cwnd>>},
    Field{.id = "ssthresh_segments", .alias = "ssthresh", .title = "SSTHR",
          .help = "Slow start threshold; absent while it was never set.", .unit = Unit::Segments, .width = 5,
          .combine = Combine::Max, .get = of_connection<ssthresh>},
    Field{.id = "in_flight_segments", .alias = "in_flight", .title = "FLIGHT",
          .help = "Segments sent and neither acknowledged nor known lost.", .unit = Unit::Segments,
          .width = 6, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::in_flight>>},
    Field{.id = "pacing_bytes_per_s", .alias = "pacing", .title = "PACE/s", .help = "Pacing rate.",
          .unit = Unit::BytesPerSecond, .width = 7, .combine = Combine::Sum,
          .get = of_connection<pacing>},
    Field{.id = "delivery_bytes_per_s", .alias = "delivery", .title = "DELIV/s",
          .help = "The kernel's delivery rate sample.", .unit = Unit::BytesPerSecond, .width = 7,
          .combine = Combine::Sum, .get = of_connection<delivery>},
    Field{.id = "delivery_app_limited", .alias = "app_limited", .title = "APPLIM",
          .help = "That sample was limited by the application.", .width = 6,
          .get = of_connection<option<EV_OPT_APP_LIMITED>>},
    Field{.id = "congestion_control", .alias = "cc", .title = "CC", .help = "Congestion control algorithm.",
          .width = 7,
          .get = of_connection<[](const Row& r) -> Value { return text(fixed_string(sample(r).congestion)); }>},
    Field{.id = "congestion_state", .alias = "ca_state", .title = "CASTATE",
          .help = "open, disorder, cwr, recovery or loss.", .width = 8,
          .get = of_connection<congestion_state>},
    Field{.id = "mss_bytes", .alias = "mss", .title = "MSS", .help = "Maximum segment size for sending.",
          .unit = Unit::Bytes, .width = 6, .combine = Combine::Min,
          .get = of_connection<nonzero<&ev_sample::mss>>},

    Field{.id = "send_queue_bytes", .alias = "sendq", .title = "SENDQ",
          .help = "Bytes written and not yet acknowledged.", .unit = Unit::Bytes, .width = 6,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::send_queue>>},
    Field{.id = "not_sent_bytes", .alias = "notsent", .title = "NOTSENT", .help = "Of these, not yet sent.",
          .unit = Unit::Bytes, .width = 7, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::not_sent>>},
    Field{.id = "receive_queue_bytes", .alias = "recvq", .title = "RECVQ",
          .help = "Bytes received and not yet read.", .unit = Unit::Bytes, .width = 6,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::receive_queue>>},
    Field{.id = "send_buffer_bytes", .alias = "sndbuf", .title = "SNDBUF", .help = "Limit of the send buffer.",
          .unit = Unit::Bytes, .width = 6, .combine = Combine::Max,
          .get = counter<&ev_sample::sndbuf>},
    Field{.id = "receive_buffer_bytes", .alias = "rcvbuf", .title = "RCVBUF",
          .help = "Limit of the receive buffer.", .unit = Unit::Bytes, .width = 6, .combine = Combine::Max,
          .get = counter<&ev_sample::rcvbuf>},
    Field{.id = "send_memory_bytes", .alias = "", .title = "SNDMEM", .help = "Memory charged to the send queue.",
          .unit = Unit::Bytes, .width = 6, .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::wmem_queued>>},
    Field{.id = "receive_memory_bytes", .alias = "", .title = "RCVMEM",
          .help = "Memory charged to the receive queue.", .unit = Unit::Bytes, .width = 6,
          .combine = Combine::Sum,
          .get = of_connection<counter<&ev_sample::rmem_alloc>>},
    Field{.id = "send_window_bytes", .alias = "snd_wnd", .title = "SNDWND",
          .help = "Window that the peer advertises.", .unit = Unit::Bytes, .width = 6,
          .combine = Combine::Min, .get = of_connection<counter<&ev_sample::snd_wnd>>},
    Field{.id = "receive_window_bytes", .alias = "rcv_wnd", .title = "RCVWND",
          .help = "Window that this end advertises.", .unit = Unit::Bytes, .width = 6,
          .combine = Combine::Min, .get = of_connection<counter<&ev_sample::rcv_wnd>>},

    Field{.id = "limited_by", .alias = "limit", .title = "LIMITED BY",
          .help = "What held the sender back for most of the last interval: application, receive_window, "
                  "send_buffer, congestion_window; none: it had nothing to send.",
          .width = 17, .get = of_connection<limited_by>},
    Field{.id = "busy_ms", .alias = "busy", .title = "BUSY",
          .help = "Time with data outstanding and neither of the two limits below in force.",
          .unit = Unit::Milliseconds, .width = 7, .combine = Combine::Max,
          .get = of_connection<counter<&ev_sample::busy_ms>>},
    Field{.id = "receive_window_limited_ms", .alias = "rwnd_limited", .title = "RWNDLIM",
          .help = "Time held back by the peer's receive window.", .unit = Unit::Milliseconds, .width = 7,
          .combine = Combine::Max,
          .get = of_connection<counter<&ev_sample::rwnd_limited_ms>>},
    Field{.id = "send_buffer_limited_ms", .alias = "sndbuf_limited", .title = "SNDBLIM",
          .help = "Time held back by the own send buffer.", .unit = Unit::Milliseconds, .width = 7,
          .combine = Combine::Max,
          .get = of_connection<counter<&ev_sample::sndbuf_limited_ms>>},
    Field{.id = "last_sent_ms", .alias = "", .title = "LSENT", .help = "Age of the last data sent.",
          .unit = Unit::Milliseconds, .width = 6, .combine = Combine::Min,
          .get = of_connection<age<&ev_sample::last_sent_ms>>},
    Field{.id = "last_received_ms", .alias = "", .title = "LRCVD", .help = "Age of the last data received.",
          .unit = Unit::Milliseconds, .width = 6, .combine = Combine::Min,
          .get = of_connection<age<&ev_sample::last_received_ms>>},

    Field{.id = "ecn", .alias = "", .title = "ECN", .help = "ECN was negotiated.", .width = 5,
          .get = of_connection<option<EV_OPT_ECN>>},
    Field{.id = "timestamps", .alias = "", .title = "TS", .help = "TCP timestamps were negotiated.",
          .width = 5, .get = of_connection<option<EV_OPT_TIMESTAMPS>>},
    Field{.id = "sack", .alias = "", .title = "SACK", .help = "SACK was negotiated.", .width = 5,
          .get = of_connection<option<EV_OPT_SACK>>},
    Field{.id = "window_scaling", .alias = "", .title = "WSCALE", .help = "Window scaling was negotiated.",
          .width = 6, .get = of_connection<option<EV_OPT_WINDOW_SCALE>>},

    Field{.id = "accept_queue", .alias = "", .title = "ACCEPTQ",
          .help = "Listeners: connections not yet accepted.", .unit = Unit::Count, .width = 7,
          .combine = Combine::Sum,
          .get = of_listener<counter<&ev_sample::receive_queue>>},
    Field{.id = "backlog", .alias = "", .title = "BACKLOG", .help = "Listeners: the limit of that queue.",
          .unit = Unit::Count, .width = 7, .combine = Combine::Sum,
          .get = of_listener<counter<&ev_sample::backlog>>},
    Field{.id = "listen_overflows", .alias = "overflows", .title = "OVERFL",
          .help = "Listeners: connection attempts dropped since it listens.", .unit = Unit::Count,
          .width = 6, .combine = Combine::Sum,
          .get = of_listener<counter<&ev_sample::sk_drops>>},
};
// clang-format on

consteval bool well_formed() {
  for (std::size_t i = 0; i < kFields.size(); ++i) {
    if (kFields[i].id.empty() || kFields[i].help.empty()) return false;
    for (std::size_t j = 0; j < kFields.size(); ++j) {
      if (i != j && kFields[i].id == kFields[j].id) return false;
      if (kFields[i].alias.empty()) continue;
      if (kFields[i].alias == kFields[j].id) return false;
      if (i != j && kFields[i].alias == kFields[j].alias) return false;
    }
  }
  return true;
}
static_assert(well_formed(), "every field needs a unique id and alias and a help text");

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const Field> fields() {
  return kFields;
}

const Field* find_field(std::string_view name) {
  const auto found = std::find_if(kFields.begin(), kFields.end(), [name](const Field& field) {
    return field.id == name || (!field.alias.empty() && field.alias == name);
  });
  return found == kFields.end() ? nullptr : &*found;
}

std::string_view nearest_field(std::string_view name) {
  std::string_view nearest;
  std::size_t best = std::max<std::size_t>(name.size() / 3, 1) + 1;
  for (const Field& field : kFields) {
    for (const std::string_view candidate : {field.id, field.alias}) {
      if (candidate.empty() || name.size() >= candidate.size() + best) continue;
      const std::size_t distance = edit_distance(name, candidate);
      if (distance >= best) continue;
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

Result<std::vector<const Field*>> parse_fields(std::string_view list) {
  std::vector<const Field*> chosen;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, comma);
    const Field* field = find_field(name);
    if (!field) {
      const std::string_view nearest = nearest_field(name);
      return Error(
          fmt::format("unknown field '{}'{}; netsonde fields lists them", printable(name),
                      nearest.empty() ? "" : fmt::format(", did you mean '{}'?", nearest)));
    }
    chosen.push_back(field);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  if (chosen.empty()) return Error("no field named");
  return chosen;
}

Value combined(const Field& field, std::span<const Row> rows) {
  if (rows.empty()) return {};
  Value result = field.get(rows.front());
  for (const Row& row : rows.subspan(1)) result = combined(result, field.get(row), field.combine);
  return result;
}

}  // namespace netsonde
