// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Whatever the rule, what suffers the same is told once: here of reordering, which has no
// threshold.
ev_sample overtaken(std::uint64_t cookie, std::uint32_t times = 1) {
  ev_sample s = connection(cookie);
  s.reord_seen = times;
  s.reordering = 10 * times;
  s.tx_bytes = 1000 * times;
  return s;
}

std::size_t findings_with(void (*change)(ev_sample&)) {
  ev_sample other = overtaken(2);
  change(other);
  World world;
  world.run({overtaken(1), other});
  return world.found("reordering").size();
}

TEST(GroupRulesTest, ConnectionsOfOneProgramToOneServiceAreOneFinding) {
  EXPECT_EQ(findings_with([](ev_sample&) {}), 1U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.pid = 8; }), 1U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.local[15] = 9; }), 1U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.remote_port = 80; }), 2U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.remote[15] = 9; }), 2U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.comm[0] = 'x'; }), 2U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.netns = 9; }), 2U);
  EXPECT_EQ(findings_with([](ev_sample& s) { s.conn.direction = EV_IN; }), 2U);
}

TEST(GroupRulesTest, ConnectionsOfOneServerToOneClientAreOneFinding) {
  const auto with = [](void (*change)(ev_sample&)) {
    ev_sample first = overtaken(1), other = overtaken(2);
    for (ev_sample* s : {&first, &other}) {
      s->conn.direction = EV_IN;
      s->conn.local_port = 80;
      s->conn.remote_port = static_cast<std::uint16_t>(40'000 + s->conn.cookie);
    }
    change(other);
    World world;
    world.run({first, other});
    return world.found("reordering").size();
  };
  EXPECT_EQ(with([](ev_sample&) {}), 1U);
  EXPECT_EQ(with([](ev_sample& s) { s.conn.local_port = 81; }), 2U);
  EXPECT_EQ(with([](ev_sample& s) { s.conn.local[15] = 9; }), 2U);
  EXPECT_EQ(with([](ev_sample& s) { s.conn.remote[15] = 9; }), 2U);
}

TEST(GroupRulesTest, AListenerIsItsAddressAndPort) {
  const auto with = [](void (*change)(ev_sample&)) {
    ev_sample first = listener(1), other = listener(2);
    first.sk_drops = other.sk_drops = 1;
    change(other);
    World world;
    world.run({first, other});
    return world.found("accept-overflow").size();
  };
  EXPECT_EQ(with([](ev_sample&) {}), 1U);
  EXPECT_EQ(with([](ev_sample& s) { s.conn.local_port = 80; }), 2U);
  EXPECT_EQ(with([](ev_sample& s) { s.conn.local[15] = 9; }), 2U);
}

TEST(GroupRulesTest, TheWorstComesFirstAndGivesTheFigures) {
  World world;
  ev_sample foreign = overtaken(4, 2);
  foreign.conn.pid = 8;
  ev_sample unknown = overtaken(5);
  unknown.conn.owner = EV_OWNER_UNKNOWN;
  unknown.conn.pid = 9;
  world.run({overtaken(6), overtaken(3, 5), foreign, unknown, connection(1)});
  const Finding finding = world.only("reordering");
  EXPECT_EQ(finding.subject.cookies, (std::vector<std::uint64_t>{3, 4, 5, 6}));
  EXPECT_EQ(finding.subject.connections, 4U);
  EXPECT_EQ(finding.subject.processes, 2U);
  ASSERT_TRUE(finding.subject.connection);
  EXPECT_EQ(finding.subject.connection->cookie, 3U);
  EXPECT_EQ(cost(finding), "connections=4 bytes=9000");
  EXPECT_EQ(figures(finding),
            "reordering_seen=9 count, reordering_segments=50 segments, "
            "retransmits_spurious=0 segments");
}

TEST(GroupRulesTest, ItBeganWithTheEarliestOfThem) {
  World world;
  world.know({connection(1), connection(2)});
  world.step(overtaken(1), 4);
  world.step(overtaken(2), 3);
  EXPECT_EQ(world.only("reordering").since, time_from_ns(at(3)));
}

TEST(GroupRulesTest, SharesAreOfTheWholeGroup) {
  World world;
  ev_sample first = connection(1), second = connection(2);
  first.rwnd_limited_ms = 300;
  first.busy_ms = 700;
  first.tx_bytes = 100;
  second.rwnd_limited_ms = 100;
  second.sndbuf_limited_ms = 900;
  second.tx_bytes = 10;
  second.snd_wnd = 5;
  world.run({first, second});
  const Finding finding = world.only("receive-window-limited");
  EXPECT_EQ(cost(finding), "connections=2 bytes=110 ms=400");
  EXPECT_EQ(figures(finding),
            "waited_for_window_ms=400 ms, sending_ms=2000 ms, share_percent=20 percent, "
            "receive_window_limited_ms=400 ms, send_window_bytes=1048576 bytes, srtt_us=1000 us, "
            "min_rtt_us=1000 us");
}

std::vector<std::uint16_t> ports_of(const std::vector<Finding>& findings) {
  std::vector<std::uint16_t> ports;
  for (const Finding& finding : findings) ports.push_back(finding.subject.connection->remote_port);
  return ports;
}

TEST(RankRulesTest, TheSeverityComesFirstThenTheTime) {
  ev_sample severe = connection(1), brief = connection(2), lasting = connection(3);
  severe.rwnd_limited_ms = 200;
  brief.rwnd_limited_ms = 1000;
  brief.sndbuf_limited_ms = 3000;
  brief.tx_bytes = 1'000'000;
  lasting.rwnd_limited_ms = 1500;
  lasting.sndbuf_limited_ms = 3000;
  severe.conn.remote_port = 3;
  brief.conn.remote_port = 1;
  lasting.conn.remote_port = 2;
  World world;
  world.run({brief, lasting, severe});
  EXPECT_EQ(ports_of(world.found("receive-window-limited")), (std::vector<std::uint16_t>{3, 2, 1}));
}

TEST(RankRulesTest, ThenWhatDidNotComeAboutThenTheBytesThenHowMany) {
  World refused;
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) {
    ev_sample s = closed(opened(1, cookie), 2, ECONNREFUSED);
    s.established_ns = 0;
    s.conn.remote_port = cookie == 1 ? 1 : 2;
    refused.happen(s);
  }
  refused.look(10);
  EXPECT_EQ(ports_of(refused.found("connect-refused")), (std::vector<std::uint16_t>{2, 1}));
  World sizes, counts;
  ev_sample few = overtaken(1), many = overtaken(2, 3), one = overtaken(3), another = overtaken(4);
  few.conn.remote_port = 1;
  sizes.run({few, many});
  EXPECT_EQ(ports_of(sizes.found("reordering")), (std::vector<std::uint16_t>{443, 1}));
  few.tx_bytes = 2000;
  counts.run({few, one, another});
  EXPECT_EQ(ports_of(counts.found("reordering")), (std::vector<std::uint16_t>{443, 1}));
}

}  // namespace
}  // namespace netsonde
