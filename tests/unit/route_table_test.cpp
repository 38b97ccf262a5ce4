// SPDX-License-Identifier: Apache-2.0
#include "user/capture/route_table.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <map>

namespace netsonde {
namespace {

using Bytes = std::vector<char>;

Bytes bytes(std::initializer_list<int> numbers) {
  return {numbers.begin(), numbers.end()};
}

Bytes bytes(std::uint32_t number) {
  Bytes made(sizeof(number));
  std::memcpy(made.data(), &number, sizeof(number));
  return made;
}

rtmsg head_of(std::uint8_t family, std::uint8_t bits) {
  rtmsg head = {};
  head.rtm_family = family;
  head.rtm_dst_len = bits;
  head.rtm_table = RT_TABLE_MAIN;
  head.rtm_type = RTN_UNICAST;
  head.rtm_protocol = RTPROT_STATIC;
  return head;
}

// What the kernel tells of a route.
NetlinkRequest told(const rtmsg& head, const std::map<int, Bytes>& attributes) {
  NetlinkRequest message(RTM_NEWROUTE, 0);
  message.put(head);
  for (const auto& [type, value] : attributes) message.put(static_cast<std::uint16_t>(type), value);
  return message;
}

std::optional<Route> route_of(const rtmsg& head, const std::map<int, Bytes>& attributes) {
  NetlinkRequest message = told(head, attributes);
  return route_in(*message.header());
}

// The attributes of a nest, or of a message behind its head.
std::map<int, Bytes> inside(std::span<const char> nest) {
  std::map<int, Bytes> found;
  while (nest.size() >= sizeof(nlattr)) {
    nlattr attribute;
    std::memcpy(&attribute, nest.data(), sizeof(attribute));
    if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > nest.size()) break;
    found[attribute.nla_type] = {nest.begin() + sizeof(attribute),
                                 nest.begin() + attribute.nla_len};
    nest = nest.subspan(std::min<std::size_t>(nest.size(), NLA_ALIGN(attribute.nla_len)));
  }
  return found;
}

std::map<int, Bytes> replacement(const Route& route, const RouteMetric& metric) {
  NetlinkRequest request = replacement_of(route, metric);
  const std::size_t fixed = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(rtmsg));
  return inside({reinterpret_cast<const char*>(request.header()) + fixed,
                 request.header()->nlmsg_len - fixed});
}

std::map<int, Bytes> metrics_after(const Route& route, const RouteMetric& metric) {
  return inside(replacement(route, metric)[RTA_METRICS]);
}

const Bytes kTen = bytes({10, 0, 0, 0});

// { type: number } as an attribute.
Bytes nest(const std::map<int, Bytes>& metrics) {
  NetlinkRequest request(0, 0);
  for (const auto& [type, value] : metrics) request.put(static_cast<std::uint16_t>(type), value);
  const auto* const begin = reinterpret_cast<const char*>(request.header());
  return {begin + NLMSG_HDRLEN, begin + request.header()->nlmsg_len};
}

TEST(RouteTableTest, ARouteHasItsDestinationAndItsMetrics) {
  const auto route =
      route_of(head_of(AF_INET, 8),
               {{RTA_DST, kTen},
                {RTA_METRICS,
                 nest({{RTAX_INITCWND, bytes(20)}, {RTAX_CC_ALGO, bytes({'b', 'b', 'r', 0})}})}});
  ASSERT_TRUE(route);
  EXPECT_EQ(to_text(route->destination), "10.0.0.0/8");
  EXPECT_EQ(route->metrics.at(RTAX_INITCWND), 20U);
  EXPECT_EQ(route->congestion_control, "bbr");
  EXPECT_EQ(route->why_fixed, "");
}

TEST(RouteTableTest, OnlyTheMainTableCounts) {
  rtmsg head = head_of(AF_INET, 0);
  EXPECT_EQ(to_text(route_of(head, {})->destination), "default");
  EXPECT_EQ(to_text(route_of(head_of(AF_INET6, 0), {})->destination), "::/0");
  head.rtm_table = RT_TABLE_LOCAL;
  EXPECT_FALSE(route_of(head, {}));
  EXPECT_FALSE(route_of(head_of(AF_BRIDGE, 0), {}));
}

TEST(RouteTableTest, ADestinationThatCannotBeNamedIsNone) {
  EXPECT_FALSE(route_of(head_of(AF_INET, 8), {{RTA_DST, bytes({10})}}));
  EXPECT_FALSE(route_of(head_of(AF_INET6, 96),
                        {{RTA_DST, bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0})}}));
  NetlinkRequest empty(RTM_NEWROUTE, 0);
  EXPECT_FALSE(route_in(*empty.header()));
}

TEST(RouteTableTest, AllElseIsSentBackUnchanged) {
  const auto route =
      route_of(head_of(AF_INET, 8), {{RTA_DST, kTen},
                                     {RTA_OIF, bytes(3)},
                                     {RTA_GATEWAY, bytes({10, 0, 0, 1})},
                                     {RTA_PRIORITY, bytes(7)},
                                     {RTA_CACHEINFO, Bytes(sizeof(rta_cacheinfo))},
                                     {RTA_METRICS, nest({{RTAX_MTU, bytes(1400)}})}});
  auto sent = replacement(*route, {.type = RTAX_INITCWND, .number = 20});
  EXPECT_EQ(inside(sent[RTA_METRICS]),
            (std::map<int, Bytes>{{RTAX_MTU, bytes(1400)}, {RTAX_INITCWND, bytes(20)}}));
  sent.erase(RTA_METRICS);
  EXPECT_EQ(sent, (std::map<int, Bytes>{{RTA_DST, kTen},
                                        {RTA_OIF, bytes(3)},
                                        {RTA_GATEWAY, bytes({10, 0, 0, 1})},
                                        {RTA_PRIORITY, bytes(7)}}));
}

TEST(RouteTableTest, WhatIsNotSetIsNotSent) {
  const auto route =
      route_of(head_of(AF_INET, 0), {{RTA_METRICS, nest({{RTAX_INITCWND, bytes(20)}})}});
  EXPECT_TRUE(metrics_after(*route, {.type = RTAX_INITCWND}).empty());
  EXPECT_EQ(metrics_after(*route, {.type = RTAX_CC_ALGO, .text = "bbr"})[RTAX_CC_ALGO],
            bytes({'b', 'b', 'r', 0}));
}

TEST(RouteTableTest, AMinimumOfTheTimeoutIsLockedAndOtherLocksStay) {
  const auto route =
      route_of(head_of(AF_INET, 0), {{RTA_METRICS, nest({{RTAX_LOCK, bytes(1U << RTAX_MTU)}})}});
  EXPECT_EQ(metrics_after(*route, {.type = RTAX_RTO_MIN, .number = 50})[RTAX_LOCK],
            bytes(1U << RTAX_MTU | 1U << RTAX_RTO_MIN));
  EXPECT_EQ(metrics_after(*route, {.type = RTAX_RTO_MIN})[RTAX_LOCK], bytes(1U << RTAX_MTU));
  EXPECT_EQ(metrics_after(*route, {.type = RTAX_INITCWND, .number = 5})[RTAX_LOCK],
            bytes(1U << RTAX_MTU));
}

// The kernel refuses a route that says of itself that its link is down.
TEST(RouteTableTest, WhatTheKernelSaysOfItselfIsNotSentBack) {
  rtmsg head = head_of(AF_INET, 0);
  head.rtm_flags = RTNH_F_LINKDOWN | RTNH_F_DEAD | RTNH_F_ONLINK;
  rtnexthop hop = {};
  hop.rtnh_len = sizeof(hop);
  hop.rtnh_flags = RTNH_F_LINKDOWN | RTNH_F_ONLINK;
  Bytes hops(2 * sizeof(hop));
  for (const std::size_t at : {std::size_t{0}, sizeof(hop)})
    std::memcpy(hops.data() + at, &hop, sizeof(hop));
  const auto route = route_of(head, {{RTA_MULTIPATH, hops}});
  NetlinkRequest request = replacement_of(*route, {.type = RTAX_INITCWND, .number = 5});
  EXPECT_EQ(fixed_part<rtmsg>(*request.header())->rtm_flags, unsigned{RTNH_F_ONLINK});
  const Bytes sent = replacement(*route, {.type = RTAX_INITCWND, .number = 5})[RTA_MULTIPATH];
  ASSERT_EQ(sent.size(), hops.size());
  for (const std::size_t at : {std::size_t{0}, sizeof(hop)}) {
    std::memcpy(&hop, sent.data() + at, sizeof(hop));
    EXPECT_EQ(hop.rtnh_flags, RTNH_F_ONLINK) << at;
  }
}

TEST(RouteTableTest, HopsWithoutALengthEnd) {
  const auto route = route_of(head_of(AF_INET, 0), {{RTA_MULTIPATH, Bytes(21)}});
  EXPECT_EQ(replacement(*route, {.type = RTAX_INITCWND})[RTA_MULTIPATH].size(), 21U);
}

TEST(RouteTableTest, BesideTheNameOfANexthopNothingThatStandsInIt) {
  const auto route =
      route_of(head_of(AF_INET, 0),
               {{RTA_NH_ID, bytes(5)}, {RTA_OIF, bytes(3)}, {RTA_GATEWAY, bytes({10, 0, 0, 1})}});
  const auto sent = replacement(*route, {.type = RTAX_INITCWND});
  EXPECT_EQ(sent, (std::map<int, Bytes>{{RTA_NH_ID, bytes(5)}, {RTA_METRICS, {}}}));
}

TEST(RouteTableTest, WhatCouldNotBeWrittenBackIsFixed) {
  const auto why = [](const rtmsg& head, const std::map<int, Bytes>& attributes) {
    return route_of(head, attributes)->why_fixed;
  };
  rtmsg head = head_of(AF_INET6, 0);
  rta_cacheinfo cache = {};
  cache.rta_expires = 100;
  Bytes expiring(sizeof(cache));
  std::memcpy(expiring.data(), &cache, sizeof(cache));
  EXPECT_EQ(why(head, {{RTA_CACHEINFO, expiring}}), "it expires");
  EXPECT_EQ(why(head, {{RTA_MULTIPATH, {}}}), "it has several next hops");
  EXPECT_EQ(why(head, {{99, {}}}), "it has what netsonde does not understand");
  head.rtm_protocol = RTPROT_RA;
  EXPECT_EQ(why(head, {}), "a router has announced it");
  head = head_of(AF_INET, 0);
  head.rtm_type = RTN_BLACKHOLE;
  EXPECT_EQ(why(head, {}), "it leads nowhere");
}

}  // namespace
}  // namespace netsonde
