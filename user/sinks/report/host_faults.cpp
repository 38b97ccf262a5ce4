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
    Fault{"device.rx_errors", "Packets that arrived broken."},
    Fault{"device.rx_crc_errors", "Of these with a wrong checksum of the frame: cable, optics."},
    Fault{"device.rx_fifo_errors", "The device had no room for them."},
    Fault{"device.rx_missed_errors", "The device had no room for them in the ring."},
    Fault{"device.rx_over_errors", "The device had no room for them."},
    Fault{"device.rx_dropped", "Packets dropped on their way in from the device."},
    Fault{"device.carrier_changes", "The link went down or came up."},
    Fault{"softnet.dropped", "The CPU's input queue was full (net.core.netdev_max_backlog)."},
    Fault{"softnet.squeezed", "The CPU ended a poll with work left (net.core.netdev_budget)."},
    Fault{"softnet.flow_limit", "Packets of one busy flow refused by the input queue."},
    Fault{"conntrack.drop", "Connection tracking had no room for a new entry."},
    Fault{"conntrack.early_drop", "Connection tracking threw out an entry to make room."},
    Fault{"conntrack.insert_failed", "Connection tracking could not add an entry."},
    Fault{"snmp.Ip.InDiscards", "IP packets dropped on their way in, for want of memory."},
    Fault{"snmp.Ip.OutDiscards", "IP packets dropped on their way out."},
    Fault{"snmp.Ip.OutNoRoutes", "IP packets that no route leads for."},
    Fault{"snmp.Ip.ReasmFails", "IP fragments that could not be put together."},
    Fault{"netstat.IpExt.InCsumErrors", "IP headers with a wrong checksum."},
    Fault{"snmp.Tcp.InErrs", "Bad TCP segments received."},
    Fault{"snmp.Tcp.InCsumErrors", "TCP segments with a wrong checksum."},
    Fault{"snmp.Tcp.AttemptFails", "Connection attempts that failed."},
    Fault{"snmp.Tcp.EstabResets", "Established connections that a reset ended."},
    Fault{"snmp.Tcp.OutRsts", "Resets sent."},
    Fault{"netstat.TcpExt.ListenOverflows", "Connections refused: the accept queue was full."},
    Fault{"netstat.TcpExt.ListenDrops", "Connection attempts dropped at listeners."},
    Fault{"netstat.TcpExt.TCPReqQFullDrop", "SYNs dropped: too many handshakes at once."},
    Fault{"netstat.TcpExt.TCPReqQFullDoCookies", "SYNs answered by a cookie instead."},
    Fault{"netstat.TcpExt.TCPBacklogDrop", "Segments dropped: the socket's backlog was full."},
    Fault{"netstat.TcpExt.TCPRcvQDrop", "Segments dropped: the receive queue was full."},
    Fault{"netstat.TcpExt.TCPZeroWindowDrop", "Segments dropped: our window was closed."},
    Fault{"netstat.TcpExt.PruneCalled", "Receive queues pruned: the buffer was full."},
    Fault{"netstat.TcpExt.RcvPruned", "Segments dropped while pruning."},
    Fault{"netstat.TcpExt.OfoPruned", "Segments out of order dropped while pruning."},
    Fault{"netstat.TcpExt.TCPMemoryPressures", "TCP came under memory pressure."},
    Fault{"netstat.TcpExt.TCPAbortOnMemory", "Connections aborted for want of memory."},
    Fault{"netstat.TcpExt.TCPAbortOnTimeout", "Connections given up after a timeout."},
    Fault{"netstat.TcpExt.TCPTimeWaitOverflow", "TIME_WAIT sockets beyond their limit."},
    Fault{"netstat.TcpExt.TCPTimeouts", "Retransmission timeouts."},
    Fault{"netstat.TcpExt.TCPSynRetrans", "SYNs sent again."},
    Fault{"netstat.TcpExt.TCPSpuriousRTOs", "Timeouts that were needless."},
    Fault{"snmp.Udp.RcvbufErrors", "Datagrams dropped: the receive buffer was full."},
    Fault{"snmp.Udp.SndbufErrors", "Datagrams dropped: the send buffer was full."},
    Fault{"snmp.Udp.MemErrors", "Datagrams dropped for want of memory."},
    Fault{"snmp6.Udp6.RcvbufErrors", "IPv6 datagrams dropped: the receive buffer was full."},
    Fault{"qdisc.drops", "Packets that the queueing discipline dropped."},
    Fault{"device.tx_dropped", "Packets dropped on their way out to the device."},
    Fault{"device.tx_errors", "Packets that the device could not send."},
};

bool is_setting(std::string_view name) {
  return name.starts_with("setting.");
}

}  // namespace

void HostFaults::add(Time now, std::span<const HostValue> values) {
  note_changes(now, values);
  all_.update(now, values);
  window_.update(now, values);
  newest_.assign(values.begin(), values.end());
  newest_at_ = now;
  read_ = true;
}

void HostFaults::begin_window() {
  if (read_) window_.begin(newest_at_, newest_);
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
  table.columns = {
      {"counter", "Counter", "The host's own name.", Unit::None, Reach::Everywhere, true},
      {"instance", "Where", "Device, queue or CPU.", Unit::None, Reach::Everywhere, true},
      {"count", "Count", "In the time observed.", Unit::Count, Reach::Everywhere},
      {"help", "What it counts", "", Unit::None, Reach::Page, true}};
  std::size_t still = 0;
  for (const Fault& fault : kFaults)
    for (const std::string& instance : all_.instances(fault.name)) {
      const std::uint64_t count = all_.delta(fault.name, instance).value_or(0);
      still += count == 0;
      if (!count) continue;
      table.rows.push_back({std::string(fault.name), instance.empty() ? Cell() : Cell(instance),
                            count, std::string(fault.help)});
    }
  if (read_)
    table.note = fmt::format(
        "As the host counts them itself, of the network namespace that "
        "netsonde runs in; {} more stood still.",
        still);
  return table;
}

std::vector<std::string> HostFaults::unread() const {
  std::vector<std::string> names;
  for (const Fault& fault : kFaults)
    if (read_ && all_.instances(fault.name).empty()) names.emplace_back(fault.name);
  return names;
}

}  // namespace netsonde
