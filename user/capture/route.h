// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "user/capture/netlink.h"
#include "user/capture/value_list.h"

namespace netsonde {

struct Device {
  std::uint32_t index = 0;
  std::string name;
  std::uint8_t xdp = 0;  // XDP_ATTACHED_NONE, _DRV, ... of the kernel

  bool operator==(const Device&) const = default;
};

// The network devices and queueing disciplines of one network namespace.
class RouteNetlink {
 public:
  static Result<RouteNetlink> open();

  // Adds what each device counts: "device.rx_bytes" of "eth0". When it fails, nothing is added.
  Result<> read_devices(ValueList& values);
  // Adds "qdisc.drops" of "eth0/fq_codel/1:0": device, kind and handle. One without a handle of its
  // own goes by its parent's, or "root". Only of devices that the last read_devices() met.
  Result<> read_qdiscs(ValueList& values);

  // By index, as the last read_devices() met them.
  const std::vector<Device>& devices() const { return devices_; }

 private:
  explicit RouteNetlink(NetlinkSocket socket) : socket_(std::move(socket)) {}

  void add_device(const nlmsghdr& message, ValueList& values);
  void add_qdisc(const nlmsghdr& message, ValueList& values) const;

  NetlinkSocket socket_;
  std::vector<Device> devices_;
};

}  // namespace netsonde
