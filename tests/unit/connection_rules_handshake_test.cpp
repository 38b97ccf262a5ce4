// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <functional>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Began in the second and took 300 ms on a path of 1 ms; the first request was lost.
ev_sample late(std::uint64_t cookie = kCookie) {
  ev_sample s = opened(1, cookie);
  s.established_ns = at(1) + 300'000'000;
  s.retransmits_syn = s.retransmitted = 1;
  return s;
}

// Failed after three seconds and two more requests.
ev_sample failed(std::uint16_t error, std::uint8_t end = 0, std::uint64_t cookie = kCookie) {
  ev_sample s = opened(1, cookie);
  s.established_ns = 0;
  s.srtt_us = 0;
  s.min_rtt_us = ~0U;
  s.retransmits_syn = s.retransmitted = 2;
  s = closed(s, 4, error, end);
  s.old_state = kSynSent;
  return s;
}

using Change = std::function<void(ev_sample&)>;
std::size_t count(
    std::string_view id, ev_sample s, const Change& change = [](ev_sample&) {}) {
  change(s);
  World world;
  world.happen(s);
  world.look(10);
  return world.found(id).size();
}

TEST(SynRetransmitRulesTest, RequestsThatWereAnsweredAfterAllOrStillWaitAreFound) {
  const std::string_view id = "syn-retransmits";
  EXPECT_EQ(count(id, late()), 1U);
  EXPECT_EQ(count(id, late(), [](ev_sample& s) { s.retransmits_syn = 0; }), 0U);
  EXPECT_EQ(count(id, late(), [](ev_sample& s) { s.conn.direction = EV_IN; }), 0U);
  EXPECT_EQ(count(id, closed(late(), 4)), 1U);
  EXPECT_EQ(count(id, failed(ETIMEDOUT)), 0U);
  const auto waits = [](ev_sample& s) {
    s.established_ns = 0;
    s.conn.state = kSynSent;
    s.retransmits_syn = 0;  // not told by the kernel, but counted
  };
  EXPECT_EQ(count(id, late(), waits), 1U);
}

TEST(SynRetransmitRulesTest, TheFigureIsHowManyWereSentAgain) {
  ev_sample answered = late(1), waiting = late(2);
  answered.retransmits_syn = 3;
  answered.retransmitted = 9;
  waiting.established_ns = 0;
  waiting.conn.state = kSynSent;
  waiting.retransmitted = 2;
  World world;
  world.happen(answered);
  world.happen(waiting);
  world.look(10);
  const Finding finding = world.only("syn-retransmits");
  EXPECT_EQ(verdict(finding), "warning network high");
  EXPECT_EQ(cost(finding), "connections=2 attempts=2");
  EXPECT_EQ(figures(finding), "retransmits_syn=5 segments");
  EXPECT_TRUE(finding.text.starts_with("5 requests to connect (SYN) not answered")) << finding.text;
}

// Listens on this host for what the client wants, and dropped so many.
ev_sample wanted_listener(std::uint32_t dropped) {
  ev_sample s = listener(9);
  s.conn.local[15] = connection().conn.remote[15];
  s.sk_drops = dropped;
  return s;
}

TEST(SynRetransmitRulesTest, AListenerOfThisHostThatOverflowsIsToBlame) {
  for (const std::uint32_t dropped : {0U, 4U}) {
    World world;
    world.know({wanted_listener(0)});
    world.happen(late());
    world.step(wanted_listener(dropped), 10);
    const Finding finding = world.only("syn-retransmits");
    EXPECT_EQ(verdict(finding), dropped ? "warning application high" : "warning network high");
    EXPECT_EQ(figures(finding), dropped ? "retransmits_syn=1 segments, listen_overflows=4 count"
                                        : "retransmits_syn=1 segments");
    EXPECT_EQ(finding.advice.find("server[7]") != std::string::npos, dropped != 0);
  }
}

TEST(SynRetransmitRulesTest, AListenerOfAnotherPortIsNot) {
  ev_sample before = wanted_listener(0), after = wanted_listener(4);
  before.conn.local_port = after.conn.local_port = 444;
  World world;
  world.know({before});
  world.happen(late());
  world.step(after, 10);
  EXPECT_EQ(verdict(world.only("syn-retransmits")), "warning network high");
}

TEST(SynRetransmitRulesTest, AListenerOfAnotherAddressIsNot) {
  const auto any = [](std::uint32_t dropped) {
    ev_sample s = wanted_listener(dropped);
    std::fill(std::begin(s.conn.local), std::end(s.conn.local), 0);
    return s;
  };
  for (const bool here : {false, true}) {
    World world;
    std::vector<ev_sample> before = {any(0)};
    if (here) before.push_back(other_end_of(connection(8), 7));  // has the address that is wanted
    world.know(before);
    world.happen(late());
    world.step(any(4), 10);
    EXPECT_EQ(verdict(world.only("syn-retransmits")),
              here ? "warning application high" : "warning network high");
  }
}

TEST(SynRetransmitRulesTest, WhatWasNotThisHostsDoingIsNotBlamedOnIt) {
  World world;
  world.names.set_drop_reasons({{3, "NO_SOCKET"}});
  world.happen(late());
  world.drop(1, 3);
  world.look(10);
  EXPECT_EQ(verdict(world.only("syn-retransmits")), "warning network high");
  EXPECT_TRUE(world.found("local-drop").empty());
}

TEST(SynRetransmitRulesTest, RequestsThatNeverLeftAreThisHosts) {
  World world;
  ev_sample s = late();
  s.established_ns = 0;
  s.conn.state = kSynSent;
  s.header.time_ns = at(1.1);
  world.happen(s);
  world.drop(1.2, 17);
  world.drop(1.3, 17);
  world.drop(1.4, 18);
  world.look(10);
  const Finding finding = world.only("syn-retransmits");
  EXPECT_EQ(verdict(finding), "warning host high");
  EXPECT_EQ(figures(finding), "retransmits_syn=1 segments, drops=3 count");
  EXPECT_NE(finding.advice.find("local-drop"), std::string::npos) << finding.advice;
}

// Established so long after it began.
Change took(std::uint64_t ns) {
  return [ns](ev_sample& s) { s.established_ns = s.conn.start_ns + ns; };
}
Change took_on_path(std::uint64_t ns, std::uint32_t min_rtt_us) {
  return [=](ev_sample& s) {
    s.established_ns = s.conn.start_ns + ns;
    s.min_rtt_us = min_rtt_us;
  };
}

TEST(SlowConnectRulesTest, ThreeTimesTheRoundTripAndATenthOfASecondIsFound) {
  const std::string_view id = "slow-connect";
  EXPECT_EQ(count(id, late(), took(100'000'000)), 1U);
  EXPECT_EQ(count(id, late(), took(99'999'999)), 0U);
  EXPECT_EQ(count(id, late(), took_on_path(150'000'000, 50'000)), 1U);
  EXPECT_EQ(count(id, late(), took_on_path(149'999'999, 50'000)), 0U);
}

TEST(SlowConnectRulesTest, OnlyWhatWasSeenFromItsBeginCounts) {
  const std::string_view id = "slow-connect";
  EXPECT_EQ(count(id, late(), [](ev_sample& s) { s.conn.direction = EV_IN; }), 0U);
  EXPECT_EQ(count(id, late(), [](ev_sample& s) { s.min_rtt_us = ~0U; }), 0U);
  EXPECT_EQ(count(id, late(), [](ev_sample& s) { s.established_ns = 0; }), 0U);
  ev_sample old = late();
  old.conn.start_ns = at(-5);
  old.established_ns = at(-4);
  World world;
  world.run({old});
  EXPECT_TRUE(world.found(id).empty());
}

TEST(SlowConnectRulesTest, TheTimeIsThatBeyondTheRoundTrip) {
  ev_sample slower = late(2);
  slower.established_ns = at(1) + 500'000'000;
  slower.min_rtt_us = 2000;
  slower.retransmits_syn = 0;
  World world;
  world.happen(late(1));
  world.happen(slower);
  world.look(10);
  const Finding finding = world.only("slow-connect");
  EXPECT_EQ(verdict(finding), "warning network high");
  EXPECT_EQ(cost(finding), "connections=2 attempts=2 ms=797");
  EXPECT_EQ(figures(finding),
            "handshake_us=500000 us, min_rtt_us=2000 us, retransmits_syn=1 segments");
  EXPECT_EQ(finding.text, "Connecting took up to 500ms on a path that needs 2.00ms.");
  EXPECT_TRUE(finding.advice.starts_with("The peer was slow to answer")) << finding.advice;
}

TEST(SlowConnectRulesTest, ALostRequestExplainsIt) {
  World world;
  world.happen(late());
  world.look(10);
  EXPECT_TRUE(world.only("slow-connect").advice.starts_with("A lost SYN or SYN-ACK"));
}

struct Failure {
  const char* is;
  ev_sample last;
  std::size_t refused, timed_out;
};

TEST(ConnectFailureRulesTest, EachEndIsOneOrTheOther) {
  ev_sample given_up = failed(0), at_once = failed(0), established = failed(ETIMEDOUT),
            server = failed(ECONNREFUSED), unknown = failed(ECONNREFUSED),
            alive = failed(ECONNREFUSED);
  at_once.retransmits_syn = 0;
  established.established_ns = at(2);
  server.conn.direction = EV_IN;
  unknown.conn.start_ns = 0;
  alive.header.kind = EV_SAMPLE;
  alive.conn.state = kSynSent;
  for (const Failure& failure : {Failure{"refused", failed(ECONNREFUSED), 1, 0},
                                 {"reset", failed(0, EV_END_RESET_RECEIVED), 1, 0},
                                 {"without an answer", failed(ETIMEDOUT), 0, 1},
                                 {"no route to the host", failed(EHOSTUNREACH), 0, 1},
                                 {"no route to the net", failed(ENETUNREACH), 0, 1},
                                 {"given up after two requests more", given_up, 0, 1},
                                 {"given up at once", at_once, 0, 0},
                                 {"was established", established, 0, 0},
                                 {"a server's", server, 0, 0},
                                 {"of an unknown age", unknown, 0, 0},
                                 {"goes on", alive, 0, 0}}) {
    EXPECT_EQ(count("connect-refused", failure.last), failure.refused) << failure.is;
    EXPECT_EQ(count("connect-timeout", failure.last), failure.timed_out) << failure.is;
  }
}

TEST(ConnectRefusedRulesTest, TheFigureIsHowManyWereRefused) {
  World world;
  world.happen(failed(ECONNREFUSED, 0, 1));
  world.happen(failed(ECONNREFUSED, 0, 2));
  world.look(10);
  const Finding finding = world.only("connect-refused");
  EXPECT_EQ(verdict(finding), "warning peer high");
  EXPECT_EQ(cost(finding), "connections=2 attempts=2");
  EXPECT_EQ(figures(finding), "refused=2 count");
  EXPECT_EQ(finding.text, "2 attempts to connect, refused: nobody listens there.");
}

// Refused, and so was what another connection of the same time did.
std::string with_another(const Change& change) {
  ev_sample other = opened(2, 7);
  other.conn.remote[15] = 3;
  change(other);
  World world;
  if (other.conn.start_ns < at(0)) world.know({other});
  other.segs_in = 1;
  world.happen(failed(ECONNREFUSED, 0, 1));
  world.step(other, 10);
  return verdict(world.only("connect-refused"));
}

TEST(ConnectRefusedRulesTest, WhereAnotherAddressAnsweredItIsNoWarning) {
  EXPECT_EQ(with_another([](ev_sample&) {}), "info peer high");
  EXPECT_EQ(with_another([](ev_sample& s) { s.conn.remote_port = 444; }), "warning peer high");
  EXPECT_EQ(with_another([](ev_sample& s) { s.conn.comm[0] = 'x'; }), "warning peer high");
  const auto same = [](ev_sample& s) {
    std::ranges::copy(connection().conn.remote, std::begin(s.conn.remote));
  };
  EXPECT_EQ(with_another(same), "warning peer high");
  EXPECT_EQ(with_another([](ev_sample& s) { s.conn.direction = EV_IN; }), "warning peer high");
  EXPECT_EQ(with_another([](ev_sample& s) { s.established_ns = 0; }), "warning peer high");
  EXPECT_EQ(with_another([](ev_sample& s) { s.conn.start_ns = at(-5); }), "warning peer high");
}

TEST(ConnectTimeoutRulesTest, TheFiguresAreHowManyAndHowLongTheyTried) {
  World world;
  world.happen(failed(ETIMEDOUT, 0, 1));
  world.happen(failed(EHOSTUNREACH, 0, 2));
  ev_sample longer = failed(ETIMEDOUT, 0, 3);
  longer.header.time_ns = at(7);
  world.happen(longer);
  world.look(10);
  const Finding finding = world.only("connect-timeout");
  EXPECT_EQ(verdict(finding), "critical network high");
  EXPECT_EQ(cost(finding), "connections=3 attempts=3 ms=12000");
  EXPECT_EQ(figures(finding), "failed=3 count, unreachable=1 count, retransmits_syn=6 segments");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_syn_retries");
  EXPECT_EQ(finding.text, "3 attempts to connect failed after 4.0s without an answer.");
}

TEST(ConnectTimeoutRulesTest, WhereNoneHadARouteThatIsSaid) {
  World world;
  world.happen(failed(ENETUNREACH));
  world.look(10);
  EXPECT_EQ(world.only("connect-timeout").text,
            "1 attempt to connect failed: the host was said to be unreachable.");
}

TEST(ConnectTimeoutRulesTest, RequestsThatNeverLeftAreThisHosts) {
  World world;
  ev_sample s = failed(ETIMEDOUT);
  ev_sample begun = s;
  begun.header.kind = EV_SAMPLE;
  begun.header.time_ns = at(1.1);
  begun.conn.state = kSynSent;
  world.happen(begun);
  world.drop(1.2, 17);
  world.happen(s);
  world.look(10);
  const Finding finding = world.only("connect-timeout");
  EXPECT_EQ(verdict(finding), "critical host high");
  EXPECT_TRUE(figures(finding).ends_with("retransmits_syn=2 segments, drops=1 count"))
      << figures(finding);
}

}  // namespace
}  // namespace netsonde
