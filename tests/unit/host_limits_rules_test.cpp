// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/host_rules_fixture.h"

namespace netsonde {
namespace {

class HostLimitsRulesTest : public HostRulesTest {};

TEST_F(HostLimitsRulesTest, AFullConnectionTrackingTableIsFound) {
  read(
      {{"conntrack.count", "", 65'000}, {"limit.conntrack", "", 65'536}, {"conntrack.drop", "", 0}},
      {{"conntrack.count", "", 65'536},
       {"limit.conntrack", "", 65'536},
       {"conntrack.drop", "", 40}});
  const auto finding = only("conntrack-full");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::Critical);
  EXPECT_EQ(finding->impact.attempts, 40U);
}

TEST_F(HostLimitsRulesTest, AHalfFullConnectionTrackingTableIsFine) {
  read({{"conntrack.count", "", 30'000},
        {"limit.conntrack", "", 65'536},
        {"conntrack.insert_failed", "", 0}},
       {{"conntrack.count", "", 33'000},
        {"limit.conntrack", "", 65'536},
        {"conntrack.insert_failed", "", 4}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostLimitsRulesTest, AFullNeighbourTableIsFound) {
  read({{"neigh.ipv4.table_fulls", "", 0},
        {"neigh.ipv4.entries", "", 900},
        {"limit.neigh.ipv4.gc_thresh3", "", 1024}},
       {{"neigh.ipv4.table_fulls", "", 8},
        {"neigh.ipv4.entries", "", 1024},
        {"limit.neigh.ipv4.gc_thresh3", "", 1024}});
  const auto finding = only("neighbour-overflow");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "ipv4");
}

TEST_F(HostLimitsRulesTest, ANeighbourTableWithRoomIsFine) {
  read({{"neigh.ipv4.entries", "", 10}, {"limit.neigh.ipv4.gc_thresh3", "", 1024}},
       {{"neigh.ipv4.entries", "", 500}, {"limit.neigh.ipv4.gc_thresh3", "", 1024}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostLimitsRulesTest, BuffersBeyondThePressureMarkAreFound) {
  read({{"sockstat.tcp.mem", "", 10},
        {"limit.tcp_mem.pressure", "", 1000},
        {"netstat.TcpExt.TCPAbortOnMemory", "", 0}},
       {{"sockstat.tcp.mem", "", 1200},
        {"limit.tcp_mem.pressure", "", 1000},
        {"netstat.TcpExt.TCPAbortOnMemory", "", 2}});
  const auto finding = only("tcp-memory-pressure");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::Critical);
}

TEST_F(HostLimitsRulesTest, ManyOrphansAreFound) {
  read({{"sockstat.tcp.orphan", "", 10}, {"limit.tcp_max_orphans", "", 1000}},
       {{"sockstat.tcp.orphan", "", 950}, {"limit.tcp_max_orphans", "", 1000}});
  EXPECT_TRUE(only("tcp-memory-pressure"));
}

TEST_F(HostLimitsRulesTest, BuffersBelowTheMarkAreFine) {
  read({{"sockstat.tcp.mem", "", 10},
        {"limit.tcp_mem.pressure", "", 1000},
        {"sockstat.tcp.orphan", "", 3}},
       {{"sockstat.tcp.mem", "", 900},
        {"limit.tcp_mem.pressure", "", 1000},
        {"sockstat.tcp.orphan", "", 9}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostLimitsRulesTest, AsManyInTimeWaitAsPortsAreFound) {
  read({{"sockstat.tcp.tw", "", 100},
        {"limit.tcp_max_tw_buckets", "", 131'072},
        {"limit.local_ports", "", 28'232}},
       {{"sockstat.tcp.tw", "", 27'900},
        {"limit.tcp_max_tw_buckets", "", 131'072},
        {"limit.local_ports", "", 28'232}});
  const auto finding = only("time-wait-pressure");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->confidence, Confidence::Medium);  // they may go to many services
}

TEST_F(HostLimitsRulesTest, EachWayThatHoldsNearlyAllLocalPortsIsFound) {
  const Values values = {{"sockstat.tcp.tw", "", 290},
                         {"limit.tcp_max_tw_buckets", "", 131'072},
                         {"limit.local_ports", "", 100},
                         {"time_wait.local_ports", "", 275},
                         {"time_wait.to", "10.0.0.1 > 10.0.0.2 port 80", 95},
                         {"time_wait.to", "10.0.0.1 > 10.0.0.2 port 81", 89},
                         {"time_wait.to", "fd00::1 > fd00::2 port 80", 91}};
  read(values, values);
  const auto all = findings();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].id, "time-wait-pressure");
  EXPECT_EQ(all[0].subject.part, "10.0.0.1 > 10.0.0.2 port 80");
  EXPECT_EQ(all[0].impact.connections, 95U);
  EXPECT_EQ(all[0].confidence, Confidence::High);
  EXPECT_EQ(all[1].subject.part, "fd00::1 > fd00::2 port 80");
}

TEST_F(HostLimitsRulesTest, ManyInTimeWaitOnManyWaysAreFine) {
  const Values values = {{"sockstat.tcp.tw", "", 290},
                         {"limit.local_ports", "", 100},
                         {"time_wait.local_ports", "", 180},
                         {"time_wait.to", "10.0.0.1 > 10.0.0.2 port 80", 89},
                         {"time_wait.to", "10.0.0.1 > 10.0.0.3 port 80", 89}};
  read(values, values);
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostLimitsRulesTest, ConnectionsInTimeWaitThatHoldNoLocalPortAreFine) {
  const Values values = {{"sockstat.tcp.tw", "", 290},
                         {"limit.local_ports", "", 100},
                         {"time_wait.local_ports", "", 0}};
  read(values, values);
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostLimitsRulesTest, PortsThatAreTakenAgainAreLessOfAConcern) {
  const auto confidence = [this](std::uint64_t reuse, const char* way) {
    const Values values = {{"limit.local_ports", "", 100},
                           {"setting.tcp_tw_reuse", "", reuse},
                           {"time_wait.local_ports", "", 95},
                           {"time_wait.to", way, 95}};
    read(values, values);
    const auto finding = only("time-wait-pressure");
    return finding ? finding->confidence : Confidence::Low;
  };
  EXPECT_EQ(confidence(0, "127.0.0.1 > 127.0.0.1 port 80"), Confidence::High);
  EXPECT_EQ(confidence(2, "127.0.0.1 > 127.0.0.1 port 80"), Confidence::Medium);
  EXPECT_EQ(confidence(2, "10.0.0.1 > 10.0.0.2 port 80"), Confidence::High);
  EXPECT_EQ(confidence(1, "10.0.0.1 > 10.0.0.2 port 80"), Confidence::Medium);
}

TEST_F(HostLimitsRulesTest, AFullTableIsFoundWhateverTheWays) {
  const Values values = {{"sockstat.tcp.tw", "", 290},
                         {"limit.tcp_max_tw_buckets", "", 300},
                         {"limit.local_ports", "", 100},
                         {"time_wait.local_ports", "", 0}};
  read(values, values);
  const auto finding = only("time-wait-pressure");
  ASSERT_TRUE(finding);
  EXPECT_TRUE(finding->subject.part.empty());
  EXPECT_EQ(finding->confidence, Confidence::High);
}

TEST_F(HostLimitsRulesTest, SomeInTimeWaitAreFine) {
  read({{"sockstat.tcp.tw", "", 100},
        {"limit.tcp_max_tw_buckets", "", 131'072},
        {"limit.local_ports", "", 28'232}},
       {{"sockstat.tcp.tw", "", 9000},
        {"limit.tcp_max_tw_buckets", "", 131'072},
        {"limit.local_ports", "", 28'232}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostLimitsRulesTest, DroppedRequestsAreWorseThanCookies) {
  read({{"netstat.TcpExt.SyncookiesSent", "", 0}, {"netstat.TcpExt.TCPReqQFullDrop", "", 0}},
       {{"netstat.TcpExt.SyncookiesSent", "", 50}, {"netstat.TcpExt.TCPReqQFullDrop", "", 5}});
  const auto finding = only("syn-cookies");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::Critical);
  EXPECT_EQ(finding->impact.attempts, 55U);
}

// Where every request gets one, cookies tell of no full queue.
TEST_F(HostLimitsRulesTest, CookiesForAllAreNoFault) {
  for (const std::uint64_t mode : {1, 2}) {
    read({{"netstat.TcpExt.SyncookiesSent", "", 0}, {"setting.tcp_syncookies", "", mode}},
         {{"netstat.TcpExt.SyncookiesSent", "", 50}, {"setting.tcp_syncookies", "", mode}});
    EXPECT_EQ(findings().size(), mode == 1 ? 1U : 0U);
  }
}

TEST_F(HostLimitsRulesTest, DamagedPacketsAreFound) {
  read({{"snmp.Tcp.InCsumErrors", "", 1}, {"snmp.Udp.InCsumErrors", "", 1}},
       {{"snmp.Tcp.InCsumErrors", "", 4}, {"snmp.Udp.InCsumErrors", "", 2}});
  const auto finding = only("checksum-errors");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->impact.segments, 4U);
}

TEST_F(HostLimitsRulesTest, DatagramsWithoutRoomAreFound) {
  read({{"snmp.Udp.RcvbufErrors", "", 0}, {"snmp.Udp.NoPorts", "", 0}},
       {{"snmp.Udp.RcvbufErrors", "", 7}, {"snmp.Udp.NoPorts", "", 9}});
  const auto finding = only("udp-buffer-errors");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->impact.segments, 7U);
  EXPECT_EQ(finding->where, Where::Application);
  EXPECT_THAT(finding->tunables, testing::Contains("net.core.rmem_default"));
}

TEST_F(HostLimitsRulesTest, WhatCouldNotBeSentIsNoReadersFault) {
  read({{"snmp.Udp.SndbufErrors", "", 0}, {"snmp.Udp.MemErrors", "", 0}},
       {{"snmp.Udp.SndbufErrors", "", 7}, {"snmp.Udp.MemErrors", "", 0}});
  const auto unsent = only("udp-buffer-errors");
  ASSERT_TRUE(unsent);
  EXPECT_EQ(unsent->where, Where::Host);
  EXPECT_THAT(unsent->tunables, testing::IsEmpty());
  EXPECT_THAT(unsent->text, testing::HasSubstr("7 were not sent"));
  read({{"snmp.Udp.MemErrors", "", 0}}, {{"snmp.Udp.MemErrors", "", 3}});
  const auto no_memory = only("udp-buffer-errors");
  ASSERT_TRUE(no_memory);
  EXPECT_THAT(no_memory->tunables, testing::ElementsAre("net.ipv4.udp_mem"));
}

TEST_F(HostLimitsRulesTest, RefusedDataInASynIsFound) {
  read({{"netstat.TcpExt.TCPFastOpenActiveFail", "", 0}},
       {{"netstat.TcpExt.TCPFastOpenActiveFail", "", 2}});
  EXPECT_TRUE(only("fastopen-fallback"));
}

}  // namespace
}  // namespace netsonde
