// SPDX-License-Identifier: Apache-2.0
#include "user/capture/route.h"

#include <linux/gen_stats.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <optional>

namespace netsonde {

namespace {

// struct rtnl_link_stats64, which grows at its end: an older kernel tells fewer.
constexpr std::array<std::string_view, 25> kDeviceCounters = {
    "device.rx_packets",
    "device.tx_packets",
    "device.rx_bytes",
    "device.tx_bytes",
    "device.rx_errors",
    "device.tx_errors",
    "device.rx_dropped",
    "device.tx_dropped",
    "device.multicast",
    "device.collisions",
    "device.rx_length_errors",
    "device.rx_over_errors",
    "device.rx_crc_errors",
    "device.rx_frame_errors",
    "device.rx_fifo_errors",
    "device.rx_missed_errors",
    "device.tx_aborted_errors",
    "device.tx_carrier_errors",
    "device.tx_fifo_errors",
    "device.tx_heartbeat_errors",
    "device.tx_window_errors",
    "device.rx_compressed",
    "device.tx_compressed",
    "device.rx_nohandler",
    "device.rx_otherhost_dropped"};  // 5.19

static_assert(offsetof(rtnl_link_stats64, rx_crc_errors) == 12 * sizeof(std::uint64_t));
static_assert(offsetof(rtnl_link_stats64, rx_nohandler) == 23 * sizeof(std::uint64_t));

struct DeviceNumber {
  std::uint16_t attribute;
  std::string_view name;
};

constexpr std::array kDeviceNumbers = {
    DeviceNumber{.attribute = IFLA_MTU, .name = "device.mtu"},
    DeviceNumber{.attribute = IFLA_TXQLEN, .name = "device.txqueuelen"},
    DeviceNumber{.attribute = IFLA_NUM_RX_QUEUES, .name = "device.rx_queues"},
    DeviceNumber{.attribute = IFLA_NUM_TX_QUEUES, .name = "device.tx_queues"},
    DeviceNumber{.attribute = IFLA_CARRIER_CHANGES, .name = "device.carrier_changes"},
};

std::uint8_t xdp_of(const nlattr& nest) {
  std::uint8_t mode = XDP_ATTACHED_NONE;
  each_attribute(nest, [&mode](const nlattr& inner) {
    if (type_of(inner) == IFLA_XDP_ATTACHED)
      mode = payload<std::uint8_t>(inner).value_or(XDP_ATTACHED_NONE);
  });
  return mode;
}

Device device_of(const nlmsghdr& message, const ifinfomsg& link) {
  Device device = {.index = static_cast<std::uint32_t>(link.ifi_index), .name = {}, .xdp = 0};
  each_attribute(message, sizeof(link), [&device](const nlattr& attribute) {
    if (type_of(attribute) == IFLA_IFNAME) device.name = text_of(attribute);
    if (type_of(attribute) == IFLA_XDP) device.xdp = xdp_of(attribute);
  });
  return device;
}

void add_device_counters(const nlattr& stats, const std::string& device, ValueList& values) {
  for (std::size_t i = 0; i < kDeviceCounters.size(); ++i)
    if (const auto value = payload<std::uint64_t>(stats, i * sizeof(std::uint64_t)))
      values.add({kDeviceCounters[i]}, {device}, *value);
}

void add_device_number(const nlattr& attribute, const std::string& device, ValueList& values) {
  for (const DeviceNumber& number : kDeviceNumbers) {
    if (number.attribute != type_of(attribute)) continue;
    if (const auto value = payload<std::uint32_t>(attribute))
      values.add({number.name}, {device}, *value);
    else
      values.not_understood();
  }
}

// What TCA_STATS2 holds, as far as this kernel and this discipline fill it.
struct QdiscStats {
  std::optional<std::uint64_t> bytes;
  std::optional<std::uint64_t> packets;
  std::optional<gnet_stats_queue> queue;
};

QdiscStats stats_of(const nlattr& nest) {
  QdiscStats stats;
  std::optional<std::uint64_t> wide_packets;
  each_attribute(nest, [&](const nlattr& inner) {
    switch (type_of(inner)) {
      case TCA_STATS_BASIC:
        stats.bytes = payload<std::uint64_t>(inner);
        stats.packets = payload<std::uint32_t>(inner, offsetof(gnet_stats_basic, packets));
        break;
      // 5.5; sent when the 32 bits are not enough
      case TCA_STATS_PKT64: wide_packets = payload<std::uint64_t>(inner); break;
      case TCA_STATS_QUEUE: stats.queue = payload<gnet_stats_queue>(inner); break;
      default: break;
    }
  });
  if (wide_packets) stats.packets = wide_packets;
  return stats;
}

void add_qdisc_stats(const QdiscStats& stats, ValueList::Parts instance, ValueList& values) {
  if (stats.bytes) values.add({"qdisc.bytes"}, instance, *stats.bytes);
  if (stats.packets) values.add({"qdisc.packets"}, instance, *stats.packets);
  if (!stats.queue) return;
  values.add({"qdisc.drops"}, instance, stats.queue->drops);
  values.add({"qdisc.overlimits"}, instance, stats.queue->overlimits);
  values.add({"qdisc.requeues"}, instance, stats.queue->requeues);
  values.add({"qdisc.qlen"}, instance, stats.queue->qlen);
  values.add({"qdisc.backlog_bytes"}, instance, stats.queue->backlog);
}

}  // namespace

Result<RouteNetlink> RouteNetlink::open() {
  return RouteNetlink(TRY(NetlinkSocket::open(NETLINK_ROUTE)));
}

Result<> RouteNetlink::read_devices(ValueList& values) {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.put(ifinfomsg());
  request.put(IFLA_EXT_MASK, std::uint32_t{RTEXT_FILTER_SKIP_STATS});  // those of IPv6, 2 KB each
  const std::size_t before = values.mark();
  const auto begin = [&] {
    values.take_back(before);
    devices_.clear();
  };
  auto result =
      socket_.ask(request, begin, [&](const nlmsghdr& message) { add_device(message, values); });
  if (!result) begin();
  std::sort(devices_.begin(), devices_.end(),
            [](const Device& a, const Device& b) { return a.index < b.index; });
  return result;
}

void RouteNetlink::add_device(const nlmsghdr& message, ValueList& values) {
  const auto link = fixed_part<ifinfomsg>(message);
  if (!link) return values.not_understood();
  devices_.push_back(device_of(message, *link));
  const std::string& name = devices_.back().name;
  if (name.empty()) {
    devices_.pop_back();
    return values.not_understood();
  }
  values.add({"device.up"}, {name}, link->ifi_flags & IFF_UP ? 1 : 0);
  each_attribute(message, sizeof(*link), [&](const nlattr& attribute) {
    const std::uint16_t type = type_of(attribute);
    if (type == IFLA_STATS64) add_device_counters(attribute, name, values);
    if (type == IFLA_CARRIER)
      values.add({"device.carrier"}, {name}, payload<std::uint8_t>(attribute).value_or(0) ? 1 : 0);
    add_device_number(attribute, name, values);
  });
}

Result<> RouteNetlink::read_qdiscs(ValueList& values) {
  NetlinkRequest request(RTM_GETQDISC, NLM_F_DUMP);
  request.put(tcmsg());
  const std::size_t before = values.mark();
  const auto begin = [&] { values.take_back(before); };
  auto result =
      socket_.ask(request, begin, [&](const nlmsghdr& message) { add_qdisc(message, values); });
  if (!result) begin();
  return result;
}

void RouteNetlink::add_qdisc(const nlmsghdr& message, ValueList& values) const {
  const auto qdisc = fixed_part<tcmsg>(message);
  if (!qdisc) return values.not_understood();
  const auto index = static_cast<std::uint32_t>(qdisc->tcm_ifindex);
  const auto device =
      std::partition_point(devices_.begin(), devices_.end(),
                           [index](const Device& known) { return known.index < index; });
  if (device == devices_.end() || device->index != index) return;  // made since
  std::string_view kind;
  QdiscStats stats;
  each_attribute(message, sizeof(*qdisc), [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_KIND) kind = text_of(attribute);
    if (type_of(attribute) == TCA_STATS2) stats = stats_of(attribute);
  });
  if (kind.empty()) return values.not_understood();
  if (!qdisc->tcm_handle && qdisc->tcm_parent == TC_H_ROOT)
    return add_qdisc_stats(stats, {device->name, "/", kind, "/root"}, values);
  const std::uint32_t place = qdisc->tcm_handle ? qdisc->tcm_handle : qdisc->tcm_parent;
  const Digits major(TC_H_MAJ(place) >> 16, 16), minor(TC_H_MIN(place), 16);
  add_qdisc_stats(stats, {device->name, "/", kind, "/", major, ":", minor}, values);
}

}  // namespace netsonde
