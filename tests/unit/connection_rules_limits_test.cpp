// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// What stands on its way leaves no room for one more segment in the peer's window.
ev_sample waits_for_window(ev_sample s) {
  s.not_sent = 1000;
  s.send_queue = 2000;
  s.snd_wnd = 1999;
  return s;
}
// All that was written is on its way, and fills two thirds of the buffer.
ev_sample waits_for_buffer(ev_sample s) {
  s.in_flight = 1;
  s.sndbuf = 3000;
  s.wmem_queued = 2001;
  return s;
}
// A segment stands although the peer's window has room.
ev_sample waits_for_cwnd(ev_sample s) {
  s.not_sent = s.send_queue = kMss;
  return s;
}

// Counters of the time spent so far, one after the other, a look at the end of each.
struct Spent {
  std::uint32_t busy_ms, rwnd_ms, sndbuf_ms;
  ev_sample (*waits)(ev_sample) = [](ev_sample s) { return s; };
};
struct Sent : World {
  explicit Sent(const std::vector<Spent>& all, ev_sample s = connection()) {
    know({connection(s.conn.cookie)});
    for (int second = 1; const Spent& more : all) {
      s.busy_ms += more.busy_ms;
      s.rwnd_limited_ms += more.rwnd_ms;
      s.sndbuf_limited_ms += more.sndbuf_ms;
      step(more.waits(s), second++);
    }
  }
};

TEST(ReceiveWindowRulesTest, ATenthOfASecondAndOfTheSendingTimeIsFound) {
  expect(
      "receive-window-limited", connection(),
      {{"99 ms, all of the time", 0, [](ev_sample& s) { s.rwnd_limited_ms = 99; }},
       {"100 ms, all of the time", 1, [](ev_sample& s) { s.rwnd_limited_ms = 100; }},
       {"199 ms of 2 s", 0,
        [](ev_sample& s) { s.rwnd_limited_ms = 199, s.busy_ms = 1000, s.sndbuf_limited_ms = 801; }},
       {"200 ms of 2 s", 1, [](ev_sample& s) {
          s.rwnd_limited_ms = 200, s.busy_ms = 1000, s.sndbuf_limited_ms = 800;
        }}});
}

TEST(ReceiveWindowRulesTest, WhatLooksFoundCountsWhereItIsMostOfTheTime) {
  EXPECT_EQ(
      Sent({{499, 0, 0, waits_for_window}, {501, 0, 0}}).found("receive-window-limited").size(),
      0U);
  EXPECT_EQ(
      Sent({{501, 0, 0, waits_for_window}, {499, 0, 0}}).found("receive-window-limited").size(),
      1U);
}

TEST(ReceiveWindowRulesTest, HalfOfTheSendingTimeIsAWarning) {
  EXPECT_EQ(verdict(Sent({{0, 500, 0}, {501, 0, 0}}).only("receive-window-limited")),
            "info peer medium");
  EXPECT_EQ(verdict(Sent({{0, 500, 0}, {500, 0, 0}}).only("receive-window-limited")),
            "warning peer medium");
}

TEST(ReceiveWindowRulesTest, TheFiguresAreTheKernelsAndThoseOfTheLooks) {
  ev_sample s = connection();
  s.tx_bytes = 5000;
  s.srtt_us = 3000;
  s.delivery_segs = 4;
  s.delivery_us = 2000;
  s.rcv_wnd = 500;
  Sent world({{0, 100, 0}, {600, 0, 0, waits_for_window}, {300, 0, 0, waits_for_window}}, s);
  Sent less({{0, 100, 0}, {600, 0, 0, waits_for_window}, {300, 0, 0}}, s);
  EXPECT_EQ(figures(world.only("receive-window-limited")),
            "waited_for_window_ms=1000 ms, sending_ms=1000 ms, share_percent=100 percent, "
            "receive_window_limited_ms=100 ms, send_window_bytes=1999 bytes, srtt_us=3000 us, "
            "min_rtt_us=1000 us, delivery_bytes_per_s=2000000 bytes/s");
  const Finding finding = less.only("receive-window-limited");
  EXPECT_EQ(figures(finding),
            "waited_for_window_ms=700 ms, sending_ms=1000 ms, share_percent=70 percent, "
            "receive_window_limited_ms=100 ms, send_window_bytes=1048576 bytes, srtt_us=3000 us, "
            "min_rtt_us=1000 us, delivery_bytes_per_s=2000000 bytes/s");
  EXPECT_EQ(cost(finding), "connections=1 bytes=5000 ms=700");
  EXPECT_NE(finding.text.find("1.0MiB held this connection back for 700ms"), std::string::npos)
      << finding.text;
}

TEST(ReceiveWindowRulesTest, ADeliveryRateNobodyMeasuredIsNoFigure) {
  for (const auto& [segments, us] : {std::pair(0U, 2000U), {4U, 0U}}) {
    ev_sample s = connection();
    s.delivery_segs = segments;
    s.delivery_us = us;
    EXPECT_EQ(figures(Sent({{0, 500, 0}}, s).only("receive-window-limited")).find("delivery"),
              std::string::npos);
  }
}

TEST(ReceiveWindowRulesTest, AShortestRoundTripNobodyMeasuredIsNoFigure) {
  for (const std::uint32_t us : {0U, ~0U}) {
    ev_sample s = connection();
    s.min_rtt_us = us;
    EXPECT_EQ(figures(Sent({{0, 500, 0}}, s).only("receive-window-limited")).find("min_rtt"),
              std::string::npos);
  }
}

// Both ends are on this host.
Finding with_reader(std::uint32_t unread, std::uint16_t options = 0) {
  ev_sample s = connection(1), other = other_end_of(s, 2);
  s.rwnd_limited_ms = 1000;
  other.receive_queue = unread;
  other.options |= options;
  other.rcvbuf = 5000;
  World world;
  world.run({s, other});
  return world.only("receive-window-limited");
}

TEST(ReceiveWindowRulesTest, TheOtherEndOnThisHostTellsWhoseDoingItIs) {
  const Finding reads = with_reader(0), waits = with_reader(77);
  EXPECT_EQ(verdict(reads), "warning peer high");
  EXPECT_EQ(tunables(reads), "ipv4.tcp_rmem");
  EXPECT_TRUE(figures(reads).ends_with(", peer.netns=2, peer.receive_buffer_bytes=5000 bytes"))
      << figures(reads);
  EXPECT_EQ(verdict(waits), "warning application high");
  EXPECT_EQ(verdict(with_reader(1)), "warning application high");
  EXPECT_TRUE(waits.tunables.empty());
  EXPECT_TRUE(figures(waits).ends_with(", min_rtt_us=1000 us, peer.receive_queue_bytes=77 bytes"))
      << figures(waits);
  EXPECT_TRUE(waits.advice.starts_with("client[7] at the other end")) << waits.advice;
}

TEST(ReceiveWindowRulesTest, AReaderOnThisHostThatFixedItsBufferHasNoSetting) {
  const Finding fixed = with_reader(0, EV_OPT_RCVBUF_LOCKED);
  EXPECT_EQ(verdict(fixed), "warning application high");
  EXPECT_TRUE(fixed.tunables.empty());
  EXPECT_TRUE(fixed.advice.starts_with("client[7] at the other end, on this host, fixed"))
      << fixed.advice;
  EXPECT_TRUE(figures(fixed).ends_with(", min_rtt_us=1000 us")) << figures(fixed);
}

TEST(SendBufferRulesTest, ATenthOfASecondAndOfTheSendingTimeIsFound) {
  expect(
      "send-buffer-limited", connection(),
      {{"99 ms, all of the time", 0, [](ev_sample& s) { s.sndbuf_limited_ms = 99; }},
       {"100 ms, all of the time", 1, [](ev_sample& s) { s.sndbuf_limited_ms = 100; }},
       {"199 ms of 2 s", 0,
        [](ev_sample& s) { s.sndbuf_limited_ms = 199, s.busy_ms = 1000, s.rwnd_limited_ms = 801; }},
       {"200 ms of 2 s", 1, [](ev_sample& s) {
          s.sndbuf_limited_ms = 200, s.busy_ms = 1000, s.rwnd_limited_ms = 800;
        }}});
}

TEST(SendBufferRulesTest, WhatLooksFoundCountsWhereItIsMostOfTheTime) {
  EXPECT_EQ(Sent({{499, 0, 0, waits_for_buffer}, {501, 0, 0}}).found("send-buffer-limited").size(),
            0U);
  EXPECT_EQ(Sent({{501, 0, 0, waits_for_buffer}, {499, 0, 0}}).found("send-buffer-limited").size(),
            1U);
}

TEST(SendBufferRulesTest, WhoFixedTheSizeIsToBlame) {
  ev_sample s = connection();
  const Finding host = Sent({{0, 0, 500}, {501, 0, 0}}, s).only("send-buffer-limited");
  EXPECT_EQ(verdict(host), "info host high");
  EXPECT_EQ(tunables(host), "ipv4.tcp_wmem");
  s.options |= EV_OPT_SNDBUF_LOCKED;
  const Finding application = Sent({{0, 0, 500}, {500, 0, 0}}, s).only("send-buffer-limited");
  EXPECT_EQ(verdict(application), "warning application high");
  EXPECT_TRUE(application.tunables.empty());
  EXPECT_NE(application.advice.find("SO_SNDBUF"), std::string::npos);
}

TEST(SendBufferRulesTest, TheFiguresAreTheKernelsAndThoseOfTheLooks) {
  ev_sample s = connection();
  s.tx_bytes = 5000;
  s.sndbuf = 3000;
  Sent world({{0, 0, 100}, {600, 0, 0, waits_for_buffer}, {300, 0, 0}}, s);
  const Finding finding = world.only("send-buffer-limited");
  EXPECT_EQ(figures(finding),
            "waited_for_buffer_ms=700 ms, sending_ms=1000 ms, share_percent=70 percent, "
            "send_buffer_limited_ms=100 ms, send_buffer_bytes=3000 bytes, srtt_us=1000 us, "
            "min_rtt_us=1000 us");
  EXPECT_TRUE(finding.text.starts_with("The send buffer of 2.9KiB was too small")) << finding.text;
  EXPECT_EQ(cost(finding), "connections=1 bytes=5000 ms=700");
}

TEST(CongestionWindowRulesTest, MostOfTheSendingTimeAndATenthOfASecondIsFound) {
  const std::string_view id = "congestion-window-limited";
  EXPECT_EQ(Sent({{499, 0, 0, waits_for_cwnd}, {501, 0, 0}}).found(id).size(), 0U);
  EXPECT_EQ(Sent({{501, 0, 0, waits_for_cwnd}, {499, 0, 0}}).found(id).size(), 1U);
  EXPECT_EQ(Sent({{99, 0, 0, waits_for_cwnd}}).found(id).size(), 0U);
  EXPECT_EQ(Sent({{100, 0, 0, waits_for_cwnd}}).found(id).size(), 1U);
}

TEST(CongestionWindowRulesTest, ASilentPeerIsNoCongestionWindow) {
  ev_sample s = connection();
  s.ca_state = kLoss;
  s.backoff = 5;
  EXPECT_TRUE(Sent({{1000, 0, 0, waits_for_cwnd}}, s).found("congestion-window-limited").empty());
}

TEST(CongestionWindowRulesTest, SomebodyMustSetThePaceSoItIsNoWarning) {
  ev_sample s = connection();
  s.tx_bytes = 5000;
  s.in_flight = 9;
  const Finding finding =
      Sent({{900, 0, 0, waits_for_cwnd}, {100, 0, 0}}, s).only("congestion-window-limited");
  EXPECT_EQ(verdict(finding), "info network high");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_congestion_control");
  EXPECT_EQ(cost(finding), "connections=1 bytes=5000 ms=900");
  EXPECT_EQ(figures(finding),
            "congestion_window_limited_ms=900 ms, sending_ms=1000 ms, share_percent=90 percent, "
            "cwnd_segments=10 segments, in_flight_segments=9 segments, srtt_us=1000 us, "
            "min_rtt_us=1000 us");
}

TEST(CongestionWindowRulesTest, AWindowThatIsNotFullIsThePacingRates) {
  struct Pace {
    std::uint32_t in_flight;
    std::uint64_t rate;
    std::uint16_t options;
    std::string_view text;
  };
  constexpr std::string_view kWindow = "The congestion window of 10 segments";
  for (const Pace& pace : {Pace{9, 1 << 20, 0, "The pacing rate of 1.0MiB/s"},
                           {10, 1 << 20, 0, kWindow},
                           {9, ~0ULL, 0, kWindow},
                           {9, 1 << 20, EV_OPT_CWND_LIMITED, kWindow}}) {
    ev_sample s = connection();
    s.in_flight = pace.in_flight;
    s.pacing_rate = pace.rate;
    s.options |= pace.options;
    const Finding finding =
        Sent({{900, 0, 0, waits_for_cwnd}}, s).only("congestion-window-limited");
    EXPECT_TRUE(finding.text.starts_with(pace.text)) << finding.text;
    EXPECT_EQ(figures(finding).find("pacing_bytes_per_s=1048576 bytes/s") != std::string::npos,
              pace.rate != ~0ULL);
  }
}

ev_sample sender() {
  ev_sample s = connection();
  s.tx_bytes = 20'000;
  return s;
}

TEST(ApplicationLimitedRulesTest, MostOfTheTimeUnlimitedWithMoreThanAnInitialWindowIsFound) {
  expect("application-limited", sender(),
         {{"a byte more than ten segments", 1, [](ev_sample& s) { s.tx_bytes = 10'001; }},
          {"a byte less than ten segments", 0, [](ev_sample& s) { s.tx_bytes = 9'999; }},
          {"limited for half of the time", 0, [](ev_sample& s) { s.rwnd_limited_ms = 5000; }},
          {"limited for a little less", 1, [](ev_sample& s) { s.rwnd_limited_ms = 4999; }},
          {"by its buffer for half", 0, [](ev_sample& s) { s.sndbuf_limited_ms = 5000; }},
          {"by its window for half", 0,
           [](ev_sample& s) { s = waits_for_cwnd(s), s.busy_ms = 5000; }}});
}

TEST(ApplicationLimitedRulesTest, OneThatRestsMostOfTheTimeIsNotMeant) {
  for (const int looks : {4, 5}) {
    World world;
    world.run({sender()}, looks);
    for (int second = looks + 1; second <= 10; ++second) world.look(second);
    EXPECT_EQ(world.found("application-limited").size(), looks == 5 ? 1U : 0U) << looks;
  }
}

TEST(ApplicationLimitedRulesTest, OneLookIsNotEnough) {
  expect("application-limited", sender(), {{"one look", 0, [](ev_sample&) {}}}, 1);
  expect("application-limited", sender(), {{"two looks", 1, [](ev_sample&) {}}}, 2);
}

TEST(ApplicationLimitedRulesTest, TheFiguresAreOfTheTimeThatItLived) {
  ev_sample s = opened(1);
  s.tx_bytes = 20'000;
  s.rwnd_limited_ms = 2000;
  World world;
  for (int second = 2; second <= 8; ++second) world.step(s, second);
  world.happen(closed(s, 9));
  world.look(10);
  const Finding finding = world.only("application-limited");
  EXPECT_EQ(verdict(finding), "info application high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=20000 ms=6000");
  EXPECT_EQ(figures(finding), "not_limited_ms=6000 ms, observed_ms=8000 ms, tx_bytes=20000 bytes");
  EXPECT_TRUE(finding.text.starts_with("For 75% of the time")) << finding.text;
}

}  // namespace
}  // namespace netsonde
