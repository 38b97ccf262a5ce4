// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "user/model/diagnosis/diagnosis.h"

namespace netsonde {
namespace {

// Readings as /proc, rtnetlink and ethtool give them: what no test machine can be made to do, and
// beside it what looks alike and is no fault.
class HostRulesTest : public testing::Test {
 protected:
  using Values = std::vector<HostValue>;

  // Ten seconds lie between the two readings.
  void read(const Values& before, const Values& after) {
    host_.begin(from_, before);
    host_.update(from_ + std::chrono::seconds(10), after);
  }

  std::vector<Finding> findings() {
    ev_tick tick = {};
    tick.header.kind = EV_TICK;
    tick.header.time_ns =
        static_cast<std::uint64_t>((from_ + std::chrono::seconds(10)).time_since_epoch().count());
    store_.apply(tick);
    const Snapshot snapshot(store_, &host_);
    return diagnose(Observer(from_).observe(snapshot, Filter())).findings;
  }

  std::optional<Finding> only(std::string_view id) {
    auto all = findings();
    EXPECT_EQ(all.size(), 1U);
    if (all.size() != 1) return std::nullopt;
    EXPECT_EQ(all[0].id, id);
    return std::move(all[0]);
  }

  Time from_ = Time(std::chrono::seconds(100));
  Names names_;
  Store store_{&names_};
  HostCounters host_;
};

TEST_F(HostRulesTest, ACpuThatDropsPacketsIsFound) {
  read({{"softnet.dropped", "cpu0", 5}, {"softnet.dropped", "cpu1", 5}},
       {{"softnet.dropped", "cpu0", 5}, {"softnet.dropped", "cpu1", 105}});
  const auto finding = only("softnet-drops");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "cpu1");
  EXPECT_EQ(finding->severity, Severity::Critical);
  EXPECT_EQ(finding->impact.segments, 100U);
}

TEST_F(HostRulesTest, DropsOfLongAgoAreNoNews) {
  read({{"softnet.dropped", "cpu0", 5},
        {"softnet.squeezed", "cpu0", 7},
        {"qdisc.drops", "eth0/fq", 9}},
       {{"softnet.dropped", "cpu0", 5},
        {"softnet.squeezed", "cpu0", 7},
        {"qdisc.drops", "eth0/fq", 9}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, ACpuOutOfBudgetIsFound) {
  read({{"softnet.squeezed", "cpu3", 0}}, {{"softnet.squeezed", "cpu3", 12}});
  const auto finding = only("softnet-squeeze");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::Info);
}

TEST_F(HostRulesTest, DamagedFramesOfACardAreFoundWithWhatToLookAt) {
  read({{"device.rx_packets", "eth0", 0},
        {"device.rx_errors", "eth0", 2},
        {"device.rx_crc_errors", "eth0", 2}},
       {{"device.rx_packets", "eth0", 900},
        {"device.rx_errors", "eth0", 32},
        {"device.rx_crc_errors", "eth0", 32}});
  const auto finding = only("device-errors");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "eth0");
  EXPECT_EQ(finding->impact.segments, 30U);  // counted in two places, happened once
  EXPECT_NE(finding->advice.find("cable"), std::string::npos);
}

TEST_F(HostRulesTest, WhatADeviceDropsOnPurposeIsNoError) {
  read({{"device.rx_packets", "eth0", 0},
        {"device.rx_dropped", "eth0", 0},
        {"device.rx_nohandler", "eth0", 0}},
       {{"device.rx_packets", "eth0", 9},
        {"device.rx_dropped", "eth0", 9},
        {"device.rx_nohandler", "eth0", 9}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, AQueueThatDropsIsFound) {
  read({{"qdisc.drops", "eth0/tbf/1:0", 0}, {"qdisc.packets", "eth0/tbf/1:0", 0}},
       {{"qdisc.drops", "eth0/tbf/1:0", 40}, {"qdisc.packets", "eth0/tbf/1:0", 4000}});
  const auto finding = only("qdisc-drops");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "eth0/tbf/1:0");
}

TEST_F(HostRulesTest, AnOverworkedCpuThatGetsMostInterruptsIsFound) {
  read({{"irq.count", "eth0/27/cpu0", 0},
        {"irq.count", "eth0/28/cpu1", 0},
        {"softnet.squeezed", "cpu0", 0}},
       {{"irq.count", "eth0/27/cpu0", 90'000},
        {"irq.count", "eth0/28/cpu1", 1'000},
        {"softnet.squeezed", "cpu0", 3},
        {"queues.rx", "eth0", 2},
        {"queues.rx_rps", "eth0", 0}});
  const auto all = findings();
  const auto finding = std::ranges::find(all, std::string_view("irq-imbalance"), &Finding::id);
  ASSERT_NE(finding, all.end());
  EXPECT_EQ(finding->subject.part, "eth0");
  for (const char* field : {"queues.rx", "queues.rx_rps"})
    EXPECT_EQ(std::ranges::count(finding->evidence, field, &Evidence::field), 1) << field;
}

TEST_F(HostRulesTest, AllInterruptsOnOneCpuThatKeepsUpAreFine) {
  read({{"irq.count", "eth0/27/cpu0", 0},
        {"irq.count", "eth0/28/cpu1", 0},
        {"softnet.squeezed", "cpu0", 0}},
       {{"irq.count", "eth0/27/cpu0", 90'000},
        {"irq.count", "eth0/28/cpu1", 0},
        {"softnet.squeezed", "cpu0", 0},
        {"queues.rx", "eth0", 2}});
  EXPECT_TRUE(findings().empty());
}

// Fixtures of /proc/stat and /sys: ten seconds in which each CPU spent so many milliseconds on
// interrupts and softirqs, with as many packets a millisecond as given.
class CpuFixtureTest : public HostRulesTest {
 protected:
  void spend(const std::vector<std::uint64_t>& softirq_ms, std::uint64_t packets_per_ms = 10) {
    Values before = {{"cpu.clock_ms", "", 500'000}, {"device.rx_packets", "eth0", 0}};
    Values after = {{"cpu.clock_ms", "", 510'000}, {"device.rx_packets", "eth0", 90'000}};
    for (std::size_t i = 0; i < softirq_ms.size(); ++i) {
      const std::string cpu = "cpu" + std::to_string(i);
      for (Values* values : {&before, &after}) {
        const std::uint64_t ms = values == &after ? softirq_ms[i] : 0;
        values->push_back({"cpu.irq_ms", cpu, 70'000 + ms / 10});
        values->push_back({"cpu.softirq_ms", cpu, 80'000 + ms - ms / 10});
        values->push_back({"softnet.processed", cpu, 5 + ms * packets_per_ms});
      }
    }
    after.insert(after.end(), setup_.begin(), setup_.end());
    read(before, after);
  }

  Values setup_;
};

TEST_F(CpuFixtureTest, ACpuThatAloneWorksForTheNetworkIsFound) {
  setup_ = {{"queues.rx", "eth0", 1}, {"queues.rx_rps", "eth0", 0}};
  spend({200, 9300, 100, 0});
  const auto finding = only("softirq-hot-cpu");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "cpu1");
  EXPECT_EQ(finding->impact.segments, 93'000U);
  EXPECT_NE(finding->text.find("93%"), std::string::npos) << finding->text;
  EXPECT_NE(finding->advice.find("/sys/class/net/eth0/queues/rx-0/rps_cpus"), std::string::npos)
      << finding->advice;
}

TEST_F(CpuFixtureTest, TheAdviceIsOnWhatThereIs) {
  setup_ = {{"queues.rx", "eth0", 4}, {"queues.rx_rps", "eth0", 0}};
  spend({9300, 0});
  EXPECT_NE(only("softirq-hot-cpu")->advice.find("4 receive queues"), std::string::npos);
  setup_ = {{"queues.rx", "eth0", 1}, {"queues.rx_rps", "eth0", 1}};
  spend({9300, 0});
  EXPECT_EQ(only("softirq-hot-cpu")->advice.find("is off"), std::string::npos);
  setup_ = {};
  spend({9300, 0});
  EXPECT_EQ(only("softirq-hot-cpu")->advice.find("eth0"), std::string::npos);
}

TEST_F(CpuFixtureTest, CpusThatAreAllBusyWithTheNetworkAreFine) {
  spend({9300, 9000, 8800, 9100});
  EXPECT_TRUE(findings().empty());
}

TEST_F(CpuFixtureTest, OneAboveAndTheOthersAtHalfIsFine) {
  spend({9000, 4500});
  EXPECT_TRUE(findings().empty());
}

TEST_F(CpuFixtureTest, ACpuThatIsBusyOtherwiseIsFine) {
  spend({7900, 100});  // the rest of its time is user time, or idle: the same to the network
  EXPECT_TRUE(findings().empty());
}

TEST_F(CpuFixtureTest, ACpuThatIsBusyWithOtherInterruptsIsFine) {
  spend({9300, 100}, 0);
  EXPECT_TRUE(findings().empty());
}

TEST_F(CpuFixtureTest, TheOnlyCpuIsFine) {
  spend({9300});
  EXPECT_TRUE(findings().empty());
}

TEST_F(CpuFixtureTest, ACpuThatCameBackIsNotTakenForBusy) {
  spend({100, 1'400'000, 0});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, AnOffloadThatCouldBeOnIsFoundWhereMuchIsMoved) {
  read({{"device.rx_packets", "eth0", 0},
        {"device.rx_bytes", "eth0", 0},
        {"offload.tso", "eth0", 0},
        {"offload.tso.fixed", "eth0", 0}},
       {{"device.rx_packets", "eth0", 1},
        {"device.rx_bytes", "eth0", 1'000'000'000},
        {"offload.tso", "eth0", 0},
        {"offload.tso.fixed", "eth0", 0}});
  const auto finding = only("offloads-off");
  ASSERT_TRUE(finding);
  EXPECT_NE(finding->text.find("tso"), std::string::npos);
}

TEST_F(HostRulesTest, AnOffloadThatTheDeviceLacksIsFine) {
  read({{"device.rx_packets", "eth0", 0},
        {"device.rx_bytes", "eth0", 0},
        {"offload.tso", "eth0", 0},
        {"offload.tso.fixed", "eth0", 1}},
       {{"device.rx_packets", "eth0", 1},
        {"device.rx_bytes", "eth0", 1'000'000'000},
        {"offload.tso", "eth0", 0},
        {"offload.tso.fixed", "eth0", 1}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, AFullConnectionTrackingTableIsFound) {
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

TEST_F(HostRulesTest, AHalfFullConnectionTrackingTableIsFine) {
  read({{"conntrack.count", "", 30'000},
        {"limit.conntrack", "", 65'536},
        {"conntrack.insert_failed", "", 0}},
       {{"conntrack.count", "", 33'000},
        {"limit.conntrack", "", 65'536},
        {"conntrack.insert_failed", "", 4}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, AFullNeighbourTableIsFound) {
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

TEST_F(HostRulesTest, ANeighbourTableWithRoomIsFine) {
  read({{"neigh.ipv4.entries", "", 10}, {"limit.neigh.ipv4.gc_thresh3", "", 1024}},
       {{"neigh.ipv4.entries", "", 500}, {"limit.neigh.ipv4.gc_thresh3", "", 1024}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, BuffersBeyondThePressureMarkAreFound) {
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

TEST_F(HostRulesTest, ManyOrphansAreFound) {
  read({{"sockstat.tcp.orphan", "", 10}, {"limit.tcp_max_orphans", "", 1000}},
       {{"sockstat.tcp.orphan", "", 950}, {"limit.tcp_max_orphans", "", 1000}});
  EXPECT_TRUE(only("tcp-memory-pressure"));
}

TEST_F(HostRulesTest, BuffersBelowTheMarkAreFine) {
  read({{"sockstat.tcp.mem", "", 10},
        {"limit.tcp_mem.pressure", "", 1000},
        {"sockstat.tcp.orphan", "", 3}},
       {{"sockstat.tcp.mem", "", 900},
        {"limit.tcp_mem.pressure", "", 1000},
        {"sockstat.tcp.orphan", "", 9}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, AsManyInTimeWaitAsPortsAreFound) {
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

TEST_F(HostRulesTest, EachWayThatHoldsNearlyAllLocalPortsIsFound) {
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

TEST_F(HostRulesTest, ManyInTimeWaitOnManyWaysAreFine) {
  const Values values = {{"sockstat.tcp.tw", "", 290},
                         {"limit.local_ports", "", 100},
                         {"time_wait.local_ports", "", 180},
                         {"time_wait.to", "10.0.0.1 > 10.0.0.2 port 80", 89},
                         {"time_wait.to", "10.0.0.1 > 10.0.0.3 port 80", 89}};
  read(values, values);
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, ConnectionsInTimeWaitThatHoldNoLocalPortAreFine) {
  const Values values = {{"sockstat.tcp.tw", "", 290},
                         {"limit.local_ports", "", 100},
                         {"time_wait.local_ports", "", 0}};
  read(values, values);
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, PortsThatAreTakenAgainAreLessOfAConcern) {
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

TEST_F(HostRulesTest, AFullTableIsFoundWhateverTheWays) {
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

TEST_F(HostRulesTest, SomeInTimeWaitAreFine) {
  read({{"sockstat.tcp.tw", "", 100},
        {"limit.tcp_max_tw_buckets", "", 131'072},
        {"limit.local_ports", "", 28'232}},
       {{"sockstat.tcp.tw", "", 9000},
        {"limit.tcp_max_tw_buckets", "", 131'072},
        {"limit.local_ports", "", 28'232}});
  EXPECT_TRUE(findings().empty());
}

TEST_F(HostRulesTest, DroppedRequestsAreWorseThanCookies) {
  read({{"netstat.TcpExt.SyncookiesSent", "", 0}, {"netstat.TcpExt.TCPReqQFullDrop", "", 0}},
       {{"netstat.TcpExt.SyncookiesSent", "", 50}, {"netstat.TcpExt.TCPReqQFullDrop", "", 5}});
  const auto finding = only("syn-cookies");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->severity, Severity::Critical);
  EXPECT_EQ(finding->impact.attempts, 55U);
}

TEST_F(HostRulesTest, DamagedPacketsAreFound) {
  read({{"snmp.Tcp.InCsumErrors", "", 1}, {"snmp.Udp.InCsumErrors", "", 1}},
       {{"snmp.Tcp.InCsumErrors", "", 4}, {"snmp.Udp.InCsumErrors", "", 2}});
  const auto finding = only("checksum-errors");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->impact.segments, 4U);
}

TEST_F(HostRulesTest, DatagramsWithoutRoomAreFound) {
  read({{"snmp.Udp.RcvbufErrors", "", 0}, {"snmp.Udp.NoPorts", "", 0}},
       {{"snmp.Udp.RcvbufErrors", "", 7}, {"snmp.Udp.NoPorts", "", 9}});
  const auto finding = only("udp-buffer-errors");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->impact.segments, 7U);
}

TEST_F(HostRulesTest, RefusedDataInASynIsFound) {
  read({{"netstat.TcpExt.TCPFastOpenActiveFail", "", 0}},
       {{"netstat.TcpExt.TCPFastOpenActiveFail", "", 2}});
  EXPECT_TRUE(only("fastopen-fallback"));
}

TEST_F(HostRulesTest, WithoutTheHostsCountersItsRulesAreNotAmongTheChecked) {
  const Snapshot snapshot(store_);
  const Diagnosis diagnosis = diagnose(Observer(from_).observe(snapshot, Filter()));
  EXPECT_EQ(std::ranges::count(diagnosis.checked, std::string_view("qdisc-drops")), 0);
  EXPECT_EQ(std::ranges::count(diagnosis.not_checked, std::string_view("qdisc-drops")), 1);
  EXPECT_EQ(std::ranges::count(diagnosis.checked, std::string_view("random-loss")), 1);
}

TEST_F(HostRulesTest, WithoutSysOnlyTheRuleThatNeedsItIsNotChecked) {
  const std::vector<std::string_view> none, irqs = {"irq-imbalance"};
  const auto not_checked = [this](const Values& values) {
    read(values, values);
    const Snapshot snapshot(store_, &host_);
    return diagnose(Observer(from_).observe(snapshot, Filter())).not_checked;
  };
  EXPECT_EQ(not_checked({{"device.rx_packets", "eth0", 1}}), irqs);
  EXPECT_EQ(not_checked({{"device.rx_packets", "eth0", 1}, {"queues.rx", "eth0", 1}}), none);
}

TEST_F(HostRulesTest, WhenEventsWereLostNothingIsCertain) {
  read({{"netstat.TcpExt.SyncookiesSent", "", 0}}, {{"netstat.TcpExt.SyncookiesSent", "", 50}});
  ev_tick tick = {};
  tick.header.kind = EV_TICK;
  tick.header.time_ns = 1;
  tick.lost[EV_LOST_EVENTS] = 3;
  store_.apply(tick);
  const Snapshot snapshot(store_, &host_);
  const auto found = diagnose(Observer(from_).observe(snapshot, Filter())).findings;
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].confidence, Confidence::Medium);
  EXPECT_FALSE(found[0].doubt.empty());
}

}  // namespace
}  // namespace netsonde
