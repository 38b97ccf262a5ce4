// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "user/base/prefix.h"
#include "user/capture/netlink.h"

namespace netsonde {

// One route, and all that the kernel told of it.
struct Route {
  Prefix destination{};
  std::map<std::uint16_t, std::uint32_t> metrics{};  // RTAX_...: those that are set
  std::string congestion_control{};                  // empty: not set
  // Why it could not be written back as it is; empty: it could.
  std::string why_fixed{};
  std::vector<char> message{};

  bool is_locked(std::uint16_t metric) const;
};

// Nothing for what is no route of the main table, or has no destination that a Prefix can name.
std::optional<Route> route_in(const nlmsghdr& message);

// A metric of RTAX_..., or the congestion control where the text is not empty.
struct RouteMetric {
  std::uint16_t type = 0;
  std::uint32_t number = 0;  // 0: not set
  std::string text{};        // of RTAX_CC_ALGO; empty: not set
};
// Has the kernel put in the route's place one that is the same but for that metric. The minimum of
// the retransmission timeout is locked: the kernel heeds no other.
NetlinkRequest replacement_of(const Route& route, const RouteMetric& metric);

// The main tables of one network namespace, IPv4 and IPv6.
class RouteTable {
 public:
  // In the namespace that the thread has now.
  static Result<RouteTable> open();

  Result<std::vector<Route>> all();
  Result<> replace(const Route& route, const RouteMetric& metric);

 private:
  explicit RouteTable(NetlinkSocket socket) : socket_(std::move(socket)) {}

  NetlinkSocket socket_;
};

}  // namespace netsonde
