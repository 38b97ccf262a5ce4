// SPDX-License-Identifier: Apache-2.0
#include "user/model/host_counters.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class HostCountersTest : public testing::Test {
 protected:
  using Values = std::vector<HostValue>;

  void begin(const Values& values) { counters_.begin(now_, values); }
  void after(Nanos span, const Values& values) {
    now_ += span;
    counters_.update(now_, values);
  }

  HostCounters counters_;
  Time now_ = Time(seconds(100));
};

constexpr std::uint64_t k32 = std::uint64_t{1} << 32;

TEST_F(HostCountersTest, NothingIsKnownBeforeTheFirstReading) {
  EXPECT_EQ(counters_.value("snmp.Tcp.InSegs"), std::nullopt);
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), std::nullopt);
  EXPECT_EQ(counters_.rate("snmp.Tcp.InSegs"), std::nullopt);
  EXPECT_TRUE(counters_.instances("snmp.Tcp.InSegs").empty());
}

TEST_F(HostCountersTest, ACounterHasAValueAndWhatItCountedSinceTheBeginning) {
  begin({{"snmp.Tcp.InSegs", "", 1000}});
  EXPECT_EQ(counters_.value("snmp.Tcp.InSegs"), 1000U);
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), 0U);
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 1010}});
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 1030}});
  EXPECT_EQ(counters_.value("snmp.Tcp.InSegs"), 1030U);
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), 30U);
}

TEST_F(HostCountersTest, TheRateIsThatOfTheLastRealInterval) {
  begin({{"snmp.Tcp.InSegs", "", 0}});
  EXPECT_EQ(counters_.rate("snmp.Tcp.InSegs"), std::nullopt);
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 1000}});
  after(milliseconds(2500), {{"snmp.Tcp.InSegs", "", 1050}});
  EXPECT_DOUBLE_EQ(counters_.rate("snmp.Tcp.InSegs").value(), 20);
}

TEST_F(HostCountersTest, WhatWasCountedWasCountedFromTheBeginningToTheLastReading) {
  EXPECT_EQ(counters_.counted(), Nanos(0));
  begin({{"snmp.Tcp.InSegs", "", 0}});
  EXPECT_EQ(counters_.counted(), Nanos(0));
  after(seconds(1), {});
  after(milliseconds(2500), {});
  EXPECT_EQ(counters_.counted(), milliseconds(3500));
  begin({});
  EXPECT_EQ(counters_.counted(), Nanos(0));
}

TEST_F(HostCountersTest, BegunAnewItCountsFromTheLastReading) {
  begin({{"snmp.Tcp.InErrs", "", 5}});
  after(seconds(10), {{"snmp.Tcp.InErrs", "", 7}});
  counters_.begin_anew();
  EXPECT_EQ(counters_.delta("snmp.Tcp.InErrs"), 0U);
  EXPECT_EQ(counters_.counted(), Nanos(0));
  after(seconds(10), {{"snmp.Tcp.InErrs", "", 8}, {"snmp.Tcp.RetransSegs", "", 9}});
  EXPECT_EQ(counters_.delta("snmp.Tcp.InErrs"), 1U);
  EXPECT_EQ(counters_.counted(), std::chrono::seconds(10));
}

TEST_F(HostCountersTest, TwoReadingsAtTheSameTimeHaveNoRate) {
  begin({{"snmp.Tcp.InSegs", "", 0}});
  after(seconds(0), {{"snmp.Tcp.InSegs", "", 10}});
  EXPECT_EQ(counters_.rate("snmp.Tcp.InSegs"), std::nullopt);
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), 10U);
}

TEST_F(HostCountersTest, TheBeginningForgetsWhatWasBefore) {
  begin({{"snmp.Tcp.InSegs", "", 5}, {"device.rx_bytes", "gone", 5}});
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 50}});
  begin({{"snmp.Tcp.InSegs", "", 60}});
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), 0U);
  EXPECT_EQ(counters_.rate("snmp.Tcp.InSegs"), std::nullopt);
  EXPECT_TRUE(counters_.instances("device.rx_bytes").empty());
}

TEST_F(HostCountersTest, WithoutABeginningTheFirstReadingIsOne) {
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 500}});
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), 0U);
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 501}});
  EXPECT_EQ(counters_.delta("snmp.Tcp.InSegs"), 1U);
}

TEST_F(HostCountersTest, A32BitCounterGoesOnWhenItWraps) {
  begin({{"softnet.processed", "cpu0", k32 - 10}});
  after(seconds(1), {{"softnet.processed", "cpu0", 5}});
  EXPECT_EQ(counters_.delta("softnet.processed", "cpu0"), 15U);
  after(seconds(1), {{"softnet.processed", "cpu0", k32 - 1}, {"softnet.processed", "cpu1", 0}});
  after(seconds(1), {{"softnet.processed", "cpu0", 0}});
  EXPECT_EQ(counters_.delta("softnet.processed", "cpu0"), k32 + 10);
  EXPECT_DOUBLE_EQ(counters_.rate("softnet.processed", "cpu0").value(), 1);
}

TEST_F(HostCountersTest, A32BitCounterThatFallsALittleWasStartedAgain) {
  begin({{"qdisc.drops", "eth0/fq/1:0", 1000}});
  after(seconds(1), {{"qdisc.drops", "eth0/fq/1:0", 7}});
  EXPECT_EQ(counters_.delta("qdisc.drops", "eth0/fq/1:0"), 7U);
}

TEST_F(HostCountersTest, A64BitCounterDoesNotWrapAt32) {
  begin({{"device.rx_bytes", "eth0", k32 - 10}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 5}});
  EXPECT_EQ(counters_.delta("device.rx_bytes", "eth0"), 5U);
}

TEST_F(HostCountersTest, WhatADeviceCountedBeforeItWasMadeAgainStaysCounted) {
  begin({{"device.rx_bytes", "eth0", 100}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 150}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 7}});
  EXPECT_EQ(counters_.value("device.rx_bytes", "eth0"), 7U);
  EXPECT_EQ(counters_.delta("device.rx_bytes", "eth0"), 57U);
  EXPECT_DOUBLE_EQ(counters_.rate("device.rx_bytes", "eth0").value(), 7);
}

TEST_F(HostCountersTest, ADeviceThatWasTakenAwayIsNotThere) {
  begin({{"device.rx_bytes", "eth0", 1}, {"device.rx_bytes", "veth1", 2}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 3}});
  EXPECT_EQ(counters_.value("device.rx_bytes", "veth1"), std::nullopt);
  EXPECT_EQ(counters_.delta("device.rx_bytes", "veth1"), std::nullopt);
  EXPECT_EQ(counters_.rate("device.rx_bytes", "veth1"), std::nullopt);
  EXPECT_EQ(counters_.instances("device.rx_bytes"), std::vector<std::string>{"eth0"});
}

TEST_F(HostCountersTest, ADeviceThatAppearsCountsFromZero) {
  begin({{"device.rx_bytes", "eth0", 1000}});
  after(seconds(2), {{"device.rx_bytes", "eth0", 1000}, {"device.rx_bytes", "veth1", 40}});
  EXPECT_EQ(counters_.delta("device.rx_bytes", "veth1"), 40U);
  EXPECT_DOUBLE_EQ(counters_.rate("device.rx_bytes", "veth1").value(), 20);
  EXPECT_EQ(counters_.instances("device.rx_bytes"), (std::vector<std::string>{"eth0", "veth1"}));
}

TEST_F(HostCountersTest, ADeviceThatComesBackIsANewOne) {
  begin({{"device.rx_bytes", "eth0", 1000}, {"device.rx_bytes", "veth1", 30}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 1000}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 1000}, {"device.rx_bytes", "veth1", 40}});
  EXPECT_EQ(counters_.delta("device.rx_bytes", "veth1"), 40U);
}

TEST_F(HostCountersTest, ANameThatWasNeverReadCountsFromItsFirstValue) {
  begin({{"snmp.Tcp.InSegs", "", 1}});
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 1}, {"conntrack.drop", "", 500}});
  EXPECT_EQ(counters_.delta("conntrack.drop"), 0U);
  EXPECT_EQ(counters_.rate("conntrack.drop"), std::nullopt);
  after(seconds(1), {{"snmp.Tcp.InSegs", "", 1}, {"conntrack.drop", "", 503}});
  EXPECT_EQ(counters_.delta("conntrack.drop"), 3U);
}

TEST_F(HostCountersTest, ANameThatCouldNotBeReadForAWhileGoesOn) {
  begin({{"device.rx_bytes", "eth0", 1000}});
  after(seconds(1), {{"device.rx_bytes", "eth0", 1010}});
  after(seconds(1), {});
  EXPECT_EQ(counters_.value("device.rx_bytes", "eth0"), std::nullopt);
  after(seconds(1), {{"device.rx_bytes", "eth0", 1030}});
  EXPECT_EQ(counters_.delta("device.rx_bytes", "eth0"), 30U);
  EXPECT_DOUBLE_EQ(counters_.rate("device.rx_bytes", "eth0").value(), 10);
}

TEST_F(HostCountersTest, AnInstanceThatAppearsAfterSuchAWhileCountsFromItsFirstValue) {
  begin({{"device.rx_bytes", "eth0", 1000}});
  after(seconds(1), {});
  after(seconds(1), {{"device.rx_bytes", "eth0", 1000}, {"device.rx_bytes", "eth1", 700}});
  EXPECT_EQ(counters_.delta("device.rx_bytes", "eth1"), 0U);
}

TEST_F(HostCountersTest, OfTwoWithTheSameNameTheFirstCounts) {
  begin({{"qdisc.drops", "a", 10}, {"qdisc.drops", "a", 500}, {"qdisc.drops", "b", 1}});
  after(seconds(1), {{"qdisc.drops", "a", 12}, {"qdisc.drops", "a", 900}, {"qdisc.drops", "b", 4}});
  EXPECT_EQ(counters_.value("qdisc.drops", "a"), 12U);
  EXPECT_EQ(counters_.delta("qdisc.drops", "a"), 2U);
  EXPECT_EQ(counters_.delta("qdisc.drops", "b"), 3U);
  EXPECT_EQ(counters_.instances("qdisc.drops"), (std::vector<std::string>{"a", "b"}));
}

TEST_F(HostCountersTest, TheOrderOfAReadingDoesNotMatter) {
  begin({{"device.rx_bytes", "a", 1}, {"device.tx_bytes", "a", 10}, {"device.rx_bytes", "b", 100}});
  after(seconds(1),
        {{"device.rx_bytes", "b", 103}, {"device.rx_bytes", "a", 2}, {"device.tx_bytes", "a", 12}});
  EXPECT_EQ(counters_.delta("device.rx_bytes", "a"), 1U);
  EXPECT_EQ(counters_.delta("device.tx_bytes", "a"), 2U);
  EXPECT_EQ(counters_.delta("device.rx_bytes", "b"), 3U);
}

TEST_F(HostCountersTest, AGaugeHasOnlyAValue) {
  for (const char* name :
       {"sockstat.tcp.mem", "limit.somaxconn", "snmp.Tcp.CurrEstab", "qdisc.qlen", "device.up",
        "softnet.backlog", "ring.rx", "queues.rx", "time_wait.to"}) {
    begin({{name, "", 9}});
    after(seconds(1), {{name, "", 4}});
    EXPECT_EQ(counters_.value(name), 4U) << name;
    EXPECT_EQ(counters_.delta(name), std::nullopt) << name;
    EXPECT_EQ(counters_.rate(name), std::nullopt) << name;
  }
}

TEST_F(HostCountersTest, CountersAreNoGauges) {
  for (const char* name :
       {"snmp.Tcp.RetransSegs", "netstat.TcpExt.ListenOverflows", "irq.count", "device.rx_bytes",
        "qdisc.drops", "softnet.squeezed", "conntrack.drop", "neigh.ipv4.table_fulls"})
    EXPECT_FALSE(is_gauge(name)) << name;
}

}  // namespace
}  // namespace netsonde
