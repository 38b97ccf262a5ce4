// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/policy_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kBacklog = "net.core.netdev_max_backlog";
constexpr std::string_view kBudget = "net.core.netdev_budget";
constexpr std::string_view kBudgetTime = "net.core.netdev_budget_usecs";
constexpr std::string_view kPorts = "net.ipv4.ip_local_port_range";
constexpr std::string_view kReuse = "net.ipv4.tcp_tw_reuse";
constexpr std::string_view kTimestamps = "net.ipv4.tcp_timestamps";
constexpr std::string_view kBuckets = "net.ipv4.tcp_max_tw_buckets";
constexpr std::string_view kMemory = "net.ipv4.tcp_mem";
constexpr std::string_view kOrphans = "net.ipv4.tcp_max_orphans";
constexpr std::string_view kTracked = "net.netfilter.nf_conntrack_max";
constexpr std::string_view kDatagrams = "net.core.rmem_default";

const Finding kSqueeze = on_host("softnet-squeeze", {kBudget, kBudgetTime});
const Finding kDrops = on_host("softnet-drops", {kBacklog});

PolicyHost softnet(const char* backlog = "1000", const char* usecs = "8000") {
  return PolicyHost({{std::string(kBacklog), backlog},
                     {std::string(kBudget), "300"},
                     {std::string(kBudgetTime), usecs}});
}

TEST(SoftnetPolicyTest, ASqueezedProcessorGetsTwiceTheBudget) {
  EXPECT_THAT(steps(softnet().propose({kSqueeze})),
              ElementsAre("net.core.netdev_budget 300 -> 600",
                          "net.core.netdev_budget_usecs 8000 -> 16000"));
}

TEST(SoftnetPolicyTest, ARoundNeverTakesMoreThan20Milliseconds) {
  EXPECT_THAT(steps(softnet("1000", "16000").propose({kSqueeze})),
              ElementsAre("net.core.netdev_budget 300 -> 600",
                          "net.core.netdev_budget_usecs 16000 -> 20000"));
  EXPECT_THAT(softnet("1000", "20000").propose({kSqueeze}).proposals, SizeIs(1));
}

TEST(SoftnetPolicyTest, WhereTheQueueOverflowsItComesFirst) {
  for (const auto& findings : {std::vector{kSqueeze, kDrops}, {kDrops, kSqueeze}}) {
    const Policy policy = softnet().propose(findings);
    EXPECT_THAT(steps(policy), ElementsAre("net.core.netdev_max_backlog 1000 -> 2000"));
    for (const std::string_view key : {kBudget, kBudgetTime})
      EXPECT_EQ(why_not(policy, key), "after netdev_max_backlog: one thing at a time");
  }
}

TEST(SoftnetPolicyTest, WhereTheQueueCannotGrowTheBudgetDoes) {
  EXPECT_THAT(softnet("300000").propose({kDrops, kSqueeze}).proposals, SizeIs(2));
}

PolicyHost ports(const char* range, const char* reuse = "2", const char* timestamps = "1") {
  return PolicyHost({{std::string(kPorts), range},
                     {std::string(kReuse), reuse},
                     {std::string(kTimestamps), timestamps},
                     {std::string(kBuckets), "65536"}});
}
Finding short_of_ports(std::string way = "10.0.0.1 > 10.0.0.2 port 80") {
  return on_host("time-wait-pressure", {kReuse, kPorts}, {of("time_wait.to", 28'000)},
                 std::move(way));
}
Finding table(std::uint64_t waiting, std::vector<Evidence> more = {}) {
  more.push_back(of("sockstat.tcp.tw", waiting));
  more.push_back(of("limit.tcp_max_tw_buckets", 65'536));
  return on_host("time-wait-pressure", {kReuse, kPorts, kBuckets}, std::move(more));
}

TEST(LocalPortsPolicyTest, TheRangeIsWidenedOnBothSides) {
  const Policy policy = ports("32768 60999").propose({short_of_ports()});
  EXPECT_THAT(steps(policy),
              ElementsAre("net.ipv4.ip_local_port_range 32768 60999 -> 10240 65535"));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kOwn));
  EXPECT_THAT(why_not(policy, kReuse), HasSubstr("after ip_local_port_range"));
}

TEST(LocalPortsPolicyTest, WhatIsWiderThanThatStays) {
  EXPECT_THAT(steps(ports("2048 60999").propose({short_of_ports()})),
              ElementsAre("net.ipv4.ip_local_port_range 2048 60999 -> 2048 65535"));
}

TEST(LocalPortsPolicyTest, OfTheWidestRangePortsAreTakenAgain) {
  for (const char* reuse : {"0", "2"})
    EXPECT_THAT(steps(ports("10240 65535", reuse).propose({short_of_ports()})),
                ElementsAre(fmt::format("net.ipv4.tcp_tw_reuse {} -> 1", reuse)));
  EXPECT_THAT(ports("10240 65535", "1").propose({short_of_ports()}).proposals, IsEmpty());
  EXPECT_THAT(why_not(ports("1024 65535").propose({short_of_ports()}), kPorts),
              HasSubstr("gives no more"));
}

TEST(LocalPortsPolicyTest, WithoutTimestampsNoPortIsTakenAgain) {
  const Policy policy = ports("10240 65535", "0", "0").propose({short_of_ports()});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kReuse), HasSubstr("needs tcp_timestamps"));
  EXPECT_THAT(ports("10240 65535", "0", "2").propose({short_of_ports()}).proposals, SizeIs(1));
  PolicyHost unknown = ports("10240 65535", "0");
  unknown.values.erase({"", std::string(kTimestamps)});
  EXPECT_THAT(unknown.propose({short_of_ports()}).proposals, IsEmpty());
}

TEST(LocalPortsPolicyTest, OnTheLoopbackPortsAreTakenAgainAlready) {
  for (const char* way : {"127.0.0.1 > 127.0.0.1 port 80", "::1 > ::1 port 80"}) {
    EXPECT_THAT(ports("10240 65535", "2").propose({short_of_ports(way)}).proposals, IsEmpty());
    EXPECT_THAT(ports("10240 65535", "0").propose({short_of_ports(way)}).proposals, SizeIs(1));
  }
}

TEST(LocalPortsPolicyTest, ATableWithRoomIsLeftAsItIs) {
  const Policy policy = ports("32768 60999").propose({table(58'982)});
  EXPECT_THAT(steps(policy),
              ElementsAre("net.ipv4.ip_local_port_range 32768 60999 -> 10240 65535"));
  EXPECT_THAT(why_not(policy, kBuckets), HasSubstr("is not reached"));
}

TEST(TimeWaitTablePolicyTest, AFullTableGetsTwiceThePlaces) {
  const Finding overflown = table(10, {of("netstat.TcpExt.TCPTimeWaitOverflow", 1)});
  for (const Finding& full : {table(58'983), overflown}) {
    const Policy policy = ports("32768 60999").propose({full});
    EXPECT_THAT(steps(policy), ElementsAre("net.ipv4.tcp_max_tw_buckets 65536 -> 131072"));
    for (const std::string_view key : {kPorts, kReuse})
      EXPECT_THAT(why_not(policy, key), HasSubstr("table of TIME_WAIT is full"));
  }
}

TEST(TimeWaitTablePolicyTest, ItTakesNoMoreThanA16thOfTheMemory) {
  PolicyHost host = ports("32768 60999");
  host.memory_bytes = 16 * 256 * 65'537;
  EXPECT_THAT(steps(host.propose({table(65'536)})),
              ElementsAre("net.ipv4.tcp_max_tw_buckets 65536 -> 65537"));
}

Finding pressure(std::uint64_t pages, std::uint64_t orphans, std::vector<Evidence> more = {}) {
  more.push_back(of("sockstat.tcp.mem", pages));
  more.push_back(of("limit.tcp_mem.pressure", 1000));
  more.push_back(of("sockstat.tcp.orphan", orphans));
  more.push_back(of("limit.tcp_max_orphans", 1000));
  return on_host("tcp-memory-pressure", {kMemory, kOrphans}, std::move(more));
}
PolicyHost tcp(std::uint64_t memory_bytes = kGiB, const char* pages = "1500 2000 3001") {
  PolicyHost host({{std::string(kMemory), pages}, {std::string(kOrphans), "4096"}});
  host.memory_bytes = memory_bytes;
  return host;
}

TEST(TcpMemoryPolicyTest, TheMarksGrowByHalf) {
  for (const Finding& pressed :
       {pressure(1000, 0), pressure(0, 0, {of("netstat.TcpExt.TCPMemoryPressures", 1)}),
        pressure(0, 0, {of("netstat.TcpExt.TCPAbortOnMemory", 1)})}) {
    const Policy policy = tcp().propose({pressed});
    EXPECT_THAT(steps(policy), ElementsAre("net.ipv4.tcp_mem 1500 2000 3001 -> 2250 3000 4501"));
    EXPECT_THAT(why_not(policy, kOrphans), HasSubstr("is not reached"));
  }
}

TEST(TcpMemoryPolicyTest, TheyStayBelowAQuarterOfTheMemory) {
  EXPECT_THAT(tcp(std::uint64_t{4502} * 4 * 4096).propose({pressure(1000, 0)}).proposals,
              SizeIs(1));
  const Policy policy = tcp(std::uint64_t{4501} * 4 * 4096).propose({pressure(1000, 0)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kMemory), HasSubstr("a quarter of the host's memory"));
}

TEST(TcpMemoryPolicyTest, PagesAreThoseOfTheHost) {
  const PolicyHost host = tcp(std::uint64_t{4502} * 4 * 4096);
  const std::vector<Finding> findings = {pressure(1000, 0)};
  PolicyInput input = host.input(findings);
  input.page_bytes = 16'384;
  EXPECT_THAT(propose(input).proposals, IsEmpty());
}

TEST(TcpMemoryPolicyTest, WhatTheCatalogueForbidsIsNotProposed) {
  const Policy policy =
      tcp(std::uint64_t{1} << 50, "1500 2000 400000000").propose({pressure(1000, 0)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kMemory), HasSubstr("600000000 is above"));
}

TEST(TcpMemoryPolicyTest, ManyOrphansGetMorePlaces) {
  for (const Finding& orphaned :
       {pressure(999, 900), pressure(999, 900, {of("netstat.TcpExt.TCPAbortOnMemory", 1)})}) {
    const Policy policy = tcp().propose({orphaned});
    EXPECT_THAT(steps(policy), ElementsAre("net.ipv4.tcp_max_orphans 4096 -> 8192"));
    EXPECT_THAT(why_not(policy, kMemory), HasSubstr("is not reached"));
  }
  EXPECT_THAT(tcp().propose({pressure(999, 899)}).proposals, IsEmpty());
}

TEST(TcpMemoryPolicyTest, OrphansMayHoldHalfOfTheMemory) {
  EXPECT_THAT(steps(tcp(kGiB / 2 + 128 * 1024).propose({pressure(0, 900)})),
              ElementsAre("net.ipv4.tcp_max_orphans 4096 -> 4097"));
  EXPECT_THAT(tcp(kGiB / 2).propose({pressure(0, 900)}).proposals, IsEmpty());
}

TEST(ConnectionTrackingPolicyTest, TheTableGetsTwiceThePlacesWithinA16thOfTheMemory) {
  const auto with = [](std::uint64_t memory_bytes) {
    PolicyHost host({{std::string(kTracked), "65536"}});
    host.memory_bytes = memory_bytes;
    return host.propose({on_host("conntrack-full", {kTracked})});
  };
  EXPECT_THAT(steps(with(kGiB)), ElementsAre("net.netfilter.nf_conntrack_max 65536 -> 131072"));
  EXPECT_THAT(steps(with(std::uint64_t{70'000} * 320 * 16)),
              ElementsAre("net.netfilter.nf_conntrack_max 65536 -> 70000"));
  EXPECT_THAT(with(std::uint64_t{65'536} * 320 * 16).proposals, IsEmpty());
}

std::string threshold(std::string_view family, int number) {
  return fmt::format("net.{}.neigh.default.gc_thresh{}", family, number);
}
Policy neighbours(const std::string& family, const char* second, const char* third,
                  std::uint64_t memory_bytes = kGiB) {
  PolicyHost host;
  for (const char* any : {"ipv4", "ipv6"}) {
    host.values[{"", threshold(any, 2)}] = second;
    host.values[{"", threshold(any, 3)}] = third;
  }
  host.memory_bytes = memory_bytes;
  const std::string_view key = find_tunable(threshold(family, 3))->key;
  return host.propose({on_host("neighbour-overflow", {key}, {}, family)});
}

TEST(NeighboursPolicyTest, TheTableOfTheFamilyGrowsWithItsCleaningUp) {
  for (const std::string family : {"ipv4", "ipv6"})
    EXPECT_THAT(
        steps(neighbours(family, "512", "1024")),
        ElementsAre(threshold(family, 3) + " 1024 -> 2048", threshold(family, 2) + " 512 -> 1024"));
}

TEST(NeighboursPolicyTest, TheProportionStaysWhereTheCeilingIsNear) {
  const std::uint64_t most = 1536 * 512 * 64;
  EXPECT_THAT(
      steps(neighbours("ipv4", "512", "1024", most)),
      ElementsAre(threshold("ipv4", 3) + " 1024 -> 1536", threshold("ipv4", 2) + " 512 -> 768"));
}

TEST(NeighboursPolicyTest, WhereTheTableCannotGrowNothingIsKeptLonger) {
  const Policy policy = neighbours("ipv4", "512", "1048576", 64 * kGiB);
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_FALSE(why_not(policy, threshold("ipv4", 2)).empty());
}

Policy datagrams(std::string_view counter, std::uint64_t memory_bytes = kGiB) {
  PolicyHost host({{std::string(kDatagrams), "212992"}, {"net.core.rmem_max", "212992"}});
  host.memory_bytes = memory_bytes;
  Finding finding =
      on_host("udp-buffer-errors", {"net.core.rmem_max", kDatagrams}, {of(counter, 5)});
  finding.where = Where::Application;
  return host.propose({finding});
}

TEST(DatagramPolicyTest, SocketsWithoutASizeOfTheirOwnGetTwiceTheBuffer) {
  for (const char* counter : {"snmp.Udp.RcvbufErrors", "snmp6.Udp6.RcvbufErrors"}) {
    const Policy policy = datagrams(counter);
    EXPECT_THAT(steps(policy), ElementsAre("net.core.rmem_default 212992 -> 425984"));
    EXPECT_EQ(policy.proposals[0].scope, ChangeScope{});
    EXPECT_THAT(why_not(policy, "net.core.rmem_max"), HasSubstr("SO_RCVBUF"));
  }
}

TEST(DatagramPolicyTest, WhatFailedToBeSentIsNoReceiveBuffer) {
  for (const char* counter : {"snmp.Udp.SndbufErrors", "snmp.Udp.MemErrors"}) {
    EXPECT_THAT(datagrams(counter).proposals, IsEmpty());
    EXPECT_EQ(why_not(datagrams(counter), kDatagrams), "no receive buffer was full");
  }
}

TEST(DatagramPolicyTest, OneSocketTakesNoMoreThanA256thOfTheMemory) {
  EXPECT_THAT(steps(datagrams("snmp.Udp.RcvbufErrors", std::uint64_t{300'000} * 256)),
              ElementsAre("net.core.rmem_default 212992 -> 300000"));
}

}  // namespace
}  // namespace netsonde
