// SPDX-License-Identifier: Apache-2.0
#include "user/model/watch.h"

#include <set>

#include "tests/unit/watch_fixture.h"

namespace netsonde {
namespace {

using Kind = AnomalyChange::Kind;

const WatchedSeries& series(std::string_view id) {
  for (const WatchedSeries& series : watched_series())
    if (series.id == id) return series;
  throw std::out_of_range(std::string(id));
}

// The table.

TEST(WatchlistTest, EachSeriesHasANameOfItsOwnAUnitAndASentence) {
  std::set<std::string_view> ids;
  for (const WatchedSeries& series : watched_series()) {
    EXPECT_TRUE(ids.insert(series.id).second) << series.id;
    EXPECT_NE(series.unit, Unit::None) << series.id;
    EXPECT_GT(series.step, 0) << series.id;
    EXPECT_TRUE(series.help.ends_with('.')) << series.id;
    EXPECT_NE(series.total != nullptr, !series.numbers[0].empty()) << series.id;
  }
}

TEST(WatchlistTest, TheSuffixOfANameIsItsUnit) {
  for (const WatchedSeries& series : watched_series()) {
    const bool bytes = series.id.ends_with("_bytes_per_s");
    EXPECT_EQ(series.unit == Unit::BytesPerSecond, bytes) << series.id;
    EXPECT_EQ(series.unit == Unit::PerSecond, !bytes && series.id.ends_with("_per_s")) << series.id;
    EXPECT_EQ(series.unit == Unit::Microseconds, series.id.ends_with("_us")) << series.id;
  }
}

TEST(WatchlistTest, ARateIsJudgedByWhatOneIntervalCounts) {
  const Nanos quick = std::chrono::milliseconds(10);
  EXPECT_DOUBLE_EQ(detector_unit(series("opened_per_s"), quick), 100);
  EXPECT_DOUBLE_EQ(detector_unit(series("tx_bytes_per_s"), quick), 150'000);
  EXPECT_DOUBLE_EQ(detector_unit(series("rtt_p50_us"), quick), 10);
  EXPECT_DOUBLE_EQ(detector_unit(series("time_wait_sockets"), quick), 1);
}

TEST_F(WatchTest, WithoutTheHostItsNumbersAreAbsent) {
  tick(1);
  const Snapshot alone(store_);
  for (const WatchedSeries& series : watched_series())
    EXPECT_TRUE(series.total || !value_of(series, alone, "eth0")) << series.id;
}

TEST_F(WatchTest, CountersAreRatesAndGaugesAreValues) {
  numbers_ = {{"snmp.Tcp.AttemptFails", "", 100}, {"sockstat.tcp.tw", "", 7}};
  after_a_second();
  numbers_ = {{"snmp.Tcp.AttemptFails", "", 103}, {"sockstat.tcp.tw", "", 9}};
  after_a_second();
  EXPECT_EQ(value_of(series("connection_failures_per_s"), snapshot(), ""), 3);
  EXPECT_EQ(value_of(series("time_wait_sockets"), snapshot(), ""), 9);
  EXPECT_EQ(value_of(series("timeouts_per_s"), snapshot(), ""), std::nullopt);
}

TEST_F(WatchTest, ASeriesWithoutInstancesSumsThem) {
  numbers_ = {{"softnet.dropped", "cpu0", 1}, {"softnet.dropped", "cpu1", 5}};
  after_a_second();
  numbers_ = {{"softnet.dropped", "cpu0", 3}, {"softnet.dropped", "cpu1", 9}};
  after_a_second();
  EXPECT_EQ(value_of(series("softnet_drops_per_s"), snapshot(), ""), 6);
}

TEST_F(WatchTest, ASumIsOfThoseThatTheKernelHas) {
  numbers_ = {{"snmp.Udp.RcvbufErrors", "", 1}};
  after_a_second();
  numbers_ = {{"snmp.Udp.RcvbufErrors", "", 5}};
  after_a_second();
  EXPECT_EQ(value_of(series("udp_receive_errors_per_s"), snapshot(), ""), 4);
}

TEST_F(WatchTest, AShareOfFewSegmentsIsAbsent) {
  for (const std::uint32_t segments : {99U, 100U}) {
    ev_sample s = sample(now_ + 0.5);
    s.segs_out = store_.find(kCookie) ? connection().last.segs_out + segments : segments;
    s.retransmitted = store_.find(kCookie) ? connection().last.retransmitted + 1 : 1;
    s.conn.start_ns = at(0.2);  // since the first tick: counted from zero
    store_.apply(s);
    after_a_second();
    EXPECT_DOUBLE_EQ(totals().retransmit_percent.value(), 100.0 / segments);
    EXPECT_EQ(value_of(series("retransmit_percent"), snapshot(), "").has_value(), segments == 100);
  }
}

// Devices.

TEST_F(WatchTest, TheLoopbackDeviceIsWatchedWhereItIsAlone) {
  receive("lo", 1000);
  EXPECT_NE(find("device_rx_bytes_per_s", "lo"), nullptr);
}

TEST_F(WatchTest, TheLoopbackDeviceIsNotWatchedBesideOthers) {
  receive("eth0", 1000);
  EXPECT_EQ(find("device_rx_bytes_per_s", "lo"), nullptr);
  EXPECT_NE(find("device_rx_bytes_per_s", "eth0"), nullptr);
}

TEST_F(WatchTest, ADeviceThatIsDownIsNotWatched) {
  numbers_ = {{"device.up", "eth1", 0}, {"device.rx_bytes", "eth1", 5}};
  receive("lo", 1000);
  EXPECT_EQ(find("device_rx_bytes_per_s", "eth1"), nullptr);
  EXPECT_NE(find("device_rx_bytes_per_s", "lo"), nullptr);
}

TEST_F(WatchTest, WhatADeviceBringsAlongIsNotCounted) {
  receive("eth0", 1000, 2);
  receive("eth1", 1'000'000'000);
  receive("eth1", 50);
  const Statistics& statistics = find("device_rx_bytes_per_s", "eth1")->statistics;
  EXPECT_EQ(statistics.count(), 1U);
  EXPECT_EQ(statistics.absent(), 1U);
  EXPECT_EQ(statistics.max(), 50);
}

TEST_F(WatchTest, ADeviceThatGoesEndsItsSeriesWithoutAnAnomaly) {
  devices_["eth0"] = 0;
  receive("eth1", 1'000'000, 200);
  devices_.erase("eth1");
  EXPECT_TRUE(receive("eth0", 0, 50).empty());
  EXPECT_EQ(find("device_rx_bytes_per_s", "eth1")->statistics.count(), 200U);
  EXPECT_EQ(find("device_rx_bytes_per_s", "eth1")->statistics.absent(), 0U);
}

TEST_F(WatchTest, ADeviceThatComesBackIsLearnedAnewAndKeepsItsStatistics) {
  devices_["eth0"] = 0;
  receive("eth1", 1'000'000, 200);
  devices_.erase("eth1");
  after_a_second();
  EXPECT_TRUE(receive("eth1", 50, 100).empty());
  EXPECT_EQ(find("device_rx_bytes_per_s", "eth1")->statistics.count(), 299U);
  EXPECT_EQ(find("device_rx_bytes_per_s", "eth1")->statistics.min(), 50);
}

TEST_F(WatchTest, AnAnomalyGoesWithItsDevice) {
  devices_["eth0"] = 0;
  receive("eth1", 10'000, 200);
  ASSERT_EQ(receive("eth1", 10'000'000, 3).size(), 1U);
  devices_.erase("eth1");
  const auto changes = after_a_second();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_FALSE(changes[0].change.began);
  EXPECT_TRUE(changes[0].gone);
  EXPECT_EQ(changes[0].lasted, std::chrono::seconds(3));
  EXPECT_FALSE(changes[0].record.running);
}

TEST_F(WatchTest, DevicesThatCannotBeReadAreAbsentAndDoNotEnd) {
  receive("eth0", 10'000, 200);
  const auto kept = std::exchange(devices_, {});
  EXPECT_TRUE(after_a_second().empty());
  devices_ = kept;
  EXPECT_EQ(receive("eth0", 10'000'000, 3).size(), 1U);
  EXPECT_EQ(find("device_rx_bytes_per_s", "eth0")->statistics.absent(), 1U);
}

// Anomalies.

TEST_F(WatchTest, AnAnomalyIsToldAsItBeginsAndAsItEnds) {
  receive("eth0", 10'000, 200);
  const auto began = receive("eth0", 10'000'000, 3);
  ASSERT_EQ(began.size(), 1U);
  EXPECT_EQ(began[0].record.series->id, "device_rx_bytes_per_s");
  EXPECT_EQ(began[0].record.instance, "eth0");
  EXPECT_EQ(began[0].change.kind, Kind::Spike);
  EXPECT_DOUBLE_EQ(began[0].change.value, 10'000'000);
  EXPECT_TRUE(began[0].record.running);
  const auto ended = receive("eth0", 10'000, 10);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_FALSE(ended[0].change.began);
  EXPECT_GE(ended[0].lasted, std::chrono::seconds(3));
  EXPECT_EQ(ended[0].record.anomalies, 1U);
  EXPECT_FALSE(ended[0].record.running);
}

TEST_F(WatchTest, WhatItObservedIsTheSumOfTheIntervals) {
  receive("eth0", 1, 3);
  EXPECT_EQ(watch_.samples(), 3U);
  EXPECT_EQ(watch_.observed(), std::chrono::seconds(3));
}

}  // namespace
}  // namespace netsonde
