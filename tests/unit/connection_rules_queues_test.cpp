// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <variant>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

ev_sample shut_by_the_peer() {
  ev_sample s = connection();
  s.snd_wnd = 0;
  s.not_sent = 500;
  s.send_queue = 600;
  return s;
}

TEST(ZeroWindowRulesTest, ThePeersShutWindowWithDataWaitingIsFound) {
  expect("zero-window", shut_by_the_peer(),
         {{"shut", 1, [](ev_sample&) {}},
          {"a byte open", 0, [](ev_sample& s) { s.snd_wnd = 1; }},
          {"nothing waits", 0, [](ev_sample& s) { s.not_sent = 0; }}},
         1);
}

TEST(ZeroWindowRulesTest, TheFiguresTellOfThePeer) {
  ev_sample s = shut_by_the_peer();
  s.rwnd_limited_ms = 700;
  World world;
  world.run({s}, 3);
  const Finding finding = world.only("zero-window");
  EXPECT_EQ(verdict(finding), "warning peer high");
  EXPECT_EQ(cost(finding), "connections=1 ms=700");
  EXPECT_EQ(figures(finding),
            "looks_with_window_shut=3 count, not_sent_bytes=500 bytes, "
            "receive_window_limited_ms=700 ms");
  EXPECT_TRUE(finding.text.starts_with("The peer shut its window: this connection"))
      << finding.text;
}

TEST(ZeroWindowRulesTest, AWindowThatStaysShutWhileNothingHappensIsFound) {
  World world;
  world.know({shut_by_the_peer()});
  world.look(5);
  const Finding finding = world.only("zero-window");
  EXPECT_EQ(verdict(finding), "warning peer high");
  EXPECT_EQ(cost(finding), "connections=1 ms=5000");
}

TEST(ZeroWindowRulesTest, OneLookOfSeveralIsNoWarning) {
  for (const int looks : {1, 2}) {
    World world;
    world.know({connection()});
    for (int i = 1; i <= 4; ++i) {
      ev_sample s = i <= looks ? shut_by_the_peer() : connection();
      s.segs_out = static_cast<std::uint32_t>(10 * i);
      world.step(s, i);
    }
    EXPECT_EQ(verdict(world.only("zero-window")),
              looks < 2 ? "info peer high" : "warning peer high");
  }
}

TEST(CauseTest, WhatAnotherFindingExplainsStandsBehindIt) {
  ev_sample s = shut_by_the_peer(), reader = other_end_of(s, 2), silent = connection(3);
  reader.receive_queue = 600;
  reader.last_received_ms = 2000;
  silent.ca_state = kLoss;
  silent.backoff = 4;
  silent.send_queue = 9;
  World world;
  world.know({s, reader, silent});
  world.look(5);
  std::string order;
  for (const Finding& finding : world.all()) {
    if (finding.severity == Severity::Info) continue;
    order += std::string(finding.id) + (finding.because.empty() ? "" : "<") +
             std::string(finding.because) + " ";
  }
  EXPECT_EQ(order, "peer-silent slow-reader zero-window<slow-reader ");
}

TEST(CauseTest, AQueueThatStandsExplainsThatItOverflows) {
  ev_sample s = connection(), other = connection(2);
  other.conn.remote_port = 80;
  World world;
  world.know({s, other});
  for (ev_sample* each : {&s, &other}) {
    each->in_flight = 4;
    each->min_rtt_us = each->srtt_us = 2000;
    each->segs_out = 1000;
    each->retransmitted = 10;
  }
  s.srtt_us = 7000;
  for (const ev_sample* each : {&s, &other}) {
    ev_congestion_state change = {};
    change.new_state = kRecovery;
    change.srtt_us = 7000;
    change.min_rtt_us = 2000;
    world.state(0.5, change, each->conn.cookie);
  }
  for (int second = 1; second <= 4; ++second) {
    world.step(s, second);
    world.step(other, second + 0.5);
  }
  for (const Finding& finding : world.found("congestive-loss"))
    EXPECT_EQ(finding.because, finding.subject.connection->remote_port == 443 ? "bufferbloat" : "");
  EXPECT_EQ(world.found("congestive-loss").size(), 2U);
}

TEST(ZeroWindowRulesTest, WhereThePeerIsOnThisHostItsProcessIsNamed) {
  const ev_sample s = shut_by_the_peer();
  World world;
  world.run({s, other_end_of(s, 2)}, 3);
  const Finding finding = world.only("zero-window");
  EXPECT_EQ(verdict(finding), "warning application high");
  EXPECT_TRUE(finding.advice.starts_with("client[7] at the other end")) << finding.advice;
}

ev_sample shut_by_us() {
  ev_sample s = connection();
  s.rcv_wnd = kMss - 1;
  s.receive_queue = 1;
  return s;
}

TEST(ZeroWindowRulesTest, OurOwnShutWindowWithDataUnreadIsFound) {
  expect("zero-window", shut_by_us(),
         {{"no room for a segment", 1, [](ev_sample&) {}},
          {"room for a segment", 0, [](ev_sample& s) { ++s.rcv_wnd; }},
          {"nothing unread", 0, [](ev_sample& s) { s.receive_queue = 0; }}},
         1);
}

TEST(ZeroWindowRulesTest, TheFiguresTellOfOurEnd) {
  ev_sample s = shut_by_us();
  s.receive_queue = 300;
  s.rwnd_limited_ms = 700;  // the other way
  World world;
  world.run({s}, 4);
  const Finding finding = world.only("zero-window");
  EXPECT_EQ(verdict(finding), "warning application high");
  EXPECT_EQ(cost(finding), "connections=1");
  EXPECT_EQ(figures(finding), "looks_with_window_shut=4 count, receive_queue_bytes=300 bytes");
}

// Ten bytes arrive in a millisecond, and so many stand unread at every look.
ev_sample unread(std::uint32_t bytes, std::uint32_t seconds = 10) {
  ev_sample s = connection();
  s.rx_bytes = 10'000 * seconds;
  s.receive_queue = bytes;
  return s;
}

TEST(SlowReaderRulesTest, FiftyMillisecondsByLittlesLawAreFound) {
  expect("slow-reader", unread(500),
         {{"50 ms", 1, [](ev_sample&) {}},
          {"49.9 ms", 0, [](ev_sample& s) { s.receive_queue = 499; }}});
}

TEST(SlowReaderRulesTest, ASingleByteThatNobodyReadsIsFoundToo) {
  ev_sample s = connection();
  s.rx_bytes = s.receive_queue = 1;
  World world;
  world.run({s});
  EXPECT_EQ(cost(world.only("slow-reader")), "connections=1 bytes=1 ms=10000");
}

TEST(SlowReaderRulesTest, ASecondIsAWarning) {
  for (const auto& [bytes, says] :
       {std::pair(9'999U, "info application high"), {10'000U, "warning application high"}}) {
    World world;
    world.run({unread(bytes)});
    EXPECT_EQ(verdict(world.only("slow-reader")), says) << bytes;
  }
}

TEST(SlowReaderRulesTest, TheFiguresAreTheWaitAndWhatWaits) {
  ev_sample s = unread(2000);
  s.last_received_ms = 5;
  World world;
  world.run({s});
  const Finding finding = world.only("slow-reader");
  EXPECT_EQ(cost(finding), "connections=1 bytes=2000 ms=200");
  EXPECT_EQ(figures(finding),
            "pick_up_ms=200 ms, receive_queue_bytes=2000 bytes, last_received_ms=5 ms");
  EXPECT_TRUE(finding.text.starts_with("Data that has arrived waits 200ms")) << finding.text;
}

TEST(SlowReaderRulesTest, LessThanFiveLooksAreDoubted) {
  for (const auto& [looks, says] : {std::pair(2U, "info application medium"),
                                    {4U, "info application medium"},
                                    {5U, "info application high"}}) {
    World world;
    world.run({unread(2000, looks)}, static_cast<int>(looks));
    EXPECT_EQ(verdict(world.only("slow-reader")), says) << looks;
  }
}

TEST(SlowReaderRulesTest, OneLookIsNotEnough) {
  World world;
  world.run({unread(100'000, 1)}, 1);
  EXPECT_TRUE(world.found("slow-reader").empty());
}

TEST(SlowReaderRulesTest, WhereMostLooksFoundNothingUnreadItReadsAtOnce) {
  for (const int unread_looks : {4, 5}) {
    World world;
    world.know({connection()});
    for (int second = 1; second <= 10; ++second)
      world.step(unread(second <= unread_looks ? 10'000 : 0), second);
    EXPECT_EQ(world.found("slow-reader").size(), unread_looks == 5 ? 1U : 0U) << unread_looks;
  }
}

TEST(SlowReaderRulesTest, WhatWasClosedWaitsForNobody) {
  World world;
  world.run({unread(10'000)}, 9);
  world.happen(closed(unread(10'000), 9.5));
  world.look(10);
  EXPECT_TRUE(world.found("slow-reader").empty());
}

// Ten bytes a millisecond in two seconds, at each look so many unread; then all was read.
double pick_up_ms(std::uint32_t bytes, double begin, bool is_new) {
  ev_sample s = is_new ? opened(begin) : connection();
  World world;
  if (!is_new) world.know({s});
  for (const double second : {1, 2, 3}) {
    s.rx_bytes = 10'000 * std::min<std::uint64_t>(static_cast<std::uint64_t>(second), 2);
    s.receive_queue = second < 3 ? bytes : 0;
    world.step(s, begin + second);
  }
  world.look(10);
  const auto found = world.found("slow-reader");
  return found.empty() ? 0 : std::get<double>(found[0].evidence[0].value);
}

TEST(SlowReaderRulesTest, OneThatRestsMostOfTheTimeReadsNoSlowerForIt) {
  EXPECT_EQ(pick_up_ms(200, 0, false), 0);
  EXPECT_EQ(pick_up_ms(500, 0, false), 50);
}

TEST(SlowReaderRulesTest, OneThatBeganLatelyReadsNoSlowerForIt) {
  EXPECT_EQ(pick_up_ms(200, 7, true), 0);
  EXPECT_EQ(pick_up_ms(500, 7, true), 50);
}

TEST(SlowReaderRulesTest, WhatStandsWhileNothingHappensWaitsOn) {
  ev_sample s = connection();
  s.rx_bytes = s.receive_queue = 1000;
  World world;
  world.know({connection()});
  world.step(s, 1);
  world.step(s, 2);
  world.look(10);
  EXPECT_EQ(cost(world.only("slow-reader")), "connections=1 bytes=1000 ms=10000");
}

TEST(SlowReaderRulesTest, WhatStoodThereBeforeWaitsToo) {
  ev_sample s = connection();
  s.receive_queue = 1000;
  World world;
  world.know({s});
  world.look(4);
  s.rx_bytes = 1000;
  world.step(s, 5);
  world.step(s, 6);
  EXPECT_EQ(cost(world.only("slow-reader")), "connections=1 bytes=1000 ms=6000");
}

// Nothing arrives and nothing is read: the newest byte came 20 ms before the observation.
ev_sample at_rest() {
  ev_sample s = connection();
  s.receive_queue = 300;
  s.last_received_ms = 20;
  return s;
}

TEST(SlowReaderRulesTest, WhatCameBeforeAndIsNotReadWaitsSinceThen) {
  World world;
  world.know({at_rest()});
  world.look(0.029);
  EXPECT_TRUE(world.found("slow-reader").empty());
  world.look(0.030);
  const Finding finding = world.only("slow-reader");
  EXPECT_EQ(verdict(finding), "info application high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=300 ms=50");
  EXPECT_EQ(figures(finding),
            "pick_up_ms=50 ms, receive_queue_bytes=300 bytes, last_received_ms=20 ms");
}

TEST(SlowReaderRulesTest, AnEmptyQueueAtRestIsFine) {
  ev_sample s = at_rest();
  s.receive_queue = 0;
  s.send_queue = 1;
  World world;
  world.know({s});
  world.look(5);
  EXPECT_TRUE(world.found("slow-reader").empty());
}

}  // namespace
}  // namespace netsonde
