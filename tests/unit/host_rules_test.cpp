// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/host_rules_fixture.h"

namespace netsonde {
namespace {

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

TEST_F(HostRulesTest, WithoutTheHostsCountersItsRulesAreNotAmongTheChecked) {
  const Diagnosis diagnosis = this->diagnosis();
  EXPECT_EQ(std::ranges::count(diagnosis.checked, std::string_view("qdisc-drops")), 0);
  EXPECT_EQ(std::ranges::count(diagnosis.not_checked, std::string_view("qdisc-drops")), 1);
  EXPECT_EQ(std::ranges::count(diagnosis.checked, std::string_view("random-loss")), 1);
}

TEST_F(HostRulesTest, WithoutSysOnlyTheRuleThatNeedsItIsNotChecked) {
  const std::vector<std::string_view> none, irqs = {"irq-imbalance"};
  const auto not_checked = [this](const Values& values) {
    read(values, values);
    return diagnosis().not_checked;
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
  const auto found = diagnosis().findings;
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].confidence, Confidence::Medium);
  EXPECT_FALSE(found[0].doubt.empty());
}

}  // namespace
}  // namespace netsonde
