// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kSomaxconn = "net.core.somaxconn";
constexpr std::string_view kSynBacklog = "net.ipv4.tcp_max_syn_backlog";
constexpr std::string_view kKeepalive = "net.ipv4.tcp_keepalive_time";
constexpr std::string_view kProbing = "net.ipv4.tcp_mtu_probing";
constexpr std::string_view kCongestion = "net.ipv4.tcp_congestion_control";
constexpr std::string_view kSent = "netstat.TcpExt.SyncookiesSent";
constexpr std::string_view kReceived = "netstat.TcpExt.SyncookiesRecv";

Policy with(std::string_view key, const std::string& value, const Finding& finding) {
  return PolicyHost({{std::string(key), value}}).propose({finding});
}

Finding overflow(std::vector<std::string_view> tunables, std::vector<Evidence> evidence) {
  Finding finding = on_connection("accept-overflow", std::move(tunables), std::move(evidence));
  finding.where = Where::Application;
  return finding;
}

TEST(AcceptQueuePolicyTest, TheLimitThatHoldsGrowsFourfold) {
  const Policy policy =
      with(kSomaxconn, "128", overflow({kSomaxconn}, {of("limit.somaxconn", 128)}));
  EXPECT_THAT(steps(policy), ElementsAre("net.core.somaxconn 128 -> 512"));
  EXPECT_THAT(policy.proposals[0].expected, HasSubstr("called listen() again"));
  EXPECT_THAT(policy.proposals[0].verify, HasSubstr("listen_overflows"));
}

TEST(AcceptQueuePolicyTest, ItEndsAtTheLongestQueueThereIs) {
  const Finding full = overflow({kSomaxconn}, {of("limit.somaxconn", 128)});
  EXPECT_THAT(steps(with(kSomaxconn, "16384", full)),
              ElementsAre("net.core.somaxconn 16384 -> 65535"));
  EXPECT_THAT(with(kSomaxconn, "65535", full).proposals, IsEmpty());
}

TEST(AcceptQueuePolicyTest, WhatTheApplicationDidNotAskForIsNotRaised) {
  const Policy policy = with(kSomaxconn, "4096", overflow({}, {of("limit.somaxconn", 4096)}));
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kSomaxconn), HasSubstr("asked for less"));
}

TEST(AcceptQueuePolicyTest, WhereTheLimitWasNotReadNobodyKnowsWhichOneHolds) {
  const Policy policy = with(kSomaxconn, "128", overflow({kSomaxconn}, {of("backlog", 128)}));
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kSomaxconn), HasSubstr("of another namespace"));
}

Policy cookies(std::vector<Evidence> evidence) {
  return PolicyHost({{std::string(kSomaxconn), "128"}, {std::string(kSynBacklog), "1024"}})
      .propose({on_host("syn-cookies", {kSynBacklog, kSomaxconn}, std::move(evidence))});
}

TEST(SynCookiesPolicyTest, WhatBoundsTheListenersQueueGrows) {
  EXPECT_THAT(steps(cookies({of(kSent, 100), of(kReceived, 50)})),
              ElementsAre("net.core.somaxconn 128 -> 256"));
  EXPECT_THAT(steps(cookies({of("netstat.TcpExt.TCPReqQFullDrop", 9)})),
              ElementsAre("net.core.somaxconn 128 -> 256"));
}

TEST(SynCookiesPolicyTest, TheLimitForHostsWithoutCookiesDoesNotHoldHere) {
  EXPECT_THAT(why_not(cookies({of(kSent, 1), of(kReceived, 1)}), kSynBacklog),
              HasSubstr("holds only without SYN cookies"));
}

TEST(SynCookiesPolicyTest, WhatTheKernelLacksIsNotExplained) {
  const Policy policy = PolicyHost().propose({on_host("syn-cookies", {kSynBacklog})});
  EXPECT_EQ(why_not(policy, kSynBacklog), "not available here");
}

TEST(SynCookiesPolicyTest, AFloodIsNotFed) {
  const Policy policy = cookies({of(kSent, 101), of(kReceived, 50)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kSomaxconn), HasSubstr("flood"));
  EXPECT_THAT(cookies({of(kSent, 1)}).proposals, IsEmpty());
}

Finding died(std::uint64_t pause_ms) {
  return on_connection("idle-reset", {kKeepalive}, {of("pause_ms", pause_ms)});
}

TEST(KeepalivePolicyTest, HalfOfThePauseIsEarlyEnough) {
  const Policy policy = with(kKeepalive, "7200", died(601'000));
  EXPECT_THAT(steps(policy), ElementsAre("net.ipv4.tcp_keepalive_time 7200 -> 300"));
  EXPECT_THAT(policy.proposals[0].expected, HasSubstr("SO_KEEPALIVE"));
}

TEST(KeepalivePolicyTest, ItIsNeverLessThanHalfAMinute) {
  EXPECT_THAT(steps(with(kKeepalive, "7200", died(31'000))),
              ElementsAre("net.ipv4.tcp_keepalive_time 7200 -> 30"));
  const Policy policy = with(kKeepalive, "7200", died(30'000));
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kKeepalive), HasSubstr("a pause of 30 s was too long"));
}

TEST(KeepalivePolicyTest, WhatIsAsShortAlreadyStays) {
  EXPECT_THAT(with(kKeepalive, "301", died(600'000)).proposals, SizeIs(1));
  EXPECT_EQ(why_not(with(kKeepalive, "300", died(600'000)), kKeepalive), "is 300 s already");
  EXPECT_THAT(with(kKeepalive, "60", died(600'000)).proposals, IsEmpty());
}

TEST(KeepalivePolicyTest, APauseThatNobodyMeasuredIsNoReason) {
  const Policy policy = with(kKeepalive, "7200", on_connection("idle-reset", {kKeepalive}));
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kKeepalive), HasSubstr("is not known"));
}

TEST(IdleRestartPolicyTest, TheWindowIsKeptOverPauses) {
  constexpr std::string_view kKey = "net.ipv4.tcp_slow_start_after_idle";
  for (const Goal goal : {Goal::Balanced, Goal::Throughput, Goal::Latency}) {
    const PolicyHost host({{std::string(kKey), "1"}});
    const std::vector<Finding> findings = {on_connection("idle-restart", {kKey})};
    PolicyInput input = host.input(findings);
    input.goal = goal;
    EXPECT_THAT(steps(propose(input)), ElementsAre("net.ipv4.tcp_slow_start_after_idle 1 -> 0"));
  }
  EXPECT_THAT(with(kKey, "0", on_connection("idle-restart", {kKey})).proposals, IsEmpty());
}

TEST(BlackHolePolicyTest, ProbingIsSwitchedOnOnceABlackHoleShows) {
  const Finding hole = on_connection("pmtu-black-hole", {kProbing});
  EXPECT_THAT(steps(with(kProbing, "0", hole)), ElementsAre("net.ipv4.tcp_mtu_probing 0 -> 1"));
  for (const char* on : {"1", "2"}) {
    EXPECT_THAT(with(kProbing, on, hole).proposals, IsEmpty());
    EXPECT_THAT(why_not(with(kProbing, on, hole), kProbing), HasSubstr("already"));
  }
}

TEST(HandshakeOptionsPolicyTest, WhatIsOffHereIsSwitchedOn) {
  for (const auto& [id, key] : {std::pair("window-scaling-off", "net.ipv4.tcp_window_scaling"),
                                {"timestamps-off", "net.ipv4.tcp_timestamps"}}) {
    const Finding finding = on_connection(id, {key});
    EXPECT_THAT(steps(with(key, "0", finding)), ElementsAre(fmt::format("{} 0 -> 1", key)));
    EXPECT_THAT(with(key, "1", finding).proposals, IsEmpty());
    EXPECT_EQ(why_not(with(key, "1", finding), key),
              "it is on here: the peer or a box on the path does without");
  }
}

std::string of_congestion(const std::string& now, const std::string& available,
                          const char* finding = "random-loss") {
  PolicyHost host({{std::string(kCongestion), now}});
  if (!available.empty())
    host.at(kContainer, "net.ipv4.tcp_available_congestion_control") = available;
  const Policy policy = host.propose({on_connection(finding, {kCongestion}, {}, kContainer)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  return why_not(policy, kCongestion);
}

TEST(CongestionControlPolicyTest, AnExperimentDecides) {
  for (const char* finding :
       {"random-loss", "congestive-loss", "congestion-window-limited", "bufferbloat"})
    EXPECT_EQ(of_congestion("cubic", "reno bbr cubic", finding),
              "in netns 2: a different congestion control is decided by experiment: netsonde "
              "tune experiment --set net.ipv4.tcp_congestion_control=bbr --metric "
              "tx_bytes_per_busy_s");
}

TEST(CongestionControlPolicyTest, WhoTriesMayProposeIt) {
  PolicyHost host({{std::string(kCongestion), "cubic"},
                   {"net.ipv4.tcp_available_congestion_control", "reno cubic bbr"}});
  const std::vector findings{on_connection("random-loss", {kCongestion}, {of("lost", 1)}),
                             on_connection("congestive-loss", {kCongestion}, {of("lost", 2)})};
  PolicyInput input = host.input(findings);
  input.tries = true;
  const Policy policy = propose(input);
  EXPECT_THAT(steps(policy), ElementsAre("net.ipv4.tcp_congestion_control cubic -> bbr"));
  ASSERT_EQ(policy.proposals.size(), 1U);
  EXPECT_EQ(policy.proposals[0].evidence.size(), 2U);
}

// What is proposed, and where, when the loss is on the way to 10.0.0.9.
Policy with_route(const std::string& at_route, const std::string& everywhere, bool tries) {
  const PolicyHost host({{std::string(kCongestion), everywhere},
                         {"route.congestion_control", at_route},
                         {"net.ipv4.tcp_available_congestion_control", "reno cubic bbr"}});
  const std::vector findings{on_connection("random-loss", {kCongestion})};
  PolicyInput input = host.input(findings);
  input.tries = tries;
  input.route_to = [](const ChangeScope& space, const Address& remote) {
    EXPECT_EQ(to_text(remote), "10.0.0.9");
    return std::optional(ChangeScope{
        .kind = ScopeKind::Route, .name = "10.0.0.0/24", .cookie = space.cookie, .netns = kOwn});
  };
  return propose(input);
}

TEST(CongestionControlPolicyTest, WhereARouteLeadsThereOnlyThatIsChanged) {
  const Policy policy = with_route("default", "cubic", true);
  EXPECT_THAT(steps(policy), ElementsAre("route.congestion_control default -> bbr"));
  ASSERT_EQ(policy.proposals.size(), 1U);
  EXPECT_EQ(policy.proposals[0].scope.name, "10.0.0.0/24");
  EXPECT_EQ(policy.proposals[0].scope.cookie, namespace_of(kOwn).cookie);
  EXPECT_THAT(steps(with_route("cubic", "bbr", true)),
              ElementsAre("route.congestion_control cubic -> bbr"));
}

TEST(CongestionControlPolicyTest, WhatIsInForceThereDecides) {
  EXPECT_EQ(why_not(with_route("default", "bbr", true), kCongestion), "is bbr already");
  EXPECT_EQ(why_not(with_route("bbr", "cubic", true), kCongestion), "is bbr already");
  EXPECT_THAT(why_not(with_route("default", "cubic", false), kCongestion),
              HasSubstr("--set route.congestion_control@10.0.0.0/24=bbr"));
}

TEST(CongestionControlPolicyTest, WhatPausesCutIsMendedBeforeIt) {
  constexpr std::string_view kIdle = "net.ipv4.tcp_slow_start_after_idle";
  PolicyHost host({{std::string(kCongestion), "cubic"},
                   {std::string(kIdle), "1"},
                   {"net.ipv4.tcp_available_congestion_control", "reno cubic bbr"}});
  const std::vector findings{on_connection("congestion-window-limited", {kCongestion}),
                             on_connection("idle-restart", {kIdle})};
  PolicyInput input = host.input(findings);
  input.tries = true;
  EXPECT_THAT(steps(propose(input)), ElementsAre("net.ipv4.tcp_slow_start_after_idle 1 -> 0",
                                                 "net.ipv4.tcp_congestion_control cubic -> bbr"));
}

TEST(CongestionControlPolicyTest, WhatTheKernelLacksIsNotAdvised) {
  EXPECT_EQ(of_congestion("cubic", "reno cubic"),
            "in netns 2: this kernel has no bbr (available: reno cubic)");
  EXPECT_THAT(of_congestion("cubic", "reno bbr2 nobbr"), HasSubstr("has no bbr"));
  EXPECT_THAT(of_congestion("cubic", ""), HasSubstr("is not known"));
}

TEST(CongestionControlPolicyTest, WhoHasItNeedsNoOther) {
  EXPECT_EQ(of_congestion("bbr", "reno bbr cubic"), "in netns 2: is bbr already");
}

}  // namespace
}  // namespace netsonde
