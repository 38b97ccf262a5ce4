// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// 125 bytes a millisecond in round trips of 56 ms are 7000 bytes: seven tenths of the window.
ev_sample starved() {
  ev_sample s = connection();
  s.rx_bytes = 1'250'000;
  s.rcv_rtt_us = 56'000;
  s.rcv_wnd = 10'000;
  s.rcvbuf = 20'000;
  s.options |= EV_OPT_RCVBUF_LOCKED;
  return s;
}

TEST(OwnWindowRulesTest, AFixedBufferUsedUpInEveryRoundTripIsFound) {
  expect("receive-window-limited", starved(),
         {{"used up", 1, [](ev_sample&) {}},
          {"a byte less than seven tenths", 0, [](ev_sample& s) { --s.rx_bytes; }},
          {"not fixed", 0, [](ev_sample& s) { s.options &= ~EV_OPT_RCVBUF_LOCKED; }},
          {"round trip unknown", 0, [](ev_sample& s) { s.rcv_rtt_us = 0; }},
          {"round trip guessed", 0, [](ev_sample& s) { s.options &= ~EV_OPT_TIMESTAMPS; }},
          {"a quarter unread", 1, [](ev_sample& s) { s.receive_queue = 2500; }},
          {"more than a quarter unread", 0, [](ev_sample& s) { s.receive_queue = 2501; }}});
}

// Buffers grow by themselves, up to so many bytes where the host's counters are read.
class Grown : public World {
 public:
  explicit Grown(std::uint64_t most, std::uint64_t netns = 1, const ev_sample& s = unfixed()) {
    has_host = true;
    host.begin(time_from_ns(at(0)), std::vector<HostValue>{{"netns.inode", "", netns},
                                                           {"limit.tcp_rmem.max", "", most}});
    run({s});
  }
  static ev_sample unfixed() {
    ev_sample s = starved();
    s.options &= ~EV_OPT_RCVBUF_LOCKED;
    return s;
  }
  std::size_t count() { return found("receive-window-limited").size(); }
};

TEST(OwnWindowRulesTest, ABufferGrownToNineTenthsOfItsLimitIsFound) {
  ev_sample s = Grown::unfixed();
  s.rcvbuf = 18'000;
  EXPECT_EQ(Grown(20'000, 1, s).count(), 1U);
  s.rcvbuf = 17'999;
  EXPECT_EQ(Grown(20'000, 1, s).count(), 0U);
}

TEST(OwnWindowRulesTest, TheLimitOfAnotherNamespaceTellsNothing) {
  EXPECT_EQ(Grown(20'000, 2).count(), 0U);
}

TEST(OwnWindowRulesTest, ALimitThatWasNotReadTellsNothing) {
  EXPECT_EQ(Grown(0).count(), 0U);
}

TEST(OwnWindowRulesTest, AGrownBufferThatIsNotUsedUpIsFine) {
  ev_sample s = Grown::unfixed();
  --s.rx_bytes;
  EXPECT_EQ(Grown(20'000, 1, s).count(), 0U);
}

TEST(OwnWindowRulesTest, TheLimitOfTheHostIsNotTheApplicationsDoing) {
  const Finding finding = Grown(20'000).only("receive-window-limited");
  EXPECT_EQ(verdict(finding), "warning host high");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_rmem");
  EXPECT_EQ(figures(finding),
            "receive_window_bytes=10000 bytes, receive_buffer_bytes=20000 bytes, "
            "receive_rtt_us=56000 us, rx_bytes=1250000 bytes, limit.tcp_rmem.max=20000 bytes");
  EXPECT_EQ(finding.advice.find("SO_RCVBUF"), std::string::npos) << finding.advice;
  EXPECT_NE(finding.advice.find("maximum of tcp_rmem"), std::string::npos) << finding.advice;
}

TEST(OwnWindowRulesTest, OneThatFixedItsBufferAtTheLimitDidItItself) {
  const Finding finding = Grown(20'000, 1, starved()).only("receive-window-limited");
  EXPECT_EQ(verdict(finding), "warning application high");
  EXPECT_TRUE(finding.tunables.empty());
  EXPECT_NE(finding.advice.find("SO_RCVBUF"), std::string::npos) << finding.advice;
}

TEST(OwnWindowRulesTest, FixedAndGrownBuffersOfOneServiceAreToldApart) {
  ev_sample fixed = starved(), grown = Grown::unfixed();
  fixed.conn.cookie = 1;
  grown.conn.cookie = 2;
  grown.conn.local_port = 1;
  World world;
  world.has_host = true;
  world.host.begin(time_from_ns(at(0)), std::vector<HostValue>{{"netns.inode", "", 1},
                                                               {"limit.tcp_rmem.max", "", 20'000}});
  world.run({fixed, grown});
  const auto findings = world.found("receive-window-limited");
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_NE(findings[0].where, findings[1].where);
}

TEST(OwnWindowRulesTest, OneAtRestWaitsForNobody) {
  ev_sample s = starved();
  s.receive_queue = 1;
  World world;
  world.know({s});
  world.look(10);
  EXPECT_TRUE(world.found("receive-window-limited").empty());
}

TEST(OwnWindowRulesTest, OnlyTheTimeThatItLivedCounts) {
  ev_sample s = starved();
  s.conn.start_ns = at(5);
  s.rx_bytes = 625'000;
  World world;
  for (int second = 6; second <= 10; ++second) world.step(s, second);
  EXPECT_EQ(cost(world.only("receive-window-limited")), "connections=1 bytes=625000 ms=5000");
  --s.rx_bytes;
  World less;
  for (int second = 6; second <= 10; ++second) less.step(s, second);
  EXPECT_TRUE(less.found("receive-window-limited").empty());
}

TEST(OwnWindowRulesTest, TheFiguresAreThoseOfOurEnd) {
  World world;
  world.run({starved()});
  const Finding finding = world.only("receive-window-limited");
  EXPECT_EQ(verdict(finding), "warning application high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=1250000 ms=10000");
  EXPECT_EQ(figures(finding),
            "receive_window_bytes=10000 bytes, receive_buffer_bytes=20000 bytes, "
            "receive_rtt_us=56000 us, rx_bytes=1250000 bytes");
  EXPECT_TRUE(finding.text.starts_with(
      "Our receive window of 9.8KiB is used up in every round trip of 56.0ms"))
      << finding.text;
}

}  // namespace
}  // namespace netsonde
