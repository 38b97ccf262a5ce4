// SPDX-License-Identifier: Apache-2.0
// What the rules of the diagnosis find is what the policy understands: the figures have one name.
#include "tests/unit/host_rules_fixture.h"
#include "tests/unit/policy_fixture.h"
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class HostPolicyTest : public HostRulesTest {
 protected:
  // Of counters that have these values now and were zero before.
  std::vector<std::string> proposed(const Values& values, const PolicyHost& host) {
    Values before = values;
    for (HostValue& value : before) value.value = 0;
    read(before, values);
    return steps(host.propose(findings()));
  }
};

TEST_F(HostPolicyTest, CookiesThatComeBack) {
  const PolicyHost host({{"net.core.somaxconn", "128"}, {"net.ipv4.tcp_max_syn_backlog", "1024"}});
  EXPECT_THAT(proposed({{"netstat.TcpExt.SyncookiesSent", "", 100},
                        {"netstat.TcpExt.SyncookiesRecv", "", 90}},
                       host),
              ElementsAre("net.core.somaxconn 128 -> 256"));
}

TEST_F(HostPolicyTest, CookiesThatDoNot) {
  const PolicyHost host({{"net.core.somaxconn", "128"}, {"net.ipv4.tcp_max_syn_backlog", "1024"}});
  EXPECT_THAT(proposed({{"netstat.TcpExt.SyncookiesSent", "", 100},
                        {"netstat.TcpExt.SyncookiesRecv", "", 10}},
                       host),
              ElementsAre());
}

const PolicyHost kPorts({{"net.ipv4.ip_local_port_range", "32768 60999"},
                         {"net.ipv4.tcp_tw_reuse", "2"},
                         {"net.ipv4.tcp_max_tw_buckets", "65536"}});

TEST_F(HostPolicyTest, PortsTowardsOneService) {
  EXPECT_THAT(proposed({{"limit.local_ports", "", 100},
                        {"time_wait.local_ports", "", 95},
                        {"time_wait.to", "10.0.0.1 > 10.0.0.2 port 80", 95}},
                       kPorts),
              ElementsAre("net.ipv4.ip_local_port_range 32768 60999 -> 10240 65535"));
}

TEST_F(HostPolicyTest, PortsTowardsWhomeverTheyAre) {
  EXPECT_THAT(proposed({{"limit.local_ports", "", 100},
                        {"limit.tcp_max_tw_buckets", "", 65'536},
                        {"sockstat.tcp.tw", "", 95}},
                       kPorts),
              ElementsAre("net.ipv4.ip_local_port_range 32768 60999 -> 10240 65535"));
}

TEST_F(HostPolicyTest, AFullTableOfTimeWait) {
  EXPECT_THAT(proposed({{"limit.local_ports", "", 28'232},
                        {"limit.tcp_max_tw_buckets", "", 65'536},
                        {"sockstat.tcp.tw", "", 65'536}},
                       kPorts),
              ElementsAre("net.ipv4.tcp_max_tw_buckets 65536 -> 131072"));
  EXPECT_THAT(proposed({{"limit.local_ports", "", 28'232},
                        {"limit.tcp_max_tw_buckets", "", 65'536},
                        {"sockstat.tcp.tw", "", 30'000},
                        {"netstat.TcpExt.TCPTimeWaitOverflow", "", 4}},
                       kPorts),
              ElementsAre("net.ipv4.tcp_max_tw_buckets 65536 -> 131072"));
}

const PolicyHost kTcpMemory({{"net.ipv4.tcp_mem", "1500 2000 3000"},
                             {"net.ipv4.tcp_max_orphans", "4096"}});

TEST_F(HostPolicyTest, MemoryUnderPressure) {
  EXPECT_THAT(
      proposed({{"sockstat.tcp.mem", "", 1200}, {"limit.tcp_mem.pressure", "", 1000}}, kTcpMemory),
      ElementsAre("net.ipv4.tcp_mem 1500 2000 3000 -> 2250 3000 4500"));
  EXPECT_THAT(proposed({{"netstat.TcpExt.TCPMemoryPressures", "", 2}}, kTcpMemory),
              ElementsAre("net.ipv4.tcp_mem 1500 2000 3000 -> 2250 3000 4500"));
  EXPECT_THAT(proposed({{"netstat.TcpExt.TCPAbortOnMemory", "", 2}}, kTcpMemory),
              ElementsAre("net.ipv4.tcp_mem 1500 2000 3000 -> 2250 3000 4500"));
}

TEST_F(HostPolicyTest, TooManyOrphans) {
  EXPECT_THAT(proposed({{"sockstat.tcp.orphan", "", 4000},
                        {"limit.tcp_max_orphans", "", 4096},
                        {"netstat.TcpExt.TCPAbortOnMemory", "", 2}},
                       kTcpMemory),
              ElementsAre("net.ipv4.tcp_max_orphans 4096 -> 8192"));
}

TEST_F(HostPolicyTest, ANeighbourTableThatIsFull) {
  const PolicyHost host({{"net.ipv6.neigh.default.gc_thresh3", "1024"},
                         {"net.ipv6.neigh.default.gc_thresh2", "512"}});
  EXPECT_THAT(
      proposed({{"neigh.ipv6.entries", "", 1000}, {"limit.neigh.ipv6.gc_thresh3", "", 1024}}, host),
      ElementsAre("net.ipv6.neigh.default.gc_thresh3 1024 -> 2048",
                  "net.ipv6.neigh.default.gc_thresh2 512 -> 1024"));
}

TEST_F(HostPolicyTest, DatagramsThatFoundNoRoom) {
  const PolicyHost host({{"net.core.rmem_default", "212992"}});
  for (const char* counter : {"snmp.Udp.RcvbufErrors", "snmp6.Udp6.RcvbufErrors"})
    EXPECT_THAT(proposed({{counter, "", 3}}, host),
                ElementsAre("net.core.rmem_default 212992 -> 425984"));
}

TEST_F(HostPolicyTest, QueuesOfProcessors) {
  const PolicyHost host(
      {{"net.core.netdev_max_backlog", "1000"}, {"net.core.netdev_budget", "300"}});
  EXPECT_THAT(proposed({{"softnet.dropped", "cpu0", 3},
                        {"softnet.squeezed", "cpu0", 3},
                        {"softnet.processed", "cpu0", 3}},
                       host),
              ElementsAre("net.core.netdev_max_backlog 1000 -> 2000"));
}

Policy proposed(World& world, const PolicyHost& host) {
  return host.propose(world.all());
}

TEST(ConnectionPolicyTest, AWindowThatOurLimitKeepsSmall) {
  ev_sample s = connection();
  s.conn.netns = kOwn;
  s.rx_bytes = 40'000'000;  // 4 MB a second in round trips of 140 ms
  s.rcv_rtt_us = 140'000;
  s.rcv_wnd = 524'288;
  s.rcvbuf = 1'048'576;
  World world;
  world.has_host = true;
  world.host.begin(
      time_from_ns(at(0)),
      std::vector<HostValue>{{"netns.inode", "", kOwn}, {"limit.tcp_rmem.max", "", 1'048'576}});
  world.run({s});
  EXPECT_THAT(steps(proposed(world, PolicyHost({{"net.ipv4.tcp_rmem", "4096 131072 1048576"}}))),
              ElementsAre("net.ipv4.tcp_rmem 4096 131072 1048576 -> 4096 131072 2293760"));
}

// Of a path with 4 MB a second in round trips of 200 ms.
ev_sample sender() {
  ev_sample s = connection(1);
  s.conn.netns = kOwn;
  s.min_rtt_us = 200'000;
  s.delivery_segs = 4000;
  s.delivery_us = 1'000'000;
  return s;
}

TEST(ConnectionPolicyTest, AReceiverOnThisHostThatItsLimitKeepsSmall) {
  ev_sample s = sender(), other = other_end_of(s, 2);
  s.rwnd_limited_ms = 1000;
  other.rcvbuf = 1'048'576;
  World world;
  world.run({s, other});
  const Policy policy = proposed(world, PolicyHost({{"net.ipv4.tcp_rmem", "4096 131072 1048576"}}));
  EXPECT_THAT(steps(policy),
              ElementsAre("net.ipv4.tcp_rmem 4096 131072 1048576 -> 4096 131072 3211264"));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kContainer));
}

TEST(ConnectionPolicyTest, AReceiverElsewhere) {
  ev_sample s = sender();
  s.rwnd_limited_ms = 1000;
  World world;
  world.run({s});
  EXPECT_EQ(why_not(proposed(world, PolicyHost()), "net.ipv4.tcp_rmem"),
            "the receiver decides, and it is another host: 10.0.0.2");
}

TEST(ConnectionPolicyTest, AReceiverOnThisHostThatDoesNotRead) {
  ev_sample s = sender(), other = other_end_of(s, 2);
  s.rwnd_limited_ms = 1000;
  other.receive_queue = 7;
  World world;
  world.run({s, other});
  EXPECT_THAT(why_not(proposed(world, PolicyHost()), "net.ipv4.tcp_rmem"),
              HasSubstr("does not read"));
}

TEST(ConnectionPolicyTest, ABufferThatHoldsTheSenderBack) {
  ev_sample s = sender();
  s.sndbuf_limited_ms = 1000;
  s.sndbuf = 1'048'576;
  World world;
  world.run({s});
  EXPECT_THAT(steps(proposed(world, PolicyHost({{"net.ipv4.tcp_wmem", "4096 16384 1048576"}}))),
              ElementsAre("net.ipv4.tcp_wmem 4096 16384 1048576 -> 4096 16384 3211264"));
}

TEST(ConnectionPolicyTest, AQueueThatTheHostsLimitKeepsShort) {
  for (const std::uint64_t inode : {kOwn, kContainer}) {
    ev_sample s = listener();
    s.sk_drops = 5;
    s.receive_queue = 5;
    World world;
    world.has_host = true;
    world.host.begin(time_from_ns(at(0)), std::vector<HostValue>{{"netns.inode", "", inode},
                                                                 {"limit.somaxconn", "", 4}});
    world.run({s});
    const Policy policy = proposed(world, PolicyHost({{"net.core.somaxconn", "4"}}));
    if (inode == kOwn)
      EXPECT_THAT(steps(policy), ElementsAre("net.core.somaxconn 4 -> 16"));
    else
      EXPECT_THAT(why_not(policy, "net.core.somaxconn"), HasSubstr("of another namespace"));
  }
}

TEST(ConnectionPolicyTest, AConnectionThatDiedInAPause) {
  ev_sample s = connection();
  s.conn.netns = kOwn;
  s.data_segs_out = 10;
  s.rto_us = 200'000;
  s.last_sent_ms = 598'000;
  World world;
  world.know({s});
  world.look(2);
  s.data_segs_out = 11;
  s.last_sent_ms = s.last_received_ms = 500;
  s.send_queue = 12;
  world.happen(closed(s, 3, 0, EV_END_RESET_RECEIVED));
  world.look(4);
  EXPECT_THAT(steps(proposed(world, PolicyHost({{"net.ipv4.tcp_keepalive_time", "7200"}}))),
              ElementsAre("net.ipv4.tcp_keepalive_time 7200 -> 300"));
}

}  // namespace
}  // namespace netsonde
