// SPDX-License-Identifier: Apache-2.0
#include "user/capture/route_table.h"

#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstddef>

namespace netsonde {

namespace {

// What an administrator says; the others the kernel finds out, and takes back from nobody.
constexpr std::uint32_t kFlagsToKeep = RTNH_F_PERVASIVE | RTNH_F_ONLINK;

constexpr std::array<std::uint16_t, 15> kUnderstood = {
    RTA_DST,       RTA_OIF,        RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC,
    RTA_METRICS,   RTA_MULTIPATH,  RTA_FLOW,    RTA_VIA,      RTA_TABLE,
    RTA_CACHEINFO, RTA_ENCAP_TYPE, RTA_ENCAP,   RTA_PREF,     RTA_NH_ID};

// What stands in the nexthop that a route names, and may not stand beside its name.
constexpr std::array<std::uint16_t, 7> kOfNexthop = {
    RTA_OIF, RTA_GATEWAY, RTA_VIA, RTA_MULTIPATH, RTA_ENCAP_TYPE, RTA_ENCAP, RTA_FLOW};

template <std::size_t Count>
bool has(const std::array<std::uint16_t, Count>& types, std::uint16_t type) {
  return std::ranges::find(types, type) != types.end();
}

std::optional<Prefix> prefix_in(const rtmsg& head, const nlattr* destination) {
  Prefix prefix{.address = {}, .bits = head.rtm_dst_len};
  const bool is_ipv4 = head.rtm_family == AF_INET;
  if (is_ipv4) prefix.address.bytes[10] = prefix.address.bytes[11] = 0xff;
  const std::size_t size = is_ipv4 ? 4 : 16;
  if (destination) {
    const auto bytes = bytes_of(*destination);
    if (bytes.size() != size) return std::nullopt;
    std::memcpy(prefix.address.bytes.data() + 16 - size, bytes.data(), size);
  }
  // An Address is of IPv4 or IPv6 by what it is.
  if (prefix.address.is_ipv4() != is_ipv4) return std::nullopt;
  return prefix;
}

void read_metrics(const nlattr& nest, Route& route) {
  each_attribute(nest, [&route](const nlattr& metric) {
    const auto number = payload<std::uint32_t>(metric);
    if (type_of(metric) == RTAX_CC_ALGO)
      route.congestion_control = text_of(metric);
    else if (number)
      route.metrics[type_of(metric)] = *number;
  });
}

bool expires(const nlattr& attribute) {
  const auto cache = payload<rta_cacheinfo>(attribute);
  return cache && cache->rta_expires != 0;
}

std::string why_fixed(const rtmsg& head, const nlattr& attribute) {
  const std::uint16_t type = type_of(attribute);
  if (!has(kUnderstood, type)) return "it has what netsonde does not understand";
  if (type == RTA_CACHEINFO && expires(attribute)) return "it expires";
  if (type == RTA_MULTIPATH && head.rtm_family == AF_INET6) return "it has several next hops";
  return {};
}

std::string why_fixed(const rtmsg& head) {
  if (head.rtm_type != RTN_UNICAST) return "it leads nowhere";
  if (head.rtm_src_len) return "it is only for some source addresses";
  const bool from_router = head.rtm_protocol == RTPROT_RA || head.rtm_flags & RTM_F_PREFIX;
  return from_router ? "a router has announced it" : "";
}

const rtmsg& head_of(const Route& route) {
  return *reinterpret_cast<const rtmsg*>(route.message.data() + NLMSG_HDRLEN);
}

const nlmsghdr& message_of(const Route& route) {
  return *reinterpret_cast<const nlmsghdr*>(route.message.data());
}

// The same hops, without what the kernel says of them.
std::vector<char> hops_of(const nlattr& multipath) {
  const auto bytes = bytes_of(multipath);
  std::vector<char> hops(bytes.begin(), bytes.end());
  for (std::size_t at = 0; at + sizeof(rtnexthop) <= hops.size();) {
    rtnexthop hop;
    std::memcpy(&hop, hops.data() + at, sizeof(hop));
    hop.rtnh_flags &= static_cast<std::uint8_t>(kFlagsToKeep);
    std::memcpy(hops.data() + at, &hop, sizeof(hop));
    at += std::max<std::size_t>(RTNH_ALIGN(hop.rtnh_len), sizeof(hop));
  }
  return hops;
}

std::uint32_t locks_with(const Route& route, const RouteMetric& metric) {
  const auto found = route.metrics.find(RTAX_LOCK);
  std::uint32_t locks = found == route.metrics.end() ? 0 : found->second;
  constexpr std::uint32_t kRtoMin = 1U << RTAX_RTO_MIN;
  if (metric.type == RTAX_RTO_MIN) locks = metric.number ? locks | kRtoMin : locks & ~kRtoMin;
  return locks;
}

// Empty ones are sent too: in place of a route by the name of a nexthop, to which no metrics are
// sent at all, the kernel takes any other that it has by that name, also one with metrics.
void put_metrics(NetlinkRequest& request, const Route& route, const RouteMetric& metric) {
  std::map<std::uint16_t, std::uint32_t> numbers = route.metrics;
  numbers[RTAX_LOCK] = locks_with(route, metric);
  std::string control = route.congestion_control;
  if (metric.type == RTAX_CC_ALGO)
    control = metric.text;
  else
    numbers[metric.type] = metric.number;
  std::erase_if(numbers, [](const auto& one) { return one.second == 0; });
  NetlinkRequest metrics(0, 0);
  for (const auto& [type, number] : numbers) metrics.put(type, number);
  if (!control.empty()) metrics.put(RTAX_CC_ALGO, control.c_str());
  const std::span<const char> all(reinterpret_cast<const char*>(metrics.header()),
                                  metrics.header()->nlmsg_len);
  request.put(RTA_METRICS, all.subspan(NLMSG_HDRLEN));
}

void put_attribute(NetlinkRequest& request, const nlattr& attribute, bool has_nexthop) {
  const std::uint16_t type = type_of(attribute);
  if (type == RTA_METRICS || type == RTA_CACHEINFO) return;
  if (has_nexthop && has(kOfNexthop, type)) return;
  if (type == RTA_MULTIPATH)
    request.put(attribute.nla_type, hops_of(attribute));
  else
    request.put(attribute.nla_type, bytes_of(attribute));
}

}  // namespace

bool Route::is_locked(std::uint16_t metric) const {
  const auto locks = metrics.find(RTAX_LOCK);
  return locks != metrics.end() && locks->second & (1U << metric);
}

std::optional<Route> route_in(const nlmsghdr& message) {
  const auto head = fixed_part<rtmsg>(message);
  if (!head || head->rtm_table != RT_TABLE_MAIN || head->rtm_flags & RTM_F_CLONED ||
      (head->rtm_family != AF_INET && head->rtm_family != AF_INET6))
    return std::nullopt;
  Route route{.why_fixed = why_fixed(*head)};
  const nlattr* destination = nullptr;
  each_attribute(message, sizeof(*head), [&](const nlattr& attribute) {
    if (type_of(attribute) == RTA_DST) destination = &attribute;
    if (type_of(attribute) == RTA_METRICS) read_metrics(attribute, route);
    if (route.why_fixed.empty()) route.why_fixed = why_fixed(*head, attribute);
  });
  const auto prefix = prefix_in(*head, destination);
  if (!prefix) return std::nullopt;
  route.destination = *prefix;
  const auto* const bytes = reinterpret_cast<const char*>(&message);
  route.message.assign(bytes, bytes + message.nlmsg_len);
  return route;
}

NetlinkRequest replacement_of(const Route& route, const RouteMetric& metric) {
  rtmsg head = head_of(route);
  head.rtm_flags &= kFlagsToKeep;
  bool has_nexthop = false;
  each_attribute(message_of(route), sizeof(head), [&has_nexthop](const nlattr& attribute) {
    has_nexthop = has_nexthop || type_of(attribute) == RTA_NH_ID;
  });
  NetlinkRequest request(RTM_NEWROUTE, NLM_F_REPLACE);
  request.put(head);
  each_attribute(message_of(route), sizeof(head),
                 [&](const nlattr& attribute) { put_attribute(request, attribute, has_nexthop); });
  put_metrics(request, route, metric);
  return request;
}

Result<RouteTable> RouteTable::open() {
  return RouteTable(TRY(NetlinkSocket::open(NETLINK_ROUTE)));
}

Result<std::vector<Route>> RouteTable::all() {
  NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP);
  request.put(rtmsg());
  std::vector<Route> routes;
  TRY(socket_.ask(
      request, [&routes] { routes.clear(); },
      [&routes](const nlmsghdr& message) {
        if (auto route = route_in(message)) routes.push_back(std::move(*route));
      }));
  return routes;
}

Result<> RouteTable::replace(const Route& route, const RouteMetric& metric) {
  NetlinkRequest request = replacement_of(route, metric);
  return socket_.tell(request);
}

}  // namespace netsonde
