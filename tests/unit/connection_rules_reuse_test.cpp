// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Lived for so long, of which the handshake took so much.
ev_sample brief(std::uint64_t cookie, std::uint64_t life_us, std::uint64_t handshake_us) {
  ev_sample s = opened(1, cookie);
  s.established_ns = at(1) + handshake_us * 1000;
  s.tx_bytes = 30;
  s.rx_bytes = 70;
  s = closed(s, 0);
  s.header.time_ns = at(1) + life_us * 1000;
  return s;
}

class Churn : public World {
 public:
  explicit Churn(
      int connections, double span = 10, void (*change)(ev_sample&) = [](ev_sample&) {},
      std::uint64_t life_us = 999'999, std::uint64_t handshake_us = 1000) {
    std::vector<ev_sample> all, old;
    for (int i = 1; i <= connections; ++i) {
      all.push_back(brief(static_cast<std::uint64_t>(i), life_us, handshake_us));
      change(all.back());
      if (all.back().conn.start_ns < at(0)) old.push_back(all.back());
    }
    know(old);
    for (const ev_sample& s : all) happen(s);
    look(span);
  }

  std::size_t count() { return found("connection-churn").size(); }
};

TEST(ChurnRulesTest, TenShortConnectionsAndOneASecondAreFound) {
  EXPECT_EQ(Churn(10).count(), 1U);
  EXPECT_EQ(Churn(9, 5).count(), 0U);
  EXPECT_EQ(Churn(10, 10.1).count(), 0U);
  EXPECT_EQ(Churn(20, 20).count(), 1U);
}

TEST(ChurnRulesTest, OnlyShortOnesOfAClientThatCameAboutMeanwhileCount) {
  EXPECT_EQ(Churn(10, 10, [](ev_sample& s) { s.header.time_ns = at(2); }).count(), 0U);
  EXPECT_EQ(Churn(10, 10, [](ev_sample& s) { s.conn.direction = EV_IN; }).count(), 0U);
  EXPECT_EQ(Churn(10, 10, [](ev_sample& s) { s.established_ns = 0; }).count(), 0U);
  EXPECT_EQ(Churn(10, 10, [](ev_sample& s) { s.header.kind = EV_SAMPLE; }).count(), 0U);
  EXPECT_EQ(Churn(10, 10,
                  [](ev_sample& s) {
                    s.header.kind = EV_CLOSE;
                    s.conn.start_ns = at(-0.5);
                    s.header.time_ns = at(0.1);
                  })
                .count(),
            0U);
}

TEST(ChurnRulesTest, TheFiguresAreRateLifeAndHandshakes) {
  Churn world(
      20, 10, [](ev_sample&) {}, 4000, 1000);
  const Finding finding = world.only("connection-churn");
  EXPECT_EQ(verdict(finding), "info application high");
  EXPECT_EQ(cost(finding), "connections=20 bytes=2000 ms=20");
  EXPECT_EQ(figures(finding),
            "connections_per_s=2 1/s, mean_life_us=4000 us, handshakes_us=20000 us, "
            "handshake_share_percent=25 percent, bytes_per_connection=100 bytes");
  EXPECT_EQ(finding.text,
            "20 short connections to one place, 2 per second; 25% of their life went into the "
            "handshake.");
}

TEST(ChurnRulesTest, WhereHandshakesTakeAQuarterOfTheirLifeAndMuchOfTheTimeItIsAWarning) {
  struct Share {
    std::uint64_t life_us, handshake_us;
    std::string_view says;
  };
  constexpr std::string_view kInfo = "info application high", kWarning = "warning application high";
  for (const Share& share :
       {Share{200'000, 50'000, kWarning}, {200'001, 50'000, kInfo}, {100'000, 49'999, kInfo}}) {
    Churn world(
        10, 10, [](ev_sample&) {}, share.life_us, share.handshake_us);
    EXPECT_EQ(verdict(world.only("connection-churn")), share.says) << share.life_us;
  }
}

// Sent after a pause of so many milliseconds, and that was the end.
class Forgotten : public World {
 public:
  explicit Forgotten(std::uint32_t pause_ms, std::uint16_t error = 0,
                     std::uint8_t end = EV_END_RESET_RECEIVED, std::uint32_t received_ms = 500) {
    ev_sample s = connection();
    s.data_segs_out = 10;
    s.rto_us = 200'000;
    s.last_sent_ms = pause_ms - 2000;
    know({s});
    look(2);
    s.data_segs_out = 11;
    s.last_sent_ms = 500;
    s.last_received_ms = received_ms;
    s.send_queue = 12;
    happen(closed(s, 3, error, end));
    look(4);
  }

  std::size_t count() { return found("idle-reset").size(); }
};

TEST(IdleResetRulesTest, AfterAPauseOfTenSecondsAResetIsFound) {
  EXPECT_EQ(Forgotten(10'000).count(), 1U);
  EXPECT_EQ(Forgotten(9'999).count(), 0U);
}

TEST(IdleResetRulesTest, OnlyAResetOrSilenceIsMeant) {
  EXPECT_EQ(Forgotten(12'000, ETIMEDOUT, 0).count(), 1U);
  EXPECT_EQ(Forgotten(12'000, 0, 0).count(), 0U);
  EXPECT_EQ(Forgotten(12'000, 0, EV_END_RESET_SENT).count(), 0U);
  EXPECT_EQ(Forgotten(12'000, EPIPE, 0).count(), 0U);
}

TEST(IdleResetRulesTest, AnAnswerWasAnAnswer) {
  EXPECT_EQ(Forgotten(12'000, 0, EV_END_RESET_RECEIVED, 499).count(), 0U);
  EXPECT_EQ(Forgotten(12'000, 0, EV_END_RESET_RECEIVED, 500).count(), 1U);
}

TEST(IdleResetRulesTest, TheFiguresAreThePauseAndTheEnd) {
  Forgotten reset(12'000, 0, EV_END_RESET_RECEIVED, 13'000), timeout(12'000, ETIMEDOUT, 0);
  const Finding finding = reset.only("idle-reset");
  EXPECT_EQ(verdict(finding), "warning network medium");
  EXPECT_EQ(cost(finding), "connections=1 bytes=12 attempts=1");
  EXPECT_EQ(figures(finding), "pause_ms=12000 ms, end=reset_received, last_received_ms=13000 ms");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_keepalive_time, ipv4.tcp_keepalive_intvl");
  EXPECT_NE(finding.text.find("pause of 12s the first data was answered by a reset"),
            std::string::npos)
      << finding.text;
  EXPECT_NE(timeout.only("idle-reset").text.find("answered by silence"), std::string::npos);
}

TEST(IdleResetRulesTest, APauseThatWasAnsweredIsNotTheCauseOfALaterEnd) {
  ev_sample s = connection();
  s.data_segs_out = 10;
  s.last_sent_ms = 11'000;
  World world;
  world.know({s});
  world.look(2);
  s.data_segs_out = 11;
  s.tx_bytes += 12;
  s.last_sent_ms = 100;
  world.step(s, 3);
  s.data_segs_out = 12;
  s.last_sent_ms = 500;
  s.last_received_ms = 500;
  world.happen(closed(s, 4, ETIMEDOUT));
  world.look(5);
  EXPECT_TRUE(world.found("idle-reset").empty());
}

TEST(IdleResetRulesTest, OneThatGoesOnWasNotForgotten) {
  ev_sample s = connection();
  s.data_segs_out = 10;
  s.last_sent_ms = 11'000;
  World world;
  world.know({s});
  world.look(2);
  s.data_segs_out = 11;
  world.step(s, 3);
  EXPECT_TRUE(world.found("idle-reset").empty());
}

}  // namespace
}  // namespace netsonde
