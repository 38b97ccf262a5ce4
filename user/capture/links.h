// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/capture/netlink.h"

namespace netsonde {

struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::string address{};           // of the hardware: "02:00:5e:10:00:01"; empty: it has none
  std::uint32_t queue_length = 0;  // "txqueuelen", in packets
  std::uint32_t mtu = 0;           // bytes

  bool operator==(const Link&) const = default;
};

// The network devices of one network namespace, to be set up.
class Links {
 public:
  // In the namespace that the thread has now.
  static Result<Links> open();

  Result<std::vector<Link>> all();
  // By the name that the kernel shows, no other; absent: there is none.
  Result<std::optional<Link>> find(const std::string& name);
  Result<std::optional<Link>> at(std::uint32_t index);
  Result<> set_queue_length(const Link& link, std::uint32_t packets);

 private:
  explicit Links(NetlinkSocket socket) : socket_(std::move(socket)) {}

  NetlinkSocket socket_;
};

}  // namespace netsonde
