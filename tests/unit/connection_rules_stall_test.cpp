// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Timed out again and again, with two kilobytes still to be acknowledged.
ev_sample silent(std::uint64_t cookie = kCookie) {
  ev_sample s = connection(cookie);
  s.ca_state = kLoss;
  s.backoff = 3;
  s.last_ack_ms = 4000;
  s.last_received_ms = 4000;
  s.send_queue = 2000;
  s.segs_out = 100;
  s.retransmitted = 3;
  s.retransmits_rto = 3;
  s.retransmitted_bytes = 3000;
  return s;
}

TEST(PeerSilentRulesTest, ThreeTimeoutsInARowAreFound) {
  expect("peer-silent", silent(),
         {{"three", 1, [](ev_sample&) {}},
          {"one", 0, [](ev_sample& s) { s.backoff = 1; }},
          {"no timeout", 0, [](ev_sample& s) { s.ca_state = kRecovery; }},
          {"a request to connect", 0, [](ev_sample& s) { s.conn.state = kSynSent; }}});
}

TEST(PeerSilentRulesTest, OneThatWasGivenUpForSilenceIsFound) {
  struct End {
    std::uint16_t error;
    std::uint8_t old_state;
    std::size_t findings;
  };
  for (const End& end :
       {End{ETIMEDOUT, kEstablished, 1}, {ETIMEDOUT, kSynSent, 0}, {EPIPE, kEstablished, 0}}) {
    World world;
    world.know({connection()});
    ev_sample s = closed(silent(), 9, end.error);
    s.old_state = end.old_state;
    world.happen(s);
    world.look(10);
    EXPECT_EQ(world.found("peer-silent").size(), end.findings) << end.error;
  }
}

TEST(PeerSilentRulesTest, TheSilenceLastsUntilNow) {
  World world;
  world.run({silent()});
  world.look(11.5);
  const Finding finding = world.only("peer-silent");
  EXPECT_EQ(verdict(finding), "critical peer high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=2000 segments=3 ms=5500");
  EXPECT_EQ(figures(finding),
            "retransmitted_segments=3 segments, tx_segments=100 segments, "
            "retransmit_percent=3 percent, last_ack_ms=5500 ms, backoff=3 count, "
            "send_queue_bytes=2000 bytes");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_retries2");
}

TEST(PeerSilentRulesTest, OfOneThatWasGivenUpItLastedUntilThen) {
  World world;
  world.know({connection()});
  world.happen(closed(silent(), 5, ETIMEDOUT));
  world.look(10);
  EXPECT_EQ(cost(world.only("peer-silent")), "connections=1 bytes=2000 segments=3 ms=4000");
}

TEST(PeerSilentRulesTest, TheLongestSilenceIsTheWorst) {
  ev_sample shorter = silent(1), longer = silent(2);
  longer.last_ack_ms = 9000;
  longer.backoff = 6;
  World world;
  world.run({shorter, longer});
  const Finding finding = world.only("peer-silent");
  EXPECT_EQ(finding.subject.cookies, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(cost(finding), "connections=2 bytes=4000 segments=6 ms=13000");
  EXPECT_EQ(figures(finding),
            "retransmitted_segments=6 segments, tx_segments=200 segments, "
            "retransmit_percent=3 percent, last_ack_ms=9000 ms, backoff=6 count, "
            "send_queue_bytes=4000 bytes");
}

// Five small segments arrived; a full one is sent a second time, in vain.
ev_sample swallowed() {
  ev_sample s = silent();
  s.delivered = 5;
  s.tx_bytes = 100;
  return s;
}

struct Sent {
  std::uint32_t sequence, bytes = kMss;
  std::uint8_t kind = EV_RETRANSMIT_RTO;
};
std::string what_is(const std::vector<Sent>& all, const ev_sample& s = swallowed()) {
  World world;
  world.know({connection()});
  for (double second = 1; const Sent& sent : all)
    world.resend(second++, sent.sequence, sent.bytes, sent.kind);
  world.step(s, 10);
  std::string kind;
  if (!world.found("pmtu-black-hole").empty()) kind += "hole";
  if (!world.found("peer-silent").empty()) kind += "silent";
  return kind;
}

TEST(BlackHoleRulesTest, TheSameFullSegmentTwiceInVainIsFound) {
  EXPECT_EQ(what_is({{100}, {100}}), "hole");
  EXPECT_EQ(what_is({{100}}), "silent");
  EXPECT_EQ(what_is({{100}, {1100}}), "silent");
  EXPECT_EQ(what_is({{100}, {1100}, {100}}), "hole");
}

TEST(BlackHoleRulesTest, NineTenthsOfASegmentAreAFullOne) {
  EXPECT_EQ(what_is({{100, 900}, {100, 900}}), "hole");
  EXPECT_EQ(what_is({{100, 899}, {100, 899}}), "silent");
  EXPECT_EQ(what_is({{100, 900}, {100, 899}}), "silent");
}

TEST(BlackHoleRulesTest, OnlyTimeoutsTellThatItIsInVain) {
  EXPECT_EQ(what_is({{100, kMss, EV_RETRANSMIT_TLP}, {100}}), "silent");
  EXPECT_EQ(what_is({{100, kMss, EV_RETRANSMIT_FAST}, {100}}), "silent");
}

TEST(BlackHoleRulesTest, OnlySmallSegmentsArrived) {
  ev_sample small = swallowed(), large = swallowed(), none = swallowed(), answered = swallowed();
  small.tx_bytes = 5 * 499;
  large.tx_bytes = 5 * 500;
  none.delivered = 0;
  answered.ca_state = 0;
  EXPECT_EQ(what_is({{100}, {100}}, small), "hole");
  EXPECT_EQ(what_is({{100}, {100}}, large), "silent");
  EXPECT_EQ(what_is({{100}, {100}}, none), "silent");
  EXPECT_EQ(what_is({{100}, {100}}, answered), "");
}

TEST(BlackHoleRulesTest, TheFiguresTellTheSizeAndWhatArrived) {
  World world;
  world.know({connection()});
  world.resend(2, 100, kMss, EV_RETRANSMIT_RTO);
  world.resend(3, 100, kMss, EV_RETRANSMIT_RTO);
  world.step(swallowed(), 10);
  const Finding finding = world.only("pmtu-black-hole");
  EXPECT_EQ(verdict(finding), "critical network high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=2000 segments=3 ms=4000");
  EXPECT_EQ(figures(finding),
            "retransmitted_segments=3 segments, tx_segments=100 segments, "
            "retransmit_percent=3 percent, last_ack_ms=4000 ms, backoff=3 count, "
            "send_queue_bytes=2000 bytes, mss_bytes=1000 bytes, delivered_segments=5 segments");
  EXPECT_EQ(finding.since, time_from_ns(at(2)));
  EXPECT_EQ(tunables(finding), "ipv4.tcp_mtu_probing, ipv4.tcp_base_mss");
  EXPECT_TRUE(finding.text.starts_with("Full segments of 1000 bytes vanish")) << finding.text;
}

TEST(BlackHoleRulesTest, TheLongestStallIsTheWorst) {
  World world;
  world.know({connection(1), connection(2)});
  for (const std::uint64_t cookie : {1, 2}) {
    world.resend(2, 100, kMss, EV_RETRANSMIT_RTO, cookie);
    world.resend(3, 100, kMss, EV_RETRANSMIT_RTO, cookie);
    ev_sample s = swallowed();
    s.conn = connection(cookie).conn;
    s.last_ack_ms = cookie == 2 ? 5000 : 4000;
    s.segs_out = 0;  // none of it was counted as sent
    world.step(s, 9 + static_cast<double>(cookie) / 2);
  }
  const Finding finding = world.only("pmtu-black-hole");
  EXPECT_EQ(finding.subject.cookies, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_TRUE(figures(finding).find("retransmit_percent=0 percent") != std::string::npos)
      << figures(finding);
}

// Its last data came 4 s before the look at 10 s.
TEST(BlackHoleRulesTest, APeerNotHeardSinceMayBeDown) {
  for (const auto& [second, says] :
       {std::pair(5.9, "critical network high"), {6.0, "critical network low"}}) {
    World world;
    world.know({connection()});
    world.resend(second, 100, kMss, EV_RETRANSMIT_RTO);
    world.resend(7, 100, kMss, EV_RETRANSMIT_RTO);
    world.step(swallowed(), 10);
    EXPECT_EQ(verdict(world.only("pmtu-black-hole")), says) << second;
  }
}

}  // namespace
}  // namespace netsonde
