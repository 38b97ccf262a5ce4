// SPDX-License-Identifier: Apache-2.0
#include "user/model/store.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/store_fixture.h"
#include "user/model/snapshot.h"

namespace netsonde {
namespace {

// The life of a connection.

TEST_F(StoreTest, AClosedConnectionLingers) {
  send(0.5, 1000);
  store_.apply(sample(1, EV_CLOSE));
  EXPECT_TRUE(store_.connections().empty());
  ASSERT_EQ(store_.closed().size(), 1U);
  EXPECT_TRUE(connection().is_closed());
  tick(10.9);
  EXPECT_EQ(store_.closed().size(), 1U);
}

TEST_F(StoreTest, AClosedConnectionHasNoRates) {
  send(0.5, 1000);
  tick(1);
  send(1.5, 2000);
  tick(2);
  store_.apply(sample(2.5, EV_CLOSE));
  EXPECT_TRUE(std::isnan(connection().tx_rate));
}

TEST_F(StoreTest, AClosedConnectionIsForgottenAfterItsTime) {
  store_.apply(sample(1, EV_CLOSE));
  tick(2);
  tick(11.1);
  EXPECT_TRUE(store_.closed().empty());
  EXPECT_EQ(store_.find(kCookie), nullptr);
}

TEST_F(StoreTest, WhatClosedInALongIntervalIsThereAtItsEnd) {
  tick(1);
  store_.apply(sample(2, EV_CLOSE));
  tick(61);
  EXPECT_EQ(store_.closed().size(), 1U);
}

TEST_F(StoreTest, ASampleThatComesAfterItsCloseRevivesNothing) {
  store_.apply(sample(1, EV_CLOSE));
  store_.apply(sample(1.1));
  EXPECT_TRUE(store_.connections().empty());
}

TEST_F(StoreTest, AHistogramWithoutASampleMakesNoRow) {
  ev_histogram histogram = {};
  histogram.header = {
      .time_ns = kSecond, .kind = EV_HISTOGRAM, .size = sizeof(histogram), .cpu = 0};
  histogram.cookie = kCookie;
  histogram.samples = 1;
  histogram.buckets[5] = 1;
  store_.apply(histogram);
  EXPECT_TRUE(store_.connections().empty());
  store_.apply(sample(1.1));
  EXPECT_EQ(connection().rtt.p50, 5);
}

// In the first second of the machine.
ev_sample close_of(std::uint64_t cookie) {
  ev_sample close = {};
  close.header = {.time_ns = kSecond, .kind = EV_CLOSE, .size = sizeof(close), .cpu = 0};
  close.conn.cookie = cookie;
  return close;
}

TEST(StoreAfterBootTest, AClosedConnectionLingersInTheFirstSecondsOfTheMachine) {
  const Names names;
  Store store(&names);
  store.apply(close_of(kCookie));
  ev_tick tick = {};
  tick.header = {.time_ns = 2 * kSecond, .kind = EV_TICK, .size = sizeof(tick), .cpu = 0};
  store.apply(tick);
  EXPECT_EQ(store.closed().size(), 1U);
}

TEST(StoreLimitTest, TheOldestOfTooManyClosedConnectionsGoes) {
  const Names names;
  Store store(&names, {.linger_limit = 2, .linger = std::chrono::seconds(10)});
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) store.apply(close_of(cookie));
  EXPECT_EQ(store.closed().size(), 2U);
  EXPECT_EQ(store.find(1), nullptr);
  ev_tick tick = {};
  tick.header = {.time_ns = 2 * kSecond, .kind = EV_TICK, .size = sizeof(tick), .cpu = 0};
  store.apply(tick);
  EXPECT_EQ(store.totals().closed_not_kept, 1U);
}

TEST_F(StoreTest, AResetAfterTheCloseDoesNotReviveIt) {
  store_.apply(sample(1, EV_CLOSE));
  auto reset = happened<ev_reset>(EV_RESET, 1.001);
  reset.conn.state = kClose;
  reset.sent = 1;
  store_.apply(reset);
  EXPECT_TRUE(store_.connections().empty());
  tick(2);
  EXPECT_DOUBLE_EQ(totals().resets_sent_rate, 0.5);
}

TEST_F(StoreTest, TheSameSocketMayConnectAgain) {
  send(0.5, 1000);
  store_.apply(sample(0.6, EV_CLOSE));
  auto open = happened<ev_open>(EV_CONNECT, 0.7);
  open.conn.state = kSynSent;
  open.conn.start_ns = at(0.7);
  store_.apply(open);
  EXPECT_FALSE(connection().is_closed());
  EXPECT_FALSE(connection().sampled);
  ASSERT_EQ(store_.closed().size(), 1U);

  send(0.9, 45, 0.7);
  tick(1);
  EXPECT_FLOAT_EQ(connection().tx_rate, 50);
}

TEST_F(StoreTest, ASocketThatConnectsAgainBeginsAnewThoughItsCloseWasMissed) {
  send(0.5, 1000);
  auto open = happened<ev_open>(EV_CONNECT, 0.7);
  store_.apply(open);
  EXPECT_FALSE(connection().sampled);
}

TEST_F(StoreTest, AnEventTellsWhoBeforeTheFirstSampleDoes) {
  auto retransmit = happened<ev_retransmit>(EV_RETRANSMIT, 0.5);
  store_.apply(retransmit);
  EXPECT_FALSE(connection().sampled);
  EXPECT_EQ(connection().last.conn.remote_port, 443);
}

TEST_F(StoreTest, AnEventChangesTheIdentityAndKeepsTheCounters) {
  send(0.5, 1000);
  auto accept = happened<ev_open>(EV_ACCEPT, 0.6);
  accept.conn.pid = 77;
  store_.apply(accept);
  EXPECT_EQ(connection().last.conn.pid, 77U);
  EXPECT_EQ(connection().last.tx_bytes, 1000U);
}

TEST_F(StoreTest, AHandshakeIsNoConnectionYet) {
  auto retransmit = happened<ev_retransmit>(EV_RETRANSMIT, 0.5);
  retransmit.conn.state = 12;  // TCP_NEW_SYN_RECV
  store_.apply(retransmit);
  EXPECT_TRUE(store_.connections().empty());
}

TEST_F(StoreTest, AnEventWithoutASocketLeavesNoRow) {
  auto reset = event<ev_reset>(EV_RESET, 0.5);
  store_.apply(reset);
  EXPECT_TRUE(store_.connections().empty());
}

TEST_F(StoreTest, ARowThatACompletePassNoLongerMeetsVanishes) {
  send(0.5, 1000);
  tick(1, true);
  EXPECT_EQ(totals().connections, 1U);
  tick(2, true);
  EXPECT_EQ(store_.find(kCookie), nullptr);
  EXPECT_EQ(totals().vanished, 1U);
  EXPECT_EQ(totals().connections, 0U);
}

TEST_F(StoreTest, ARowStaysWhilePassesSkipWhatDidNotChange) {
  send(0.5, 1000);
  tick(1, true);
  tick(2);
  tick(3);
  EXPECT_NE(store_.find(kCookie), nullptr);
}

TEST_F(StoreTest, ARowThatOpenedDuringThePassDoesNotVanish) {
  auto open = happened<ev_open>(EV_CONNECT, 0.99);
  open.conn.start_ns = at(0.99);
  store_.apply(open);
  tick(1, true);
  EXPECT_NE(store_.find(kCookie), nullptr);
}

TEST_F(StoreTest, VanishedRowsAreCountedSinceTheStart) {
  send(0.5, 1000);
  tick(1, true);
  tick(2, true);
  tick(3, true);
  EXPECT_EQ(totals().vanished, 1U);
}

// Finding.

TEST_F(StoreTest, FindsAConnectionByThePacketsAddressesEitherWay) {
  send(0.5, 1000);
  ev_conn packet = {};
  packet.local_port = 50'000;
  packet.remote_port = 443;
  EXPECT_EQ(store_.find(packet), &connection());
  std::swap(packet.local_port, packet.remote_port);
  EXPECT_EQ(store_.find(packet), &connection());
  packet.netns = 1;
  EXPECT_EQ(store_.find(packet), nullptr);
}

TEST_F(StoreTest, APacketFindsAConnectionThatCameSinceThePacketBefore) {
  ev_conn packet = {};
  packet.local_port = 50'000;
  packet.remote_port = 443;
  EXPECT_EQ(store_.find(packet), nullptr);
  send(0.5, 1);
  EXPECT_EQ(store_.find(packet), &connection());
}

TEST_F(StoreTest, PrefersTheLiveOfTwoWithOneCookie) {
  store_.apply(sample(0.5, EV_CLOSE));
  ev_sample again = sample(2);
  again.conn.start_ns += kSecond;
  store_.apply(again);
  EXPECT_FALSE(connection().is_closed());
}

// Listeners.

TEST_F(StoreTest, AnOverflowIsDerivedWithItsCount) {
  store_.apply(listener(0.5, 3));
  tick(1);
  store_.take_derived();
  store_.apply(listener(1.5, 10));
  const std::vector<Event> derived = store_.take_derived();
  ASSERT_EQ(derived.size(), 1U);
  const auto& overflow = std::get<ev_listen_overflow>(derived[0]);
  EXPECT_EQ(overflow.header.kind, EV_LISTEN_OVERFLOW);
  EXPECT_EQ(overflow.header.size, sizeof(ev_listen_overflow));
  EXPECT_EQ(overflow.header.time_ns, at(1.5));
  EXPECT_EQ(overflow.conn.cookie, kCookie);
  EXPECT_EQ(overflow.count, 7U);
  EXPECT_EQ(overflow.queued, 5U);
  EXPECT_EQ(overflow.backlog, 4U);
  tick(2);
  EXPECT_DOUBLE_EQ(totals().listen_overflow_rate, 7);
}

TEST_F(StoreTest, AnOverflowIsDerivedOnce) {
  store_.apply(listener(0.5, 3));
  tick(1);
  store_.apply(listener(1.3, 10));
  store_.apply(listener(1.6, 10));
  EXPECT_EQ(store_.take_derived().size(), 1U);
  EXPECT_TRUE(store_.take_derived().empty());
}

TEST_F(StoreTest, OverflowsBeforeWeLookedAreNoNews) {
  store_.apply(listener(0.5, 3));
  EXPECT_TRUE(store_.take_derived().empty());
}

TEST_F(StoreTest, AnOverflowRightBeforeTheListenerClosedIsNotLost) {
  store_.apply(listener(0.5, 3));
  tick(1);
  store_.apply(listener(1.5, 4, EV_LISTEN_CLOSE));
  EXPECT_EQ(store_.take_derived().size(), 1U);
}

TEST_F(StoreTest, DropsOfAConnectionAreNoOverflow) {
  send(0.5, 0);
  tick(1);
  ev_sample s = sample(1.5);
  s.sk_drops = 5;
  store_.apply(s);
  EXPECT_TRUE(store_.take_derived().empty());
}

TEST_F(StoreTest, AClosedListenerDoesNotLinger) {
  store_.apply(listener(0.5, 0));
  tick(1);
  EXPECT_EQ(totals().listeners, 1U);
  store_.apply(listener(1.5, 0, EV_LISTEN_CLOSE));
  tick(2);
  EXPECT_EQ(store_.find(kCookie), nullptr);
  EXPECT_EQ(totals().listeners, 0U);
  EXPECT_EQ(totals().closed_rate, 0);
}

// What a view selects.

TEST_F(StoreTest, AWallClockThatNothingHoldsWraps) {
  auto tick = event<ev_tick>(EV_TICK, 0);
  tick.header.time_ns = INT64_MAX;
  tick.realtime_offset_ns = 1;
  store_.apply(tick);
  EXPECT_EQ(Snapshot(store_).realtime_ns(), INT64_MIN);
}

TEST_F(StoreTest, ASnapshotSelectsByKind) {
  send(0.5, 0);
  ev_sample other = listener(0.5, 0);
  other.conn.cookie = 43;
  store_.apply(other);
  ev_sample close = sample(0.6, EV_CLOSE);
  close.conn.cookie = 44;
  store_.apply(close);
  const Snapshot snapshot(store_);
  EXPECT_EQ(snapshot.select(Snapshot::Connections).size(), 1U);
  EXPECT_EQ(snapshot.select(Snapshot::Listeners).size(), 1U);
  EXPECT_EQ(snapshot.select(Snapshot::Closed).size(), 1U);
  EXPECT_EQ(snapshot.select(Snapshot::Connections | Snapshot::Closed).size(), 2U);
}

}  // namespace
}  // namespace netsonde
