// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/store_fixture.h"

namespace netsonde {
namespace {

// Rates.

TEST_F(StoreTest, RatesAreUnknownUntilTwoTicksSawAnOldConnection) {
  send(0.5, 1000);
  tick(1);
  EXPECT_TRUE(std::isnan(connection().tx_rate));
  EXPECT_FALSE(connection().limit_known);
  tick(2);
  EXPECT_FALSE(std::isnan(connection().tx_rate));
}

TEST_F(StoreTest, RatesAreWhatChangedBetweenTwoSamplesBySecond) {
  send(0.5, 1000);
  tick(1);
  ev_sample s = sample(2.5);
  s.tx_bytes = 5000;
  s.rx_bytes = 600;
  s.retransmitted = 8;
  store_.apply(s);
  tick(3);
  EXPECT_FLOAT_EQ(connection().tx_rate, 2000);
  EXPECT_FLOAT_EQ(connection().rx_rate, 300);
  EXPECT_FLOAT_EQ(connection().retransmit_rate, 4);
}

TEST_F(StoreTest, BusyIsHowManyHadDataOnTheirWayOnAverage) {
  send(0.5, 1000);
  tick(1);
  ev_sample s = sample(2.5);
  s.busy_ms += 500;
  s.rwnd_limited_ms += 200;
  s.sndbuf_limited_ms += 100;
  store_.apply(s);
  tick(3);
  EXPECT_DOUBLE_EQ(totals().busy, 0.4);
  tick(4);
  EXPECT_EQ(totals().busy, 0);
}

TEST_F(StoreTest, RatesFallToZeroWithoutNews) {
  send(0.5, 1000);
  tick(1);
  send(1.5, 2000);
  tick(2);
  tick(3);
  EXPECT_EQ(connection().tx_rate, 0);
}

TEST_F(StoreTest, ARateAfterARestIsOfTheLastInterval) {
  send(0.5, 1000);
  for (const int second : {1, 2, 3, 4}) tick(second);
  send(4.5, 2000);
  tick(5);
  EXPECT_FLOAT_EQ(connection().tx_rate, 2000);
  send(5.5, 3000);
  tick(6);
  EXPECT_FLOAT_EQ(connection().tx_rate, 1000);
}

TEST_F(StoreTest, AConnectionThatBeganSinceTheLastTickCountsFromZero) {
  send(0.9, 2700, 0.5);
  tick(1);
  EXPECT_FLOAT_EQ(connection().tx_rate, 3000);
  EXPECT_DOUBLE_EQ(totals().tx_rate, 2700);
  EXPECT_DOUBLE_EQ(totals().opened_rate, 1);
}

TEST_F(StoreTest, AConnectionThatThePassJustMissedIsCountedByTheNext) {
  tick(1);
  send(1.5, 3000, 0.99);
  tick(2);
  EXPECT_DOUBLE_EQ(totals().tx_rate, 3000);
  EXPECT_DOUBLE_EQ(totals().opened_rate, 1);
}

TEST_F(StoreTest, ConnectedAreThoseWhoseHandshakeEndedWell) {
  ev_sample failed = sample(0.5, EV_CLOSE), asks = sample(0.5), brief = sample(0.6, EV_CLOSE);
  failed.conn.start_ns = asks.conn.start_ns = brief.conn.start_ns = at(0.4);
  asks.conn.cookie = 43;
  asks.conn.state = kSynSent;
  brief.conn.cookie = 44;
  brief.established_ns = at(0.5);
  for (const ev_sample& s : {failed, asks, brief}) store_.apply(s);
  tick(1);
  EXPECT_DOUBLE_EQ(totals().opened_rate, 3);
  EXPECT_DOUBLE_EQ(totals().connected_rate, 1);
  asks.header.time_ns = at(1.5);
  asks.conn.state = kEstablished;
  asks.established_ns = at(1.2);
  store_.apply(asks);
  store_.apply(asks);
  tick(2);
  EXPECT_DOUBLE_EQ(totals().connected_rate, 1);
  store_.apply(asks);
  tick(3);
  EXPECT_EQ(totals().connected_rate, 0);
}

TEST_F(StoreTest, OfAnOlderConnectionOnlyChangesCount) {
  tick(1);
  send(1.5, 3000);
  tick(2);
  EXPECT_EQ(totals().tx_rate, 0);
  EXPECT_EQ(totals().opened_rate, 0);
  send(2.5, 4000);
  tick(3);
  EXPECT_DOUBLE_EQ(totals().tx_rate, 1000);
}

TEST_F(StoreTest, CountersOf32BitsMayWrap) {
  ev_sample s = sample(0.5);
  s.retransmitted = 0xfffffffe;
  store_.apply(s);
  tick(1);
  s.header.time_ns = at(1.5);
  s.retransmitted = 3;
  store_.apply(s);
  tick(2);
  EXPECT_FLOAT_EQ(connection().retransmit_rate, 5);
}

TEST_F(StoreTest, TheIntervalIsThatBetweenTheTwoNewestTicks) {
  tick(1.5);
  EXPECT_EQ(store_.interval(), std::chrono::milliseconds(1500));
}

// Round-trip times.

TEST_F(StoreTest, AFewSamplesAreTheirOwnQuantiles) {
  ev_sample s = sample(0.5);
  s.rtt_samples = 3;
  s.first_rtts[0] = 30;
  s.first_rtts[1] = 10;
  s.first_rtts[2] = 20;
  store_.apply(s);
  EXPECT_EQ(connection().rtt.samples, 3U);
  EXPECT_EQ(connection().rtt.p50, 20);
}

TEST_F(StoreTest, AHistogramBelongsToTheSampleBehindIt) {
  auto histogram = event<ev_histogram>(EV_HISTOGRAM, 0.5);
  histogram.cookie = kCookie;
  histogram.samples = 10;
  histogram.buckets[rtt_bucket(12)] = 10;
  store_.apply(histogram);
  ev_sample s = sample(0.5);
  s.rtt_samples = 10;
  store_.apply(s);
  EXPECT_EQ(connection().rtt.samples, 10U);
  EXPECT_EQ(connection().rtt.p50, 12);
}

// Totals.

TEST_F(StoreTest, RetransmitPercentIsAbsentWhenNothingWasSent) {
  tick(1);
  EXPECT_FALSE(totals().retransmit_percent);
}

TEST_F(StoreTest, RetransmitPercentIsThatOfTheInterval) {
  ev_sample s = sample(0.5);
  s.segs_out = 1000;
  s.retransmitted = 500;
  store_.apply(s);
  tick(1);
  s.segs_out = 1200;
  s.retransmitted = 503;
  store_.apply(s);
  tick(2);
  ASSERT_TRUE(totals().retransmit_percent);
  EXPECT_DOUBLE_EQ(*totals().retransmit_percent, 1.5);
}

TEST_F(StoreTest, AConnectionThatOpenedAndClosedBetweenTwoTicksIsInTheTotals) {
  ev_sample close = sample(0.7, EV_CLOSE);
  close.conn.start_ns = at(0.5);
  close.tx_bytes = 300;
  close.segs_out = 10;
  close.retransmitted = 1;
  close.srtt_us = 1000;
  store_.apply(close);
  tick(1);
  EXPECT_DOUBLE_EQ(totals().tx_rate, 300);
  EXPECT_DOUBLE_EQ(totals().opened_rate, 1);
  EXPECT_DOUBLE_EQ(totals().closed_rate, 1);
  EXPECT_DOUBLE_EQ(totals().retransmit_percent.value(), 10);
  EXPECT_DOUBLE_EQ(totals().rtt_p50_us.value(), 1000);
  EXPECT_EQ(totals().connections, 0U);
}

TEST_F(StoreTest, WhatAConnectionDidBetweenTheLastTickAndItsCloseIsInTheTotals) {
  send(0.5, 1000);
  tick(1);
  ev_sample close = sample(1.5, EV_CLOSE);
  close.tx_bytes = 1400;
  store_.apply(close);
  tick(2);
  EXPECT_DOUBLE_EQ(totals().tx_rate, 400);
  EXPECT_DOUBLE_EQ(totals().closed_rate, 1);
  tick(3);
  EXPECT_EQ(totals().tx_rate, 0);
}

TEST_F(StoreTest, TotalsCountLiveSocketsByState) {
  send(0.5, 1000);
  ev_sample other = listener(0.5, 0);
  other.conn.cookie = 43;
  store_.apply(other);
  tick(1);
  EXPECT_EQ(totals().connections, 1U);
  EXPECT_EQ(totals().listeners, 1U);
  EXPECT_EQ(totals().by_state[kEstablished], 1U);
  EXPECT_EQ(totals().by_state[kListen], 1U);
}

TEST_F(StoreTest, RoundTripTimesAreThoseOfConnectionsActiveInTheInterval) {
  ev_sample s = sample(0.5);
  s.srtt_us = 1000;
  store_.apply(s);
  tick(1);
  s.segs_in = 1;
  store_.apply(s);
  tick(2);
  EXPECT_DOUBLE_EQ(totals().rtt_p50_us.value(), 1000);
  store_.apply(s);
  tick(3);
  EXPECT_FALSE(totals().rtt_p50_us);
}

TEST_F(StoreTest, ResetsAreCountedByDirection) {
  auto reset = event<ev_reset>(EV_RESET, 0.5);
  reset.sent = 1;
  store_.apply(reset);
  reset.sent = 0;
  store_.apply(reset);
  store_.apply(reset);
  tick(1);
  EXPECT_DOUBLE_EQ(totals().resets_sent_rate, 1);
  EXPECT_DOUBLE_EQ(totals().resets_received_rate, 2);
}

TEST_F(StoreTest, NoRateComesFromTheFirstTick) {
  const Names names;
  Store store(&names);
  store.apply(sample(0, EV_CLOSE));
  store.apply(event<ev_tick>(EV_TICK, 1));
  EXPECT_EQ(store.totals().closed_rate, 0);
  EXPECT_EQ(store.interval(), Nanos(0));
}

// Drops and losses.

class DropTest : public StoreTest {
 protected:
  DropTest() { names_.set_drop_reasons({{1, "NETFILTER_DROP"}, {2, "TCP_OLD_DATA"}}); }
  void count(std::uint32_t reason, std::uint64_t count) {
    auto drops = event<ev_drop_count>(EV_DROP_COUNT, 0.5);
    drops.key.reason = reason;
    drops.count = count;
    store_.apply(drops);
  }
};

TEST_F(DropTest, RatesAreOfWhatIsNewInTheInterval) {
  count(1, 10);
  tick(1);
  EXPECT_DOUBLE_EQ(totals().drop_rate, 10);
  count(1, 14);
  tick(2);
  EXPECT_DOUBLE_EQ(totals().drop_rate, 4);
}

TEST_F(DropTest, BenignOnesAreCountedApart) {
  count(2, 10);
  tick(1);
  EXPECT_EQ(totals().drop_rate, 0);
  EXPECT_DOUBLE_EQ(totals().benign_drop_rate, 10);
}

TEST_F(DropTest, WhatTheKernelOnlyCountsIsBenign) {
  auto tick = event<ev_tick>(EV_TICK, 1);
  tick.benign_drops = 6;
  store_.apply(tick);
  EXPECT_DOUBLE_EQ(totals().benign_drop_rate, 6);
}

TEST_F(DropTest, TheMostFrequentComesFirst) {
  count(1, 1);
  count(2, 5);
  const std::vector<DropCount> drops = store_.drops();
  ASSERT_EQ(drops.size(), 2U);
  EXPECT_EQ(drops[0].count, 5U);
  EXPECT_FALSE(drops[0].harmful);
  EXPECT_TRUE(drops[1].harmful);
}

TEST_F(StoreTest, EventsAboveTheRateLimitAreNotLost) {
  auto tick = event<ev_tick>(EV_TICK, 1);
  tick.lost[EV_LOST_EVENTS] = 3;
  tick.lost[EV_LOST_SAMPLES] = 4;
  tick.lost[EV_LOST_RATE] = 100;
  store_.apply(tick);
  EXPECT_EQ(store_.lost(), 7U);
}

}  // namespace
}  // namespace netsonde
