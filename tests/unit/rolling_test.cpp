// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/rolling.h"

#include "tests/unit/store_fixture.h"
#include "user/model/diagnosis/diagnosis.h"

namespace netsonde {
namespace {

class RollingTest : public StoreTest {
 protected:
  RollingTest() { look(0); }

  void happen(const Event& event) {
    rolling_.before_event(event, store_);
    store_.apply(event);
    ASSERT_TRUE(rolling_.on_event(event, store_));
  }

  void look(double seconds) {
    auto tick = event<ev_tick>(EV_TICK, seconds);
    tick.sampled = true;
    happen(tick);
    ASSERT_TRUE(rolling_.on_snapshot(Snapshot(store_)));
  }

  // Every second up to that time, in which so many segments went out each.
  void run(int from, int to, std::uint32_t segments_a_second = 0) {
    for (int second = from; second <= to; ++second) {
      if (segments_a_second) {
        segments_ += segments_a_second;
        happen(sent(second - 0.5));
      }
      look(second);
    }
  }

  ev_sample sent(double seconds) const {
    ev_sample s = sample(seconds);
    s.segs_out = segments_;
    return s;
  }

  double span() { return seconds(rolling_.observe(Snapshot(store_)).span()); }

  const Watched* watched(std::uint64_t cookie = kCookie) {
    for (const Watched* w : rolling_.observe(Snapshot(store_)).connections)
      if (w->last.conn.cookie == cookie) return w;
    return nullptr;
  }

  std::uint32_t segments_ = 1000;
  RollingObserver rolling_{100};
};

TEST_F(RollingTest, CoversTenToTwentySecondsOnceThereWereTen) {
  for (int second = 1; second <= 95; ++second) {
    look(second);
    EXPECT_GE(span(), std::min(second, 10));
    EXPECT_LT(span(), 20);
  }
}

TEST_F(RollingTest, CoversAnIntervalThatIsLonger) {
  look(30);
  EXPECT_EQ(span(), 30);
  look(60);
  EXPECT_EQ(span(), 30);
}

TEST_F(RollingTest, BeforeTheFirstTenSecondsItCoversAllOfThem) {
  look(0.5);
  EXPECT_EQ(span(), 0.5);
}

TEST_F(RollingTest, WhatIsOlderThanTheWindowNoLongerCounts) {
  happen(sent(0.2));
  run(1, 3, 100);
  ASSERT_TRUE(watched());
  EXPECT_EQ(watched()->grew(&ev_sample::segs_out), 300u);
  run(4, 19);
  ASSERT_TRUE(watched());
  run(20, 20);
  EXPECT_FALSE(watched());
}

TEST_F(RollingTest, ARetransmissionOlderThanTheWindowNoLongerCounts) {
  happen(sent(0.2));
  happen(happened<ev_retransmit>(EV_RETRANSMIT, 5));
  run(5, 19, 1);
  ASSERT_TRUE(watched());
  EXPECT_EQ(watched()->resends.size(), 1u);
  run(20, 20, 1);
  ASSERT_TRUE(watched());
  EXPECT_EQ(watched()->resends.size(), 0u);
}

TEST_F(RollingTest, TheHostsCountersAreThoseOfTheWindow) {
  constexpr const char* kDropped = "softnet.dropped";
  std::uint64_t dropped = 1000;
  const auto grew = [&] {
    return rolling_.observe(Snapshot(store_)).host->delta(kDropped, "cpu0").value();
  };
  EXPECT_EQ(rolling_.observe(Snapshot(store_)).host, nullptr);
  for (int second = 1; second <= 40; ++second) {
    if (second == 2) dropped += 5;
    const HostValue value{kDropped, "cpu0", dropped};
    ASSERT_TRUE(rolling_.on_host(time_from_ns(at(second)), std::span(&value, 1)));
    look(second);
    EXPECT_EQ(grew(), second >= 2 && second < 20 ? 5U : 0U) << second;
  }
}

TEST_F(RollingTest, NothingIsLostWhereOneWindowFollowsAnother) {
  happen(sent(0.2));
  for (int second = 1; second <= 60; ++second) {
    run(second, second, 7);
    ASSERT_TRUE(watched());
    EXPECT_EQ(watched()->grew(&ev_sample::segs_out), 7 * span()) << second;
    EXPECT_EQ(watched()->ticks, span()) << second;
  }
}

TEST_F(RollingTest, AConnectionThatIsOpenedAndClosedIsSeenForAtLeastTenSeconds) {
  run(1, 9);
  ev_sample end = sample(9.5, EV_CLOSE);
  end.conn.start_ns = at(9.2);
  happen(end);
  for (int second = 10; second < 20; ++second) {
    run(second, second);
    ASSERT_TRUE(watched()) << second;
    EXPECT_TRUE(watched()->opened && watched()->closed);
  }
  run(20, 20);
  EXPECT_FALSE(watched());
}

TEST_F(RollingTest, AConnectionAtRestIsNotWatched) {
  happen(sent(0.2));
  happen(sent(5));
  EXPECT_FALSE(watched());
}

TEST_F(RollingTest, WhatWaitsAtRestIsSeenInEveryWindow) {
  ev_sample waits = sample(0.5);
  waits.receive_queue = 100;
  happen(waits);
  for (int second = 1; second <= 40; ++second) {
    run(second, second);
    ASSERT_TRUE(watched()) << second;
    EXPECT_EQ(watched()->ticks, 0u);
  }
  waits.header.time_ns = at(40.5);
  waits.receive_queue = 0;
  happen(waits);
  run(41, 60);
  EXPECT_FALSE(watched());
}

TEST_F(RollingTest, ConnectionsBeyondTheLimitAreCounted) {
  for (std::uint64_t cookie = 1; cookie <= 130; ++cookie) {
    ev_sample end = sample(0.5, EV_CLOSE);
    end.conn.start_ns = at(0.3);
    end.conn.cookie = cookie;
    happen(end);
  }
  run(1, 1);
  const Observation observation = rolling_.observe(Snapshot(store_));
  EXPECT_EQ(observation.connections.size(), 100u);
  EXPECT_EQ(observation.not_watched, 30u);
}

TEST_F(RollingTest, AFindingNamesAllItsConnections) {
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) {
    ev_sample refused = sample(0.5, EV_CLOSE);
    refused.conn.start_ns = at(0.3);
    refused.conn.cookie = cookie;
    refused.old_state = kSynSent;
    refused.error = ECONNREFUSED;
    refused.end = EV_END_RESET_RECEIVED;
    happen(refused);
  }
  run(1, 1);
  const Diagnosis diagnosis = diagnose(rolling_.observe(Snapshot(store_)));
  ASSERT_EQ(diagnosis.findings.size(), 1u);
  EXPECT_EQ(diagnosis.findings[0].id, "connect-refused");
  EXPECT_EQ(diagnosis.findings[0].subject.cookies, (std::vector<std::uint64_t>{1, 2, 3}));
}

}  // namespace
}  // namespace netsonde
