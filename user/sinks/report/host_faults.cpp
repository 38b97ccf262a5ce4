// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/host_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace netsonde {

namespace {

struct Fault {
  std::string_view name;
  std::string_view help;
};

// In the order in which packets meet them on their way in, then out.
constexpr std::array kFaults = {
    Fault{.name = "device.rx_errors", .help = "Packets that arrived broken."},
    Fault{.name = "device.rx_crc_errors",
          .help = "Of these with a wrong checksum of the frame: cable, optics."},
    Fault{.name = "device.rx_fifo_errors", .help = "The device had no room for them."},
    Fault{.name = "device.rx_missed_errors",
          .help = "The device had no room for them in the ring."},
    Fault{.name = "device.rx_over_errors", .help = "The device had no room for them."},
    Fault{.name = "device.rx_dropped", .help = "Packets dropped on their way in from the device."},
    Fault{.name = "device.carrier_changes", .help = "The link went down or came up."},
    Fault{.name = "softnet.dropped",
          .help = "The CPU's input queue was full (net.core.netdev_max_backlog)."},
    Fault{.name = "softnet.squeezed",
          .help = "The CPU ended a poll with work left (net.core.netdev_budget)."},
    Fault{.name = "softnet.flow_limit",
          .help = "Packets of one busy flow refused by the input queue."},
    Fault{.name = "conntrack.drop", .help = "Connection tracking had no room for a new entry."},
    Fault{.name = "conntrack.early_drop",
          .help = "Connection tracking threw out an entry to make room."},
    Fault{.name = "conntrack.insert_failed", .help = "Connection tracking could not add an entry."},
    Fault{.name = "snmp.Ip.InDiscards",
          .help = "IP packets dropped on their way in, for want of memory."},
    Fault{.name = "snmp.Ip.OutDiscards", .help = "IP packets dropped on their way out."},
    Fault{.name = "snmp.Ip.OutNoRoutes", .help = "IP packets that no route leads for."},
    Fault{.name = "snmp.Ip.ReasmFails", .help = "IP fragments that could not be put together."},
    Fault{.name = "netstat.IpExt.InCsumErrors", .help = "IP headers with a wrong checksum."},
    Fault{.name = "snmp.Tcp.InErrs", .help = "Bad TCP segments received."},
    Fault{.name = "snmp.Tcp.InCsumErrors", .help = "TCP segments with a wrong checksum."},
    Fault{.name = "snmp.Tcp.AttemptFails", .help = "Connection attempts that failed."},
    Fault{.name = "snmp.Tcp.EstabResets", .help = "Established connections that a reset ended."},
    Fault{.name = "snmp.Tcp.OutRsts", .help = "Resets sent."},
    Fault{.name = "netstat.TcpExt.ListenOverflows",
          .help = "Connections refused: the accept queue was full."},
    Fault{.name = "netstat.TcpExt.ListenDrops",
          .help = "Connection attempts dropped at listeners."},
    Fault{.name = "netstat.TcpExt.TCPReqQFullDrop",
          .help = "SYNs dropped: too many handshakes at once."},
    Fault{.name = "netstat.TcpExt.TCPReqQFullDoCookies",
          .help = "SYNs answered by a cookie instead."},
    Fault{.name = "netstat.TcpExt.TCPBacklogDrop",
          .help = "Segments dropped: the socket's backlog was full."},
    Fault{.name = "netstat.TcpExt.TCPRcvQDrop",
          .help = "Segments dropped: the receive queue was full."},
    Fault{.name = "netstat.TcpExt.TCPZeroWindowDrop",
          .help = "Segments dropped: our window was closed."},
    Fault{.name = "netstat.TcpExt.PruneCalled",
          .help = "Receive queues pruned: the buffer was full."},
    Fault{.name = "netstat.TcpExt.RcvPruned", .help = "Segments dropped while pruning."},
    Fault{.name = "netstat.TcpExt.OfoPruned",
          .help = "Segments out of order dropped while pruning."},
    Fault{.name = "netstat.TcpExt.TCPMemoryPressures", .help = "TCP came under memory pressure."},
    Fault{.name = "netstat.TcpExt.TCPAbortOnMemory",
          .help = "Connections aborted for want of memory."},
    Fault{.name = "netstat.TcpExt.TCPAbortOnTimeout",
          .help = "Connections given up after a timeout."},
    Fault{.name = "netstat.TcpExt.TCPTimeWaitOverflow",
          .help = "TIME_WAIT sockets beyond their limit."},
    Fault{.name = "netstat.TcpExt.TCPTimeouts", .help = "Retransmission timeouts."},
    Fault{.name = "netstat.TcpExt.TCPSynRetrans", .help = "SYNs sent again."},
    Fault{.name = "netstat.TcpExt.TCPSpuriousRTOs", .help = "Timeouts that were needless."},
    Fault{.name = "snmp.Udp.RcvbufErrors",
          .help = "Datagrams dropped: the receive buffer was full."},
    Fault{.name = "snmp.Udp.SndbufErrors", .help = "Datagrams dropped: the send buffer was full."},
    Fault{.name = "snmp.Udp.MemErrors", .help = "Datagrams dropped for want of memory."},
    Fault{.name = "snmp6.Udp6.RcvbufErrors",
          .help = "IPv6 datagrams dropped: the receive buffer was full."},
    Fault{.name = "qdisc.drops", .help = "Packets that the queueing discipline dropped."},
    Fault{.name = "device.tx_dropped", .help = "Packets dropped on their way out to the device."},
    Fault{.name = "device.tx_errors", .help = "Packets that the device could not send."},
};

bool is_setting(std::string_view name) {
  return name.starts_with("setting.");
}

}  // namespace

void HostFaults::add(Time now, std::span<const HostValue> values) {
  note_changes(now, values);
  counted_.update(now, values);
  newest_at_ = now;
}

// What was not there before is no change: it may be a device that came.
void HostFaults::note_changes(Time now, std::span<const HostValue> values) {
  for (const HostValue& value : values) {
    if (!is_setting(value.name)) continue;
    const auto [known, is_new] = settings_.try_emplace({value.name, value.instance}, value.value);
    const std::uint64_t before = std::exchange(known->second, value.value);
    if (is_new || before == value.value) continue;
    if (changes_.size() < kMostChanges)
      changes_.push_back({.after = newest_at_, .at = now, .value = value, .before = before});
    else
      ++changes_left_out_;
  }
}

void HostFaults::mark_changes(Timeline& timeline, std::int64_t offset) const {
  for (const Change& change : changes_) {
    const std::string name = change.value.name.substr(std::string_view("setting.").size());
    timeline.marks.push_back(
        {.from_ns = change.after.time_since_epoch().count() + offset,
         .to_ns = change.at.time_since_epoch().count() + offset,
         .kind = "change",
         .text = fmt::format("{}{}{} changed from {} to {}", name,
                             change.value.instance.empty() ? "" : " ", change.value.instance,
                             change.before, change.value.value)});
  }
  timeline.marks_left_out += changes_left_out_;
}

ReportTable HostFaults::faults() const {
  using Reach = Column::Reach;
  ReportTable table{.id = "host_faults", .title = "Host faults", .short_title = "Host"};
  table.columns = {{.id = "counter",
                    .title = "Counter",
                    .help = "The host's own name.",
                    .reach = Reach::Everywhere,
                    .is_text = true},
                   {.id = "instance",
                    .title = "Where",
                    .help = "Device, queue or CPU.",
                    .reach = Reach::Everywhere,
                    .is_text = true},
                   {.id = "count",
                    .title = "Count",
                    .help = "In the time observed.",
                    .unit = Unit::Count,
                    .reach = Reach::Everywhere},
                   {.id = "help", .title = "What it counts", .help = "", .is_text = true}};
  std::size_t still = 0;
  for (const Fault& fault : kFaults)
    for (const std::string& instance : counted_.instances(fault.name)) {
      const std::uint64_t count = counted_.delta(fault.name, instance).value_or(0);
      still += count == 0;
      if (!count) continue;
      table.rows.push_back({std::string(fault.name), instance.empty() ? Cell() : Cell(instance),
                            count, std::string(fault.help)});
    }
  if (was_read())
    table.note = fmt::format(
        "As the host counts them itself, of the network namespace that "
        "netsonde runs in; {} more stood still.",
        still);
  return table;
}

std::vector<std::string> HostFaults::unread() const {
  std::vector<std::string> names;
  for (const Fault& fault : kFaults)
    if (was_read() && counted_.instances(fault.name).empty()) names.emplace_back(fault.name);
  return names;
}

}  // namespace netsonde
