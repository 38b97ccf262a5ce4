// SPDX-License-Identifier: Apache-2.0
#include "user/host_queues.h"

#include <algorithm>

namespace netsonde {

std::vector<DeviceQueue> HostQueues::read() {
  if (!netlink_) {
    auto opened = RouteNetlink::open();
    if (!opened) return {};
    netlink_ = std::move(opened).value();
  }
  values_.restart();
  if (!netlink_->read_devices(values_) || !netlink_->read_qdiscs(values_)) return {};
  std::vector<DeviceQueue> queues;
  for (const HostValue& value : values_.finish()) {
    if (value.name == "device.tx_bytes")
      queues.push_back({.device = value.instance, .sent_bytes = value.value});
    if (value.name != "qdisc.backlog_bytes") continue;
    const std::string device = value.instance.substr(0, value.instance.find('/'));
    const auto queue = std::ranges::find(queues, device, &DeviceQueue::device);
    if (queue != queues.end()) queue->backlog_bytes = std::max(queue->backlog_bytes, value.value);
  }
  return queues;
}

}  // namespace netsonde
