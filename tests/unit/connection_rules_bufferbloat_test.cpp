// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Busy, with five milliseconds above the path's round trip.
ev_sample queued() {
  ev_sample s = connection();
  s.in_flight = 4;
  s.min_rtt_us = 2000;
  s.srtt_us = 7000;
  s.tx_bytes = 5000;
  return s;
}

TEST(BufferbloatRulesTest, FiveMillisecondsAndHalfAboveTheMinimumAreFound) {
  expect("bufferbloat", queued(),
         {{"5 ms", 1, [](ev_sample&) {}},
          {"less", 0, [](ev_sample& s) { s.srtt_us = 6999; }},
          {"half of 20 ms", 1, [](ev_sample& s) { s.min_rtt_us = 20'000, s.srtt_us = 30'000; }},
          {"less", 0, [](ev_sample& s) { s.min_rtt_us = 20'000, s.srtt_us = 29'999; }},
          {"minimum unknown", 0, [](ev_sample& s) { s.min_rtt_us = ~0U; }},
          {"below the minimum", 0, [](ev_sample& s) { s.min_rtt_us = 30'000; }},
          {"not busy", 0, [](ev_sample& s) { s.in_flight = 3; }},
          {"not measured", 0, [](ev_sample& s) { s.srtt_us = s.min_rtt_us = 0; }}});
}

TEST(BufferbloatRulesTest, TheLeastCountsAndOneLookIsNotEnough) {
  ev_sample s = queued(), less = queued();
  less.srtt_us = 6000;
  World once, queue, drained;
  for (World* world : {&once, &queue, &drained}) world->know({connection()});
  once.step(s, 1);
  EXPECT_TRUE(once.found("bufferbloat").empty());
  s.srtt_us = 9000;
  queue.step(queued(), 1);
  queue.step(s, 2);
  EXPECT_TRUE(figures(queue.only("bufferbloat")).find("least_srtt_us=7000 us") !=
              std::string::npos);
  drained.step(s, 1);
  drained.step(less, 2);
  drained.step(s, 3);
  EXPECT_TRUE(drained.found("bufferbloat").empty());
}

TEST(BufferbloatRulesTest, OneThatIsBusyAtLessThanHalfOfTheLooksIsNotMeant) {
  for (const int busy : {2, 3}) {
    World world;
    world.know({connection()});
    for (int second = 1; second <= 6; ++second) {
      ev_sample s = queued();
      if (second > busy) s.in_flight = 1;
      world.step(s, second);
    }
    EXPECT_EQ(world.found("bufferbloat").size(), busy == 3 ? 1U : 0U) << busy;
  }
}

TEST(BufferbloatRulesTest, TheFiguresAreTheQueueAndHowOftenItWasLookedAt) {
  for (const auto& [looks, says] :
       {std::pair(3, "warning network medium"), {4, "warning network high"}}) {
    World world;
    world.run({queued()}, looks);
    const Finding finding = world.only("bufferbloat");
    EXPECT_EQ(verdict(finding), says) << looks;
    EXPECT_EQ(finding.impact.bytes, 5000U);
    EXPECT_EQ(figures(finding),
              "min_rtt_us=2000 us, least_srtt_us=7000 us, standing_queue_us=5000 us, looks=" +
                  std::to_string(looks) + " count");
    EXPECT_TRUE(finding.text.ends_with("takes at least 7.00ms where the path needs 2.00ms."))
        << finding.text;
  }
}

TEST(BufferbloatRulesTest, TheTimeIsThatWhichWasObserved) {
  World world;
  world.run({queued()}, 4);
  const Finding finding = world.only("bufferbloat");
  EXPECT_EQ(cost(finding), "connections=1 bytes=5000 ms=4000");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_congestion_control");
}

// A megabyte a second goes out, and so many bytes wait in the queue of the interface.
Finding with_own_queue(std::uint64_t waiting, std::uint64_t sent, std::uint64_t netns = 1) {
  World world;
  world.has_host = true;
  world.host.begin(time_from_ns(at(0)),
                   std::vector<HostValue>{{"qdisc.bytes", "eth0/fq", 0},
                                          {"qdisc.backlog_bytes", "eth0/fq", 0},
                                          {"netns.inode", "", netns}});
  world.host.update(time_from_ns(at(10)),
                    std::vector<HostValue>{{"qdisc.bytes", "eth0/fq", sent},
                                           {"qdisc.backlog_bytes", "eth0/fq", waiting},
                                           {"netns.inode", "", netns}});
  world.run({queued()});
  return world.only("bufferbloat");
}

TEST(BufferbloatRulesTest, TheOwnQueueIsWhatStandsWhenItTakesHalfOfTheDelay) {
  const Finding own = with_own_queue(2500, 10'000'000);
  EXPECT_EQ(verdict(own), "warning host high");
  EXPECT_TRUE(
      figures(own).ends_with(", looks=10 count, qdisc=eth0/fq, "
                             "qdisc.backlog_bytes=2500 bytes, "
                             "qdisc.bytes_per_s=1000000 bytes/s"))
      << figures(own);
  EXPECT_EQ(with_own_queue(2499, 10'000'000).where, Where::Network);
  EXPECT_EQ(with_own_queue(0, 10'000'000).where, Where::Network);
  EXPECT_EQ(with_own_queue(2500, 0).where, Where::Network);
}

TEST(BufferbloatRulesTest, AQueueThatTakesFarLongerThanTheConnectionWaitsIsAnothers) {
  EXPECT_EQ(with_own_queue(10'000, 10'000'000).where, Where::Host);
  EXPECT_EQ(with_own_queue(10'001, 10'000'000).where, Where::Network);
}

TEST(BufferbloatRulesTest, AQueueThatSendsLessThanHalfOfWhatTheConnectionDoesIsAnothers) {
  EXPECT_EQ(with_own_queue(1, 2'500).where, Where::Host);
  EXPECT_EQ(with_own_queue(1, 2'490).where, Where::Network);
}

TEST(BufferbloatRulesTest, OfAnotherNamespaceTheQueuesAreNotKnown) {
  EXPECT_EQ(verdict(with_own_queue(0, 0, 2)), "warning network medium");
  EXPECT_EQ(with_own_queue(2500, 10'000'000, 2).where, Where::Network);
  EXPECT_EQ(verdict(with_own_queue(0, 0, 1)), "warning network high");
  EXPECT_EQ(verdict(with_own_queue(0, 0, 0)), "warning network high");
}

// Ten seconds of connections that send a megabyte a second each, and resend a tenth of that.
struct Sending {
  int connections = 1;
  std::uint32_t busy_ms = 9'000, held_back_ms = 1'000;
  std::uint32_t in_flight_before = 0, in_flight = 100;  // segments
  std::uint64_t netns = 1;
  double read_for = 10;  // seconds, of the devices
  std::vector<HostValue> queue{};
  void (*other)(ev_sample&) = nullptr;  // what makes the last one different
};

ev_sample sender(const Sending& how, int number) {
  ev_sample s = queued();
  s.conn.cookie = kCookie + static_cast<std::uint64_t>(number);
  s.conn.remote[15] = static_cast<std::uint8_t>(number);
  s.tx_bytes = 10'000'000;
  s.busy_ms = how.busy_ms;
  s.rwnd_limited_ms = how.held_back_ms;
  s.in_flight = how.in_flight;
  s.mss = 1000;
  s.retransmitted_bytes = 900'000;
  return s;
}

// Of devices that sent so much meanwhile.
std::string device_behind(const std::vector<std::pair<std::string, std::uint64_t>>& sent,
                          const Sending& how = {}) {
  World world;
  world.has_host = true;
  std::vector<HostValue> after = how.queue;
  for (const auto& [name, bytes] : sent) after.push_back({"device.tx_bytes", name, bytes});
  std::vector<HostValue> before = after;
  for (HostValue& value : before) value.value = 0;
  for (auto* values : {&before, &after}) values->push_back({"netns.inode", "", how.netns});
  world.host.begin(time_from_ns(at(10 - how.read_for)), before);
  world.host.update(time_from_ns(at(10)), after);
  std::vector<ev_sample> senders, known;
  for (int i = 0; i < how.connections; ++i) {
    senders.push_back(sender(how, i));
    if (how.other && i == how.connections - 1) how.other(senders.back());
    known.push_back(connection(senders.back().conn.cookie));
    known.back().conn = senders.back().conn;
    known.back().in_flight = how.in_flight_before;
  }
  world.know(known);
  world.run(senders);
  const std::string all = figures(world.found("bufferbloat").at(0));
  const std::size_t found = all.find(", device=");
  return found == std::string::npos ? "" : all.substr(found + 2);
}

constexpr std::string_view kMegabyte =
    "device=eth0, device.tx_bytes_per_s=1100000 bytes/s, path_bytes_per_s=1000000 bytes/s";

TEST(BufferbloatRulesTest, WhatTheDeviceSentAndArrivedIsWhatThePathTook) {
  EXPECT_EQ(device_behind({{"lo", 0}, {"eth0", 11'000'000}}), kMegabyte);
  EXPECT_EQ(device_behind({{"eth0", 12'650'000}}),
            "device=eth0, device.tx_bytes_per_s=1265000 bytes/s, path_bytes_per_s=1165000 bytes/s");
  EXPECT_NE(device_behind({{"eth0", 9'900'000}}), "") << "read a little earlier";
}

TEST(BufferbloatRulesTest, ItIsTheOnlyDeviceThatSentAsMuchAsTheyAndHardlyMore) {
  EXPECT_EQ(device_behind({{"eth0", 9'899'990}}), "") << "not all of it";
  EXPECT_EQ(device_behind({{"eth0", 12'650'010}}), "") << "others too";
  EXPECT_EQ(device_behind({{"bond0", 11'000'000}, {"eth0", 11'100'000}}), "") << "either";
  EXPECT_EQ(device_behind({{"eth0", 90'000'000}, {"lo", 11'000'000}}), "") << "either";
}

TEST(BufferbloatRulesTest, AllThatMeetAQueueFillThePathTogether) {
  EXPECT_EQ(device_behind({{"eth0", 22'000'000}}, {.connections = 2}),
            "device=eth0, device.tx_bytes_per_s=2200000 bytes/s, path_bytes_per_s=2000000 bytes/s");
  EXPECT_EQ(device_behind({{"eth0", 11'000'000}}, {.connections = 2}), "");
}

TEST(BufferbloatRulesTest, WhatMeetsNoQueueDoesNotFillThePath) {
  const auto no_queue = [](ev_sample& s) { s.srtt_us = s.min_rtt_us; };
  const auto elsewhere = [](ev_sample& s) { s.conn.netns = 7; };
  for (const auto& other : {+no_queue, +elsewhere}) {
    EXPECT_EQ(device_behind({{"eth0", 11'000'000}}, {.connections = 2, .other = other}), kMegabyte);
    EXPECT_EQ(device_behind({{"eth0", 22'000'000}}, {.connections = 2, .other = other}), "");
  }
}

TEST(BufferbloatRulesTest, WhoPausesOrIsHeldBackDoesNotFillThePath) {
  EXPECT_EQ(device_behind({{"eth0", 11'000'000}}, {.busy_ms = 8'900, .held_back_ms = 1'100}), "");
}

TEST(BufferbloatRulesTest, TheDevicesOfAnotherNamespaceAreNotItsOwn) {
  EXPECT_EQ(device_behind({{"eth0", 11'000'000}}, {.netns = 2}), "");
}

TEST(BufferbloatRulesTest, TheDevicesAreCountedInAboutTheSameTime) {
  EXPECT_EQ(device_behind({{"eth0", 9'900'000}}, {.read_for = 9}), kMegabyte);
  EXPECT_EQ(device_behind({{"eth0", 9'790'000}}, {.read_for = 8.9}), "");
  EXPECT_NE(device_behind({{"eth0", 12'100'000}}, {.read_for = 11}), "");
  EXPECT_EQ(device_behind({{"eth0", 12'320'000}}, {.read_for = 11.2}), "");
}

TEST(BufferbloatRulesTest, WhatWasOnItsWayBeforeHasArrivedToo) {
  EXPECT_EQ(device_behind({{"eth0", 10'000'000}}, {.in_flight_before = 1000, .in_flight = 100}),
            "device=eth0, device.tx_bytes_per_s=1000000 bytes/s, path_bytes_per_s=1000000 bytes/s");
}

TEST(BufferbloatRulesTest, WhereTheQueueIsTheHostsOwnNoPathIsMeasured) {
  EXPECT_EQ(
      device_behind({{"eth0", 11'000'000}}, {.queue = {{"qdisc.bytes", "eth0/fq", 10'000'000},
                                                       {"qdisc.backlog_bytes", "eth0/fq", 2500}}}),
      "");
}

}  // namespace
}  // namespace netsonde
