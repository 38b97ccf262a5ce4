// SPDX-License-Identifier: Apache-2.0
#include "user/model/watchlist.h"

#include <algorithm>

namespace netsonde {

namespace {

using Measured = std::optional<double>;

constexpr double kPacketBytes = 1500;
constexpr std::size_t kEstablished = 1;  // the kernel's number of the state

template <auto kMember>
Measured total(const Snapshot& snapshot) {
  return snapshot.totals().*kMember;
}

Measured established(const Snapshot& snapshot) {
  return snapshot.totals().by_state[kEstablished];
}

// One of few segments would be a large share.
Measured retransmit_percent(const Snapshot& snapshot) {
  constexpr double kLeastSegments = 100;
  const Totals& totals = snapshot.totals();
  const double segments = totals.segments_out_rate * seconds(snapshot.interval());
  return segments > kLeastSegments - 0.5 ? totals.retransmit_percent : std::nullopt;
}

// Devices that are up; the loopback device only where it is the only one of them.
std::vector<std::string> devices(const HostCounters& host) {
  std::vector<std::string> names = host.instances("device.up");
  std::erase_if(names,
                [&host](const std::string& name) { return host.value("device.up", name) != 1U; });
  if (names.size() > 1) std::erase(names, "lo");
  return names;
}

std::vector<std::string> disciplines(const HostCounters& host) {
  return host.instances("qdisc.drops");
}

Measured number_of(const HostCounters& host, std::string_view name, std::string_view instance) {
  if (!is_gauge(name)) return host.rate(name, instance);
  const auto value = host.value(name, instance);
  return value ? Measured(static_cast<double>(*value)) : std::nullopt;
}

constexpr std::array kSeries = {
    WatchedSeries{.id = "tx_bytes_per_s",
                  .help = "TCP payload sent.",
                  .unit = Unit::BytesPerSecond,
                  .step = kPacketBytes,
                  .total = total<&Totals::tx_rate>},
    WatchedSeries{.id = "rx_bytes_per_s",
                  .help = "TCP payload received.",
                  .unit = Unit::BytesPerSecond,
                  .step = kPacketBytes,
                  .total = total<&Totals::rx_rate>},
    WatchedSeries{.id = "tx_segments_per_s",
                  .help = "TCP segments sent.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::segments_out_rate>},
    WatchedSeries{.id = "rx_segments_per_s",
                  .help = "TCP segments received.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::segments_in_rate>},
    WatchedSeries{.id = "retransmitted_segments_per_s",
                  .help = "TCP segments retransmitted.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::retransmit_rate>},
    WatchedSeries{.id = "retransmit_percent",
                  .help = "Their share of the segments sent; absent where these were fewer than a "
                          "hundred in the interval.",
                  .unit = Unit::Percent,
                  .total = retransmit_percent},
    WatchedSeries{.id = "rtt_p50_us",
                  .help = "Smoothed round-trip time, median of the connections that were active.",
                  .unit = Unit::Microseconds,
                  .step = 10,
                  .total = total<&Totals::rtt_p50_us>},
    WatchedSeries{.id = "rtt_p99_us",
                  .help = "The same, 99th percentile.",
                  .unit = Unit::Microseconds,
                  .step = 10,
                  .total = total<&Totals::rtt_p99_us>},
    WatchedSeries{.id = "opened_per_s",
                  .help = "TCP connections opened.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::opened_rate>},
    WatchedSeries{.id = "closed_per_s",
                  .help = "TCP connections closed.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::closed_rate>},
    WatchedSeries{.id = "established_connections",
                  .help = "TCP connections in state ESTABLISHED.",
                  .unit = Unit::Count,
                  .total = established},
    WatchedSeries{.id = "resets_sent_per_s",
                  .help = "TCP resets sent.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::resets_sent_rate>},
    WatchedSeries{.id = "resets_received_per_s",
                  .help = "TCP resets received.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::resets_received_rate>},
    WatchedSeries{.id = "drops_per_s",
                  .help = "Packets of every protocol that this host dropped, with harm.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::drop_rate>},
    WatchedSeries{.id = "listen_overflows_per_s",
                  .help = "Connection attempts that listeners had to refuse.",
                  .unit = Unit::PerSecond,
                  .total = total<&Totals::listen_overflow_rate>},
    WatchedSeries{.id = "connection_failures_per_s",
                  .help = "Connection attempts that failed (Tcp AttemptFails).",
                  .unit = Unit::PerSecond,
                  .numbers = {"snmp.Tcp.AttemptFails"}},
    WatchedSeries{.id = "established_resets_per_s",
                  .help = "Established connections that a reset ended (Tcp EstabResets).",
                  .unit = Unit::PerSecond,
                  .numbers = {"snmp.Tcp.EstabResets"}},
    WatchedSeries{.id = "host_resets_sent_per_s",
                  .help = "Resets sent, as the host counts them (Tcp OutRsts).",
                  .unit = Unit::PerSecond,
                  .numbers = {"snmp.Tcp.OutRsts"}},
    WatchedSeries{.id = "timeouts_per_s",
                  .help = "Retransmission timeouts (TcpExt TCPTimeouts).",
                  .unit = Unit::PerSecond,
                  .numbers = {"netstat.TcpExt.TCPTimeouts"}},
    WatchedSeries{.id = "time_wait_sockets",
                  .help = "Sockets in state TIME_WAIT.",
                  .unit = Unit::Count,
                  .numbers = {"sockstat.tcp.tw"}},
    WatchedSeries{.id = "tcp_memory_pages",
                  .help = "Pages of memory that TCP buffers take, on the whole host.",
                  .unit = Unit::Count,
                  .step = 16,
                  .numbers = {"sockstat.tcp.mem"}},
    WatchedSeries{.id = "udp_receive_errors_per_s",
                  .help = "Datagrams dropped at full receive buffers (RcvbufErrors of Udp, Udp6).",
                  .unit = Unit::PerSecond,
                  .numbers = {"snmp.Udp.RcvbufErrors", "snmp6.Udp6.RcvbufErrors"}},
    WatchedSeries{.id = "softnet_drops_per_s",
                  .help = "Packets dropped at full input queues of CPUs.",
                  .unit = Unit::PerSecond,
                  .numbers = {"softnet.dropped"}},
    WatchedSeries{.id = "device_rx_bytes_per_s",
                  .help = "Bytes that the device received.",
                  .unit = Unit::BytesPerSecond,
                  .step = kPacketBytes,
                  .instances = devices,
                  .numbers = {"device.rx_bytes"}},
    WatchedSeries{.id = "device_tx_bytes_per_s",
                  .help = "Bytes that the device sent.",
                  .unit = Unit::BytesPerSecond,
                  .step = kPacketBytes,
                  .instances = devices,
                  .numbers = {"device.tx_bytes"}},
    WatchedSeries{.id = "device_errors_per_s",
                  .help = "Errors of the device, both ways.",
                  .unit = Unit::PerSecond,
                  .instances = devices,
                  .numbers = {"device.rx_errors", "device.tx_errors"}},
    WatchedSeries{
        .id = "device_drops_per_s",
        .help = "Packets dropped at the device, both ways, and those that it had no room for.",
        .unit = Unit::PerSecond,
        .instances = devices,
        .numbers = {"device.rx_dropped", "device.tx_dropped", "device.rx_missed_errors"}},
    WatchedSeries{.id = "qdisc_drops_per_s",
                  .help = "Packets that the queueing discipline dropped. One that has others below "
                          "it may count theirs too.",
                  .unit = Unit::PerSecond,
                  .instances = disciplines,
                  .numbers = {"qdisc.drops"}},
};

}  // namespace

std::span<const WatchedSeries> watched_series() {
  return kSeries;
}

std::optional<double> value_of(const WatchedSeries& series, const Snapshot& snapshot,
                               std::string_view instance) {
  if (series.total) return series.total(snapshot);
  if (!snapshot.host()) return std::nullopt;
  const HostCounters& host = *snapshot.host();
  Measured sum;
  for (const std::string_view name : series.numbers) {
    const auto summed =
        series.instances ? std::vector{std::string(instance)} : host.instances(name);
    for (const std::string& one : summed)
      if (const Measured number = number_of(host, name, one)) sum = sum.value_or(0) + *number;
  }
  return sum;
}

double detector_unit(const WatchedSeries& series, Nanos interval) {
  const bool is_rate = series.unit == Unit::PerSecond || series.unit == Unit::BytesPerSecond;
  return is_rate ? series.step / seconds(interval) : series.step;
}

}  // namespace netsonde
