// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kReceive = "net.ipv4.tcp_rmem", kSend = "net.ipv4.tcp_wmem";
constexpr std::uint64_t kMiB = 1 << 20;

PolicyHost host_with(const std::string& most, std::uint64_t memory_bytes = 64 * kGiB) {
  PolicyHost host(
      {{std::string(kReceive), "4096 131072 " + most}, {std::string(kSend), "4096 16384 " + most}});
  host.memory_bytes = memory_bytes;
  return host;
}

// Our own window, with so many bytes on their way in a round trip of 100 ms.
Finding own_window(std::uint64_t buffer, std::uint64_t on_their_way) {
  Finding finding =
      on_connection("receive-window-limited", {kReceive},
                    {of("receive_buffer_bytes", buffer), of("receive_rtt_us", 100'000),
                     of("rx_bytes", on_their_way * 20)});
  finding.impact.time = std::chrono::seconds(2);
  return finding;
}

Finding peers_window(std::vector<Evidence> more = {}) {
  return on_connection("receive-window-limited", {kReceive}, std::move(more));
}

// The third number that is proposed; empty where none is.
std::string grown_to(const Policy& policy) {
  if (policy.proposals.size() != 1) return "";
  const std::string& to = policy.proposals[0].to;
  return to.substr(to.rfind(' ') + 1);
}

TEST(ReceiveWindowPolicyTest, TheMaximumGrowsToFourTimesWhatIsOnItsWay) {
  const Policy policy = host_with("1048576").propose({own_window(kMiB, 786'432)});
  EXPECT_THAT(steps(policy),
              ElementsAre("net.ipv4.tcp_rmem 4096 131072 1048576 -> 4096 131072 3145728"));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kOwn));
  EXPECT_THAT(policy.proposals[0].expected, HasSubstr("lower bound"));
  EXPECT_THAT(policy.proposals[0].verify, HasSubstr("rx_bytes"));
}

TEST(ReceiveWindowPolicyTest, TheNewMaximumIsRoundedUpTo64KiB) {
  EXPECT_EQ(grown_to(host_with("1048576").propose({own_window(kMiB, 786'433)})), "3211264");
}

TEST(ReceiveWindowPolicyTest, AStepIsTwiceTodaysAtLeastAndFourTimesAtMost) {
  EXPECT_EQ(grown_to(host_with("1048576").propose({own_window(kMiB, 100)})), "2097152");
  EXPECT_EQ(grown_to(host_with("1048576").propose({own_window(kMiB, 100 * kMiB)})), "4194304");
  EXPECT_EQ(grown_to(host_with("1000000").propose({own_window(kMiB, 100 * kMiB)})), "4000000");
}

TEST(ReceiveWindowPolicyTest, WithoutARateOrARoundTripItIsTwiceTodays) {
  for (const std::string_view missing : {"rx_bytes", "receive_rtt_us"}) {
    Finding finding = own_window(kMiB, 100 * kMiB);
    std::erase_if(finding.evidence, [&](const Evidence& one) { return one.field == missing; });
    EXPECT_EQ(grown_to(host_with("1048576").propose({finding})), "2097152") << missing;
  }
  Finding finding = own_window(kMiB, 100 * kMiB);
  finding.impact.time = Nanos(0);
  EXPECT_EQ(grown_to(host_with("1048576").propose({finding})), "2097152");
}

TEST(ReceiveWindowPolicyTest, OneSocketTakesNoMoreThanA32ndOfTheMemory) {
  EXPECT_EQ(grown_to(host_with("33554432", 2 * kGiB).propose({own_window(32 * kMiB, 1)})),
            "67108864");
  EXPECT_EQ(grown_to(host_with("41943040", 2 * kGiB).propose({own_window(40 * kMiB, 1)})),
            "67108864");
  const Policy full = host_with("67108864", 2 * kGiB).propose({own_window(64 * kMiB, 1)});
  EXPECT_THAT(full.proposals, IsEmpty());
  EXPECT_THAT(why_not(full, kReceive), HasSubstr("a 32nd of the memory"));
}

TEST(ReceiveWindowPolicyTest, WhereTheMemoryIsUnknownNothingGrows) {
  const Policy policy = host_with("1048576", 0).propose({own_window(kMiB, 1)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kReceive), HasSubstr("memory the host has is not known"));
}

TEST(ReceiveWindowPolicyTest, TheCatalogueHasACeilingToo) {
  const std::uint64_t buffer = 2000 * kMiB;
  EXPECT_EQ(grown_to(host_with("2097152000", 1024 * kGiB).propose({own_window(buffer, 1)})),
            "2147418112");
  const Policy full = host_with("2147418112", 1024 * kGiB).propose({own_window(2047 * kMiB, 1)});
  EXPECT_THAT(full.proposals, IsEmpty());
  EXPECT_THAT(why_not(full, kReceive), HasSubstr("(the ceiling)"));
}

TEST(ReceiveWindowPolicyTest, ABufferBelowItsMaximumIsNotHeldBackByIt) {
  EXPECT_THAT(host_with("1000000").propose({own_window(900'000, 1)}).proposals, SizeIs(1));
  const Policy policy = host_with("1000000").propose({own_window(899'999, 1)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kReceive), HasSubstr("has not grown to its maximum"));
}

TEST(ReceiveWindowPolicyTest, WithoutAutotuningNoMaximumHelps) {
  PolicyHost host = host_with("1048576");
  host.at(kOwn, "net.ipv4.tcp_moderate_rcvbuf") = "1";
  EXPECT_THAT(host.propose({own_window(kMiB, 1)}).proposals, SizeIs(1));
  host.at(kOwn, "net.ipv4.tcp_moderate_rcvbuf") = "0";
  EXPECT_THAT(host.propose({own_window(kMiB, 1)}).proposals, IsEmpty());
  EXPECT_THAT(why_not(host.propose({own_window(kMiB, 1)}), kReceive),
              HasSubstr("tcp_moderate_rcvbuf is 0"));
}

TEST(ReceiveWindowPolicyTest, OnAnotherHostTheReceiverDecides) {
  const Policy policy = host_with("1048576").propose({peers_window()});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_EQ(why_not(policy, kReceive), "the receiver decides, and it is another host: 10.0.0.9");
}

TEST(ReceiveWindowPolicyTest, OnThisHostItIsChangedWhereTheReceiverIs) {
  PolicyHost host = host_with("6291456");
  host.at(kContainer, std::string(kReceive)) = "4096 131072 262144";
  const Policy policy = host.propose(
      {peers_window({of("peer.netns", kContainer), of("peer.receive_buffer_bytes", 262'144),
                     of("min_rtt_us", 100'000), of("delivery_bytes_per_s", 1'966'080)})});
  EXPECT_THAT(steps(policy),
              ElementsAre("net.ipv4.tcp_rmem 4096 131072 262144 -> 4096 131072 786432"));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kContainer));
}

TEST(ReceiveWindowPolicyTest, ThePathsRoundTripCountsBeforeTheSmoothedOne) {
  Finding finding = own_window(kMiB, 786'432);
  finding.evidence.push_back(of("min_rtt_us", 90'000));
  EXPECT_EQ(grown_to(host_with("1048576").propose({finding})), "2883584");
}

TEST(ReceiveWindowPolicyTest, AReceiverOnThisHostWithRoomToGrowIsNotHeldBack) {
  const Policy policy = host_with("1048576").propose(
      {peers_window({of("peer.netns", kContainer), of("peer.receive_buffer_bytes", 131'072)})});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kReceive), HasSubstr("has not grown to its maximum"));
}

TEST(ReceiveWindowPolicyTest, AReceiverThatIsGoneIsLeftAlone) {
  const Policy policy = host_with("1048576").propose(
      {peers_window({of("peer.netns", kGone), of("peer.receive_buffer_bytes", kMiB)})});
  EXPECT_EQ(why_not(policy, kReceive), "its network namespace is gone");
}

TEST(ReceiveWindowPolicyTest, AnApplicationThatDoesNotReadIsSpokenOf) {
  Finding finding = peers_window({of("peer.receive_queue_bytes", 77)});
  finding.where = Where::Application;
  finding.tunables.clear();
  const Policy policy = host_with("1048576").propose({finding});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kReceive), HasSubstr("does not read"));
}

TEST(ReceiveWindowPolicyTest, WhatAnotherFindingExplainsIsNotTheBuffer) {
  Finding finding = own_window(kMiB, 1);
  finding.because = "slow-reader";
  const Policy policy = host_with("1048576").propose({finding});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kReceive), HasSubstr("slow-reader explains it"));
}

Finding send_buffer(std::uint64_t buffer, std::vector<Evidence> more = {}) {
  more.push_back(of("send_buffer_bytes", buffer));
  return on_connection("send-buffer-limited", {kSend}, std::move(more), kContainer);
}

TEST(SendBufferPolicyTest, TheMaximumGrowsToFourTimesWhatIsOnItsWay) {
  const Policy policy = host_with("1048576").propose(
      {send_buffer(kMiB, {of("srtt_us", 900'000), of("min_rtt_us", 100'000),
                          of("delivery_bytes_per_s", 7'864'320)})});
  EXPECT_THAT(steps(policy),
              ElementsAre("net.ipv4.tcp_wmem 4096 16384 1048576 -> 4096 16384 3145728"));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kContainer));
  EXPECT_THAT(policy.proposals[0].verify, HasSubstr("waited_for_buffer_ms"));
}

TEST(SendBufferPolicyTest, TheSmoothedRoundTripServesWhereThePathsIsUnknown) {
  EXPECT_EQ(grown_to(host_with("1048576").propose({send_buffer(
                kMiB, {of("srtt_us", 100'000), of("delivery_bytes_per_s", 7'864'320)})})),
            "3145728");
}

TEST(SendBufferPolicyTest, ARateWithAFractionIsARate) {
  const Evidence rate{"delivery_bytes_per_s", 7'864'320.0, Unit::BytesPerSecond};
  EXPECT_EQ(grown_to(host_with("1048576").propose(
                {send_buffer(kMiB, {of("min_rtt_us", 100'000), rate})})),
            "3145728");
}

TEST(SendBufferPolicyTest, ABufferBelowItsMaximumIsNotHeldBackByIt) {
  EXPECT_THAT(host_with("1000000").propose({send_buffer(900'000)}).proposals, SizeIs(1));
  EXPECT_THAT(host_with("1000000").propose({send_buffer(899'999)}).proposals, IsEmpty());
}

TEST(SendBufferPolicyTest, ABufferThatNobodyMeasuredIsNoReason) {
  const Policy policy =
      host_with("1048576").propose({on_connection("send-buffer-limited", {kSend})});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kSend), HasSubstr("was not measured"));
}

TEST(SendBufferPolicyTest, AutotuningOfReceiversIsAnotherThing) {
  PolicyHost host = host_with("1048576");
  host.at(kContainer, "net.ipv4.tcp_moderate_rcvbuf") = "0";
  EXPECT_THAT(host.propose({send_buffer(kMiB)}).proposals, SizeIs(1));
}

}  // namespace
}  // namespace netsonde
