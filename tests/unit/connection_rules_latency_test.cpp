// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Small messages: the round trip of so many of the samples took about 40 ms.
struct Samples {
  std::uint32_t delayed, quick;
};
class Messages : public World {
 public:
  explicit Messages(const Samples& samples, const ev_sample& s = small(),
                    std::uint32_t us = 40'000) {
    know({connection()});
    auto histogram = event<ev_histogram>(EV_HISTOGRAM, 0.1);
    histogram.cookie = kCookie;
    happen(histogram);
    histogram.buckets[rtt_bucket(us)] = samples.delayed;
    histogram.buckets[rtt_bucket(1000)] = samples.quick;
    histogram.samples = samples.delayed + samples.quick;
    histogram.header.time_ns = at(0.2);
    step(s, 1);
    happen(histogram);
    step(s, 2);
  }

  static ev_sample small() {
    ev_sample s = connection();
    s.data_segs_out = 10;
    s.tx_bytes = 1000;
    s.min_rtt_us = 2000;
    return s;
  }

  std::size_t count() { return found("delayed-ack").size(); }
};

TEST(DelayedAckRulesTest, AQuarterOfTheRoundTripsIsFound) {
  EXPECT_EQ(Messages({3, 9}).count(), 1U);
  EXPECT_EQ(Messages({3, 10}).count(), 0U);
  EXPECT_EQ(Messages({2, 0}).count(), 0U);
  EXPECT_EQ(Messages({3, 0}).count(), 1U);
}

TEST(DelayedAckRulesTest, FortyMillisecondsAndSomeAreMeant) {
  const ev_sample s = Messages::small();
  EXPECT_EQ(Messages({9, 0}, s, 32'000).count(), 0U);
  EXPECT_EQ(Messages({9, 0}, s, 37'000).count(), 1U);
  EXPECT_EQ(Messages({9, 0}, s, 58'000).count(), 1U);
  EXPECT_EQ(Messages({9, 0}, s, 66'000).count(), 0U);
}

TEST(DelayedAckRulesTest, ThePathNeedsLessThanTenMilliseconds) {
  ev_sample near = Messages::small(), far = near;
  near.min_rtt_us = 9'999;
  far.min_rtt_us = 10'000;
  EXPECT_EQ(Messages({3, 0}, near).count(), 1U);
  EXPECT_EQ(Messages({3, 0}, far).count(), 0U);
}

TEST(DelayedAckRulesTest, TheMessagesAreSmall) {
  ev_sample half = Messages::small(), less = half, none = half, bulk = half;
  half.tx_bytes = 5000;
  less.tx_bytes = 4999;
  none.data_segs_out = 0;
  bulk.in_flight = 4;
  EXPECT_EQ(Messages({3, 0}, half).count(), 0U);
  EXPECT_EQ(Messages({3, 0}, less).count(), 1U);
  EXPECT_EQ(Messages({3, 0}, none).count(), 0U);
  EXPECT_EQ(Messages({3, 0}, bulk).count(), 0U);
  Messages mixed({3, 0}, bulk);
  mixed.step(Messages::small(), 3);
  EXPECT_EQ(mixed.count(), 0U);
  mixed.step(Messages::small(), 4);
  EXPECT_EQ(mixed.count(), 1U);
}

TEST(DelayedAckRulesTest, TheFiguresAreHowManyWaitedAndHowLong) {
  ev_sample s = Messages::small();
  s.not_sent = 10;  // held back by Nagle's algorithm
  s.in_flight = 1;
  Messages world({4, 6}, s);
  const Finding finding = world.only("delayed-ack");
  const double us = 4 * rtt_bucket_middle(rtt_bucket(40'000));
  EXPECT_EQ(verdict(finding), "warning application high");
  EXPECT_EQ(finding.impact.time, std::chrono::microseconds(static_cast<std::int64_t>(us)));
  EXPECT_EQ(figures(finding),
            "rtt_samples_36_to_60_ms=4 count, rtt_samples=10 count, min_rtt_us=2000 us, "
            "looks_with_a_small_rest_held_back=2 count");
  EXPECT_NE(finding.text.find("4 round trips took about 40ms where the path needs 2.00ms"),
            std::string::npos)
      << finding.text;
}

// Ten segments, a pause until the third second, and some more with a smaller window.
class Paused : public World {
 public:
  explicit Paused(std::uint32_t cwnd = 10, std::uint32_t rto_us = 200'000,
                  std::uint32_t more = 40) {
    ev_sample s = connection();
    s.data_segs_out = 10;
    s.cwnd = 40;
    s.rto_us = rto_us;
    know({s});
    look(2);
    s.data_segs_out = 10 + more;
    s.tx_bytes = 5000;
    s.cwnd = cwnd;
    step(s, 3);
  }
};

// As the kernel counts it: by the end of the burst the window has grown again.
ev_sample restarted(std::uint32_t times, std::uint32_t segments) {
  ev_sample s = connection();
  s.cwnd = 40;
  s.data_segs_out = segments;
  s.idle_restarts = times;
  s.restart_cwnd_before = 41;
  s.restart_cwnd_after = 12;
  s.restart_pause_ms = 700;
  return s;
}

TEST(IdleRestartRulesTest, AWindowThatShrankOverAPauseLongerThanTheRtoIsFound) {
  EXPECT_EQ(Paused(39).found("idle-restart").size(), 1U);
  EXPECT_EQ(Paused(40).found("idle-restart").size(), 0U);
  EXPECT_EQ(Paused(10, 1'999'000).found("idle-restart").size(), 1U);
  EXPECT_EQ(Paused(10, 2'000'000).found("idle-restart").size(), 0U);
}

TEST(IdleRestartRulesTest, AWindowThatHasGrownAgainByTheNextLookIsFound) {
  World world;
  world.know({connection()});
  world.step(restarted(2, 50), 1);
  world.step(restarted(3, 75), 2);
  EXPECT_EQ(figures(world.only("idle-restart")),
            "restarts=3 count, cwnd_before_pause=41 segments, cwnd_after_pause=12 segments, "
            "pause_ms=700 ms, rto_us=0 us");
}

TEST(IdleRestartRulesTest, OnlyWhatWasCutMeanwhileCounts) {
  World world;
  world.know({restarted(5, 50)});
  world.step(restarted(5, 100), 1);
  EXPECT_TRUE(world.found("idle-restart").empty());
}

TEST(IdleRestartRulesTest, BurstsThatFitIntoTheSmallerWindowDoNotWaitForIt) {
  World fits, waits;
  for (World* world : {&fits, &waits}) world->know({connection()});
  fits.step(restarted(3, 36), 1);
  waits.step(restarted(3, 37), 1);
  EXPECT_TRUE(fits.found("idle-restart").empty());
  EXPECT_EQ(waits.found("idle-restart").size(), 1U);
  EXPECT_TRUE(Paused(10, 200'000, 10).found("idle-restart").empty());
  EXPECT_EQ(Paused(10, 200'000, 11).found("idle-restart").size(), 1U);
}

TEST(IdleRestartRulesTest, TheFiguresAreTheWindowBeforeAndAfter) {
  Paused world;
  const Finding finding = world.only("idle-restart");
  EXPECT_EQ(verdict(finding), "info host high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=5000");
  EXPECT_EQ(figures(finding),
            "restarts=1 count, cwnd_before_pause=40 segments, cwnd_after_pause=10 segments, "
            "pause_ms=2000 ms, rto_us=200000 us");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_slow_start_after_idle");
  EXPECT_NE(finding.text.find("cut from 40 to 10 segments"), std::string::npos) << finding.text;
}

TEST(IdleRestartRulesTest, WhereTheHostDoesNotRestartItIsSomethingElse) {
  for (const std::uint64_t setting : {0U, 1U}) {
    Paused world;
    world.has_host = true;
    world.host.begin(time_from_ns(at(0)),
                     std::vector<HostValue>{{"setting.tcp_slow_start_after_idle", "", setting}});
    EXPECT_EQ(world.found("idle-restart").size(), setting);
  }
  Paused unknown;
  unknown.has_host = true;
  EXPECT_EQ(unknown.found("idle-restart").size(), 1U);
}

// Over within less than twenty round trips of 5 ms, with more than ten segments.
ev_sample short_flow(std::uint64_t cookie) {
  ev_sample s = opened(1, cookie);
  s.srtt_us = 5000;
  s.tx_bytes = 10'001;
  s.cwnd = 20;
  s = closed(s, 1);
  s.header.time_ns = at(1) + 99'999'999;
  return s;
}

std::size_t slow_starts(
    int flows, void (*change)(ev_sample&) = [](ev_sample&) {}) {
  World world;
  for (int cookie = 1; cookie <= flows; ++cookie) {
    ev_sample s = short_flow(static_cast<std::uint64_t>(cookie));
    change(s);
    world.happen(s);
  }
  world.look(2);
  return world.found("slow-start").size();
}

TEST(SlowStartRulesTest, SeveralThatEndedWhileTheirWindowGrewAreFound) {
  EXPECT_EQ(slow_starts(3), 1U);
  EXPECT_EQ(slow_starts(2), 0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.tx_bytes = 10'000; }), 0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.header.time_ns = at(1.1); }), 0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.srtt_us = 4999, s.header.time_ns = at(1.01); }),
            0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.cwnd = 11; }), 1U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.cwnd = 10; }), 0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.retransmitted = 1; }), 0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.recoveries = 1; }), 0U);
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.losses = 1; }), 0U);
}

TEST(SlowStartRulesTest, AGrownRoundTripOrWhatIsRememberedOfThePathMayHaveEndedIt) {
  EXPECT_EQ(slow_starts(3, [](ev_sample& s) { s.ssthresh = 15; }), 1U);
}

TEST(SlowStartRulesTest, OnlyThoseThatBeganAndEndedMeanwhileCount) {
  World old, open;
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) {
    ev_sample s = short_flow(cookie);
    s.conn.start_ns = at(-0.01);
    s.header.time_ns = at(0.05);
    old.happen(s);
    ev_sample still = short_flow(cookie);
    still.header.kind = EV_SAMPLE;
    still.conn.state = kEstablished;
    open.happen(still);
  }
  old.look(2);
  open.look(2);
  EXPECT_TRUE(old.found("slow-start").empty());
  EXPECT_TRUE(open.found("slow-start").empty());
}

TEST(SlowStartRulesTest, TheFiguresAreOfAllAndOfTheLargest) {
  World world;
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) {
    ev_sample s = short_flow(cookie);
    s.header.time_ns = at(1) + 50'000'000;
    if (cookie == 2) s.tx_bytes = 30'000, s.cwnd = 60, s.srtt_us = 6000;
    world.happen(s);
  }
  world.look(2);
  const Finding finding = world.only("slow-start");
  EXPECT_EQ(verdict(finding), "info application high");
  EXPECT_EQ(cost(finding), "connections=3 bytes=50002 ms=150");
  EXPECT_EQ(figures(finding), "tx_bytes=50002 bytes, srtt_us=6000 us, cwnd_segments=60 segments");
}

}  // namespace
}  // namespace netsonde
