// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <tuple>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

TEST(SynAckRulesTest, AnswersThatWereSentAgainAreFound) {
  ev_sample s = listener();
  s.retransmits_syn = 3;
  World world;
  world.run({s});
  const Finding finding = world.only("synack-retransmits");
  EXPECT_EQ(verdict(finding), "warning network high");
  EXPECT_EQ(cost(finding), "connections=1 segments=3");
  EXPECT_EQ(figures(finding), "retransmits_syn=3 segments");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_synack_retries");
  EXPECT_NE(finding.text.find("3 answers (SYN-ACK)"), std::string::npos) << finding.text;
  expect("synack-retransmits", s, {{"none", 0, [](ev_sample& l) { l.retransmits_syn = 0; }}});
}

// Five stand in a queue of four, as the kernel allows it, and three found no room.
ev_sample full() {
  ev_sample s = listener();
  s.sk_drops = 3;
  s.receive_queue = 5;
  return s;
}

TEST(AcceptOverflowRulesTest, WhatAFullQueueDroppedIsFound) {
  World world;
  world.run({full()});
  const Finding finding = world.only("accept-overflow");
  EXPECT_EQ(verdict(finding), "critical application high");
  EXPECT_EQ(cost(finding), "connections=1 attempts=3");
  EXPECT_EQ(figures(finding), "listen_overflows=3 count, backlog=4 count, accept_queue=5 count");
  EXPECT_NE(finding.text.find("3 requests (SYN) dropped. It holds 5 of the 5"), std::string::npos)
      << finding.text;
  expect("accept-overflow", full(), {{"none", 0, [](ev_sample& l) { l.sk_drops = 0; }}});
}

TEST(AcceptOverflowRulesTest, AQueueThatHadRoomAtTheLastLookIsDoubted) {
  ev_sample s = full();
  s.receive_queue = 3;
  World world;
  world.run({s});
  EXPECT_EQ(verdict(world.only("accept-overflow")), "critical application medium");
}

// The limit of the namespace that the host's counters are of.
Finding limited_to(std::uint64_t somaxconn, std::uint64_t netns = 1) {
  World world;
  world.has_host = true;
  world.host.begin(time_from_ns(at(0)), std::vector<HostValue>{{"netns.inode", "", netns},
                                                               {"limit.somaxconn", "", somaxconn}});
  world.run({full()});
  return world.only("accept-overflow");
}

// Cookies are sent where somaxconn is this; what is known of the listeners, and what then happens.
bool helps_with_cookies(std::uint64_t somaxconn, const std::vector<ev_sample>& known,
                        const std::vector<ev_sample>& then = {}) {
  World world;
  world.has_host = true;
  const auto counted = [somaxconn](std::uint64_t sent) {
    return std::vector<HostValue>{{"netns.inode", "", 1},
                                  {"limit.somaxconn", "", somaxconn},
                                  {"netstat.TcpExt.SyncookiesSent", "", sent}};
  };
  world.host.begin(time_from_ns(at(0)), counted(0));
  world.host.update(time_from_ns(at(10)), counted(50));
  world.know(known);
  world.run(then);
  const Finding finding = world.only("syn-cookies");
  return std::ranges::find(finding.tunables, "net.core.somaxconn") != finding.tunables.end();
}

TEST(SynCookieRulesTest, TheLimitOfListenIsNamedWhereItLimitsAListener) {
  ev_sample idle = listener(), elsewhere = listener();
  idle.conn.cookie = 17;
  idle.backlog = 8;
  elsewhere.conn.cookie = 18;
  elsewhere.conn.netns = 2;
  elsewhere.backlog = 9;
  EXPECT_TRUE(helps_with_cookies(8, {})) << "nobody knows";
  EXPECT_TRUE(helps_with_cookies(8, {idle}));
  EXPECT_FALSE(helps_with_cookies(9, {idle}));
  EXPECT_FALSE(helps_with_cookies(9, {idle, elsewhere}));
  EXPECT_TRUE(helps_with_cookies(9, {elsewhere})) << "nobody knows";
}

TEST(SynCookieRulesTest, WhereAListenerDropsRequestsItIsThatWhichCounts) {
  ev_sample idle = listener();
  idle.conn.cookie = 17;
  idle.backlog = 8;
  EXPECT_FALSE(helps_with_cookies(8, {idle, listener()}, {full()})) << "it asked for four";
  EXPECT_TRUE(helps_with_cookies(4, {idle, listener()}, {full()}));
}

TEST(AcceptOverflowRulesTest, TheAdviceKnowsWhichLimitHolds) {
  const std::vector<std::string_view> tunable = {"net.core.somaxconn"};
  const Finding room = limited_to(5), none = limited_to(4), elsewhere = limited_to(5, 2);
  EXPECT_TRUE(figures(room).ends_with("accept_queue=5 count, limit.somaxconn=5 count"))
      << figures(room);
  EXPECT_NE(room.advice.find("raising that does nothing"), std::string::npos) << room.advice;
  EXPECT_TRUE(room.tunables.empty());
  EXPECT_TRUE(figures(none).ends_with("limit.somaxconn=4 count")) << figures(none);
  EXPECT_NE(none.advice.find("is what limits the queue"), std::string::npos) << none.advice;
  EXPECT_EQ(none.tunables, tunable);
  EXPECT_EQ(figures(elsewhere).find("somaxconn"), std::string::npos);
  EXPECT_NE(elsewhere.advice.find("needs both"), std::string::npos) << elsewhere.advice;
  EXPECT_EQ(elsewhere.tunables, tunable);
}

// So many new connections of each of the processes 1, 2, ... that share port 443.
class Sharing : public World {
 public:
  explicit Sharing(const std::vector<int>& accepted) {
    std::uint32_t pid = 0;
    for (const int connections : accepted) {
      ++pid;
      know({listener_of(pid)});
      for (int i = 0; i < connections; ++i) waiting_.push_back(accepted_by(pid));
    }
    for (const ev_sample& s : waiting_) happen(s);
    look(10);
  }

  static ev_sample listener_of(std::uint32_t pid) {
    ev_sample s = listener(pid);
    s.conn.pid = pid;
    return s;
  }
  ev_sample accepted_by(std::uint32_t pid) {
    ev_sample s = opened(5, ++cookie_);
    s.conn.direction = EV_IN;
    s.conn.local_port = 443;
    s.conn.remote_port = static_cast<std::uint16_t>(cookie_);
    s.conn.pid = pid;
    return s;
  }

  std::size_t count() { return found("reuseport-imbalance").size(); }

 private:
  std::uint64_t cookie_ = 100;
  std::vector<ev_sample> waiting_;
};

// The values of the chi-squared distribution that chance exceeds once in a thousand times are 10.8
// for two processes and 13.8 for three.
TEST(ReuseportRulesTest, MoreThanChanceDoesOnceInAThousandTimesIsFound) {
  EXPECT_EQ(Sharing({30, 10}).count(), 0U);     // 10.0
  EXPECT_EQ(Sharing({31, 9}).count(), 1U);      // 12.1
  EXPECT_EQ(Sharing({22, 10, 7}).count(), 0U);  // 9.7
  EXPECT_EQ(Sharing({25, 9, 7}).count(), 1U);   // 14.2
}

TEST(ReuseportRulesTest, TheBusiestHasAtLeastTwiceTheLeast) {
  EXPECT_EQ(Sharing({133, 67}).count(), 0U);
  EXPECT_EQ(Sharing({134, 67}).count(), 1U);
}

TEST(ReuseportRulesTest, FewerThanFiveEachTellNothing) {
  EXPECT_EQ(Sharing({14, 0, 0}).count(), 0U);
  EXPECT_EQ(Sharing({15, 0, 0}).count(), 1U);
}

TEST(ReuseportRulesTest, OneProcessSharesWithNobody) {
  EXPECT_EQ(Sharing({100}).count(), 0U);
  EXPECT_EQ(Sharing({0, 0}).count(), 0U);
}

TEST(ReuseportRulesTest, TheFiguresAreTheSharesOfTheBusiestAndTheLeast) {
  Sharing world({12, 40, 20});
  const Finding finding = world.only("reuseport-imbalance");
  EXPECT_EQ(verdict(finding), "info application high");
  EXPECT_EQ(cost(finding), "connections=72");
  EXPECT_EQ(figures(finding),
            "listeners=3 count, accepted=72 count, most=40 count, least=12 count");
  ASSERT_TRUE(finding.subject.connection);
  EXPECT_EQ(finding.subject.connection->pid, 2U);
  EXPECT_EQ(finding.subject.connections, 3U);
  EXPECT_EQ(finding.subject.cookies.size(), 3U);
  EXPECT_EQ(finding.since, time_from_ns(at(0)));
  EXPECT_NE(finding.text.find("of 72 new connections 40 went to process 2 and 12 to process 1"),
            std::string::npos)
      << finding.text;
}

TEST(ReuseportRulesTest, OfItsListenersOnlyThoseOfThatPortAreNamed) {
  World world;
  Sharing any({});
  ev_sample other_port = Sharing::listener_of(1), stranger = Sharing::listener_of(9);
  other_port.conn.cookie = 8;
  other_port.conn.local_port = 444;
  stranger.conn.local_port = 445;
  world.know({Sharing::listener_of(1), Sharing::listener_of(2), other_port, stranger});
  for (int i = 0; i < 20; ++i) world.happen(any.accepted_by(1));
  world.look(10);
  const Finding finding = world.only("reuseport-imbalance");
  EXPECT_EQ(std::set(finding.subject.cookies.begin(), finding.subject.cookies.end()),
            (std::set<std::uint64_t>{1, 2}));
  EXPECT_EQ(finding.subject.connection->cookie, 1U);
}

TEST(ReuseportRulesTest, OnlyNewConnectionsThatWereAcceptedThereCount) {
  using Change = void (*)(ev_sample&);
  for (const auto& [is, change, findings] :
       {std::tuple<const char*, Change, std::size_t>{"new", [](ev_sample&) {}, 1},
        {"old", [](ev_sample& s) { s.conn.start_ns = at(-5); }, 0},
        {"a client", [](ev_sample& s) { s.conn.direction = EV_OUT; }, 0},
        {"another port", [](ev_sample& s) { s.conn.local_port = 444; }, 0},
        {"another namespace", [](ev_sample& s) { s.conn.netns = 9; }, 0},
        {"another address", [](ev_sample& s) { s.conn.local[15] = 9; }, 0},
        {"another process", [](ev_sample& s) { s.conn.pid = 9; }, 0}}) {
    World world;
    Sharing any({});
    std::vector<ev_sample> before = {Sharing::listener_of(1), Sharing::listener_of(2)}, now;
    for (int i = 0; i < 50; ++i) {
      now.push_back(any.accepted_by(1));
      change(now.back());
      if (now.back().conn.start_ns < at(0)) before.push_back(now.back());
    }
    world.know(before);
    for (ev_sample& s : now) {
      s.segs_in = 1;
      world.happen(s);
    }
    world.look(10);
    EXPECT_EQ(world.found("reuseport-imbalance").size(), findings) << is;
  }
}

TEST(ReuseportRulesTest, AListenerOfAllAddressesGetsThem) {
  for (const bool ipv4 : {false, true}) {
    World world;
    Sharing any({});
    for (const std::uint32_t pid : {1U, 2U}) {
      ev_sample s = Sharing::listener_of(pid);
      std::fill(std::begin(s.conn.local), std::end(s.conn.local), std::uint8_t{0});
      if (ipv4) s.conn.local[10] = s.conn.local[11] = 0xff;
      world.know({s});
    }
    for (int i = 0; i < 20; ++i) world.happen(any.accepted_by(1));
    world.look(10);
    EXPECT_EQ(world.found("reuseport-imbalance").size(), 1U) << ipv4;
  }
}

}  // namespace
}  // namespace netsonde
