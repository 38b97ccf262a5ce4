// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// An episode of recovery of 100 ms; what the round trip was like when it began.
struct Trip {
  std::uint32_t srtt_us, min_rtt_us = 8000, rttvar_us = 0;
  std::uint8_t state = kRecovery;
  bool undone = false;
  bool ends = true;
};
constexpr Trip kCalm{.srtt_us = 8000}, kQueue{.srtt_us = 20'000};

class Lossy : public World {
 public:
  explicit Lossy(const std::vector<Trip>& trips, std::uint64_t cookie = kCookie) {
    know({connection(cookie)});
    add(trips, cookie);
  }

  void add(const std::vector<Trip>& trips, std::uint64_t cookie = kCookie) {
    for (double second = 1; const Trip& trip : trips) {
      ev_congestion_state change = {};
      change.new_state = trip.state;
      change.srtt_us = trip.srtt_us;
      change.min_rtt_us = trip.min_rtt_us;
      change.rttvar_us = trip.rttvar_us;
      state(second, change, cookie);
      if (trip.ends) {
        std::swap(change.old_state, change.new_state);
        change.undone = trip.undone;
        state(second + 0.1, change, cookie);
      }
      second += 0.5;
    }
  }
};

// So many segments sent again of a thousand.
ev_sample resent(std::uint32_t segments = 10) {
  ev_sample s = connection();
  s.segs_out = 1000;
  s.retransmitted = segments;
  s.retransmitted_bytes = std::uint64_t{segments} * kMss;
  return s;
}

// "congestive", "random", "" for neither.
std::string kind_of(const std::vector<Trip>& trips, const ev_sample& s = resent()) {
  Lossy world(trips);
  world.step(s, 10);
  std::string kind;
  if (!world.found("congestive-loss").empty()) kind += "congestive";
  if (!world.found("random-loss").empty()) kind += "random";
  return kind;
}

TEST(LossRulesTest, ARiseAboveAnEighthFourVariationsAndHalfAMillisecondIsAQueue) {
  EXPECT_EQ(kind_of({{.srtt_us = 8999}}), "random");
  EXPECT_EQ(kind_of({{.srtt_us = 9001}}), "congestive");
  EXPECT_EQ(kind_of({{.srtt_us = 9199, .rttvar_us = 300}}), "random");
  EXPECT_EQ(kind_of({{.srtt_us = 9201, .rttvar_us = 300}}), "congestive");
  EXPECT_EQ(kind_of({{.srtt_us = 1299, .min_rtt_us = 800}}), "random");
  EXPECT_EQ(kind_of({{.srtt_us = 1301, .min_rtt_us = 800}}), "congestive");
}

TEST(LossRulesTest, ARiseByHalfMayBeTwiceWhatTheRoundTripVaries) {
  EXPECT_EQ(kind_of({{.srtt_us = 11'999, .rttvar_us = 1900}}), "random");
  EXPECT_EQ(kind_of({{.srtt_us = 12'000, .rttvar_us = 1900}}), "congestive");
  EXPECT_EQ(kind_of({{.srtt_us = 12'000, .rttvar_us = 2001}}), "random");
  EXPECT_EQ(kind_of({{.srtt_us = 799, .min_rtt_us = 300, .rttvar_us = 200}}), "random");
  EXPECT_EQ(kind_of({{.srtt_us = 800, .min_rtt_us = 300, .rttvar_us = 200}}), "congestive");
  EXPECT_EQ(kind_of({{.srtt_us = 48'800, .min_rtt_us = 22'800, .rttvar_us = 13'000}}),
            "congestive");
}

// Of a path of 20 ms whose delay varies uniformly by so much in each direction: the mean above the
// minimum, the mean deviation a third of that, and somewhat more of both by chance.
TEST(LossRulesTest, ADelayThatVariesIsNoQueue) {
  for (const std::uint32_t each_way_us : {2000U, 4000U})
    for (const std::uint32_t tenths : {10U, 13U, 15U})
      EXPECT_EQ(kind_of({{.srtt_us = 20'000 + each_way_us * tenths / 10,
                          .min_rtt_us = 20'000,
                          .rttvar_us = each_way_us * tenths / 30}}),
                "random")
          << each_way_us << " " << tenths;
}

TEST(LossRulesTest, WhereOnlyTheVariationSpeaksAgainstAQueueThatIsSaid) {
  const Trip doubtful{.srtt_us = 12'000, .rttvar_us = 2001},
      smaller{.srtt_us = 11'999, .rttvar_us = 2001}, tiny{.srtt_us = 950, .min_rtt_us = 600};
  const auto random = [](const std::vector<Trip>& trips) {
    Lossy world(trips);
    world.step(resent(), 10);
    return world.only("random-loss");
  };
  for (const Finding& finding :
       {random({doubtful, doubtful, doubtful}), random({kCalm, doubtful, doubtful, kCalm}),
        random({doubtful, doubtful, kQueue})}) {
    EXPECT_EQ(verdict(finding), "warning network medium");
    EXPECT_TRUE(finding.text.find("grown by no more than it varies") != std::string::npos)
        << finding.text;
    EXPECT_TRUE(finding.doubt.ends_with("it may be a queue")) << finding.doubt;
  }
  for (const Finding& finding : {random({smaller, smaller, smaller}), random({tiny, tiny, tiny}),
                                 random({kCalm, doubtful, kCalm})}) {
    EXPECT_EQ(verdict(finding), "warning network high");
    EXPECT_TRUE(finding.text.find("had not grown") != std::string::npos) << finding.text;
  }
  EXPECT_EQ(random({doubtful}).doubt, "fewer than three episodes");
}

TEST(LossRulesTest, HalfOfTheEpisodesDecide) {
  EXPECT_EQ(kind_of({kQueue, kCalm}), "congestive");
  EXPECT_EQ(kind_of({kQueue, kCalm, kCalm}), "random");
  EXPECT_EQ(kind_of({kQueue, kQueue, kCalm}), "congestive");
}

TEST(LossRulesTest, AnEpisodeThatTellsNothingDoesNotCount) {
  const Trip undone{.srtt_us = 20'000, .undone = true};
  const Trip timeout{.srtt_us = 20'000, .state = kLoss, .ends = false};
  const Trip unmeasured{.srtt_us = 0};
  const Trip no_minimum{.srtt_us = 20'000, .min_rtt_us = ~0U};
  const Trip below_minimum{.srtt_us = 7999};
  for (const Trip& trip : {undone, timeout, unmeasured, no_minimum, below_minimum}) {
    EXPECT_EQ(kind_of({trip}), "") << trip.srtt_us;
    EXPECT_EQ(kind_of({kCalm, trip}), "random") << trip.srtt_us;
  }
  EXPECT_EQ(kind_of({{.srtt_us = 20'000, .state = kLoss}}), "congestive");
  EXPECT_EQ(kind_of({{.srtt_us = 20'000, .ends = false}}), "congestive");
}

TEST(LossRulesTest, WithoutARetransmissionOfDataNothingWasLost) {
  ev_sample s = resent(2);
  s.retransmits_syn = 1;
  EXPECT_EQ(kind_of({kCalm}, s), "random");
  s.retransmits_syn = 2;
  EXPECT_EQ(kind_of({kCalm}, s), "");
}

TEST(LossRulesTest, WhatTheNetworkDidNotLoseIsNoLossOfIt) {
  ev_sample silent = resent(), needless = resent(), less = resent();
  silent.ca_state = kLoss;
  silent.backoff = 3;
  needless.dsack_dups = 5;
  less.dsack_dups = 4;
  EXPECT_EQ(kind_of({kCalm}, silent), "");
  EXPECT_EQ(kind_of({kCalm}, needless), "");
  EXPECT_EQ(kind_of({kCalm}, less), "random");
}

TEST(LossRulesTest, WhereThisHostDroppedHalfOfItItIsNoLossOfTheNetwork) {
  for (const std::uint32_t segments : {4U, 5U}) {
    Lossy world({kCalm});
    for (const std::uint32_t sequence : {10'000U, 20'000U}) {
      world.drop(2, 2, sequence);
      world.resend(3, sequence);
    }
    world.resend(3, 30'000);
    world.step(resent(segments), 10);
    EXPECT_EQ(world.found("random-loss").size(), segments == 5 ? 1U : 0U);
  }
}

TEST(LossRulesTest, OnePercentIsAWarning) {
  for (const auto& [sent, says] :
       {std::pair(1000U, "warning network low"), {1001U, "info network low"}}) {
    Lossy world({kCalm});
    ev_sample s = resent();
    s.segs_out = sent;
    world.step(s, 10);
    EXPECT_EQ(verdict(world.only("random-loss")), says) << sent;
  }
}

TEST(LossRulesTest, FewOrMixedEpisodesAreDoubted) {
  const auto confidence = [](const std::vector<Trip>& trips, std::string_view id) {
    Lossy world(trips);
    world.step(resent(), 10);
    return name_of(world.only(id).confidence);
  };
  EXPECT_EQ(confidence({kCalm, kCalm}, "random-loss"), "low");
  EXPECT_EQ(confidence({kCalm, kCalm, kCalm}, "random-loss"), "high");
  EXPECT_EQ(confidence({kQueue, kCalm, kCalm, kCalm}, "random-loss"), "high");
  EXPECT_EQ(confidence({kQueue, kCalm, kCalm}, "random-loss"), "medium");
  EXPECT_EQ(confidence({kQueue, kQueue, kQueue}, "congestive-loss"), "high");
  EXPECT_EQ(confidence({kQueue, kQueue, kQueue, kCalm}, "congestive-loss"), "high");
  EXPECT_EQ(confidence({kQueue, kQueue, kCalm}, "congestive-loss"), "medium");
}

TEST(LossRulesTest, TheFiguresAreShareEpisodesAndTypicalRoundTrips) {
  Lossy world({{.srtt_us = 20'000, .min_rtt_us = 8000, .rttvar_us = 70},
               {.srtt_us = 40'000, .min_rtt_us = 9000, .rttvar_us = 90},
               {.srtt_us = 8000, .min_rtt_us = 7500, .rttvar_us = 200},
               {.srtt_us = 1, .min_rtt_us = 1, .undone = true}});
  world.resend(2.5, 1);
  world.resend(3, 2);
  ev_sample s = resent(25);
  s.retransmits_syn = 5;
  world.step(s, 10);
  const Finding finding = world.only("congestive-loss");
  EXPECT_EQ(figures(finding),
            "retransmitted_segments=20 segments, tx_segments=1000 segments, "
            "retransmit_percent=2 percent, episodes=3 count, episodes_with_queue=2 count, "
            "srtt_before_loss_us=20000 us, rttvar_before_loss_us=90 us, min_rtt_us=8000 us");
  EXPECT_EQ(cost(finding), "connections=1 bytes=25000 segments=20 ms=400");
  EXPECT_EQ(finding.since, time_from_ns(at(2.5)));
  EXPECT_TRUE(finding.text.starts_with("20 segments lost")) << finding.text;
}

TEST(LossRulesTest, ARecoveryThatGoesOnCostsTimeUntilNow) {
  Lossy world({{.srtt_us = 8000, .ends = false}});
  world.step(resent(), 10);
  EXPECT_EQ(cost(world.only("random-loss")), "connections=1 bytes=10000 segments=10 ms=9000");
}

TEST(LossRulesTest, WhatWasNotMeasuredIsNoRoundTrip) {
  Lossy world({kCalm, {.srtt_us = 0}, {.srtt_us = 0}, {.srtt_us = 1, .min_rtt_us = ~0U}});
  world.step(resent(), 10);
  EXPECT_TRUE(figures(world.only("random-loss"))
                  .ends_with("srtt_before_loss_us=8000 us, rttvar_before_loss_us=0 us, "
                             "min_rtt_us=8000 us"));
}

TEST(LossRulesTest, TheSettingsAreThoseOfTheCause) {
  Lossy queue({kQueue}), calm({kCalm});
  queue.step(resent(), 10);
  calm.step(resent(), 10);
  EXPECT_EQ(tunables(queue.only("congestive-loss")),
            "ipv4.tcp_congestion_control, core.default_qdisc");
  EXPECT_EQ(tunables(calm.only("random-loss")), "ipv4.tcp_congestion_control");
}

TEST(LossRulesTest, TheTimeIsThatOfAllRecoveriesTogether) {
  Lossy world({}, 1);
  world.know({connection(1), connection(2)});
  world.add({kCalm, kCalm}, 1);
  world.add({kCalm}, 2);
  for (const std::uint64_t cookie : {1, 2}) {
    ev_sample s = resent();
    s.conn = connection(cookie).conn;
    world.step(s, 9 + static_cast<double>(cookie) / 2);
  }
  const Finding finding = world.only("random-loss");
  EXPECT_EQ(cost(finding), "connections=2 bytes=20000 segments=20 ms=300");
  EXPECT_TRUE(figures(finding).find("episodes=3 count") != std::string::npos) << figures(finding);
  EXPECT_EQ(finding.confidence, Confidence::High);
}

TEST(LossRulesTest, WithoutAnEventOfItItBeganWithTheFirstSign) {
  Lossy world({kCalm});
  world.step(resent(), 10);
  EXPECT_EQ(world.only("random-loss").since, time_from_ns(at(1)));
}

TEST(LossRulesTest, TheEarliestRetransmissionIsItsBegin) {
  World world;
  world.know({connection(1), connection(2)});
  for (const std::uint64_t cookie : {1, 2}) {
    world.resend(cookie == 2 ? 3 : 4, 1, kMss, EV_RETRANSMIT_FAST, cookie);
    ev_sample s = resent();
    s.conn = connection(cookie).conn;
    s.dsack_dups = 5;
    world.step(s, 9 + static_cast<double>(cookie) / 2);
  }
  EXPECT_EQ(world.only("spurious-retransmits").since, time_from_ns(at(3)));
}

// A timeout that began in the second and was over a tenth of a second later.
constexpr Trip kTimeout{.srtt_us = 8000, .state = kLoss};

ev_sample timed_out() {
  ev_sample s = resent(20);
  s.retransmits_rto = 12;
  s.retransmits_tlp = 3;
  s.rto_us = 200'000;
  return s;
}

TEST(TailLossRulesTest, ATimeoutThatWasRepairedIsFound) {
  const auto count = [](const Trip& trip, const ev_sample& s) {
    Lossy world({trip});
    world.step(s, 10);
    return world.found("tail-loss").size();
  };
  ev_sample unseen = timed_out(), needless = timed_out(), silent = timed_out();
  unseen.retransmits_rto = 0;
  needless.dsack_dups = 10;
  silent.ca_state = kLoss;
  silent.backoff = 3;
  EXPECT_EQ(count(kTimeout, timed_out()), 1U);
  EXPECT_EQ(count({.srtt_us = 8000, .state = kLoss, .ends = false}, timed_out()), 0U);
  EXPECT_EQ(count({.srtt_us = 8000, .state = kLoss, .undone = true}, timed_out()), 0U);
  EXPECT_EQ(count({.srtt_us = 8000}, timed_out()), 0U);
  EXPECT_EQ(count(kTimeout, unseen), 0U);
  EXPECT_EQ(count(kTimeout, needless), 0U);
  EXPECT_EQ(count(kTimeout, silent), 0U);
}

TEST(TailLossRulesTest, TheFiguresAreTimeoutsAndProbes) {
  Lossy world({kTimeout, kTimeout, kCalm});
  world.step(timed_out(), 10);
  const Finding finding = world.only("tail-loss");
  EXPECT_EQ(verdict(finding), "warning network high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=20000 segments=20 ms=300");
  EXPECT_EQ(figures(finding),
            "retransmitted_segments=20 segments, tx_segments=1000 segments, "
            "retransmit_percent=2 percent, loss_episodes=2 count, retransmits_rto=12 segments, "
            "retransmits_tlp=3 segments, rto_us=200000 us");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_early_retrans, ipv4.tcp_rto_min_us");
  EXPECT_TRUE(finding.text.starts_with("2 loss episodes found only by a timeout")) << finding.text;
}

ev_sample needless() {
  ev_sample s = resent(20);
  s.dsack_dups = 10;
  s.undos = 3;
  s.rttvar_us = 70;
  return s;
}

TEST(SpuriousRulesTest, HalfOfTheRetransmissionsNeedlessIsFound) {
  expect("spurious-retransmits", needless(),
         {{"half of them", 1, [](ev_sample&) {}},
          {"less than half", 0, [](ev_sample& s) { s.dsack_dups = 9; }},
          {"of the data, without SYN", 1,
           [](ev_sample& s) { s.dsack_dups = 9, s.retransmits_syn = 2; }},
          {"none", 0, [](ev_sample& s) { s.dsack_dups = s.retransmitted = 0; }},
          {"of nothing that was sent", 1, [](ev_sample& s) { s.segs_out = 0; }},
          {"probes of a shut window", 0, [](ev_sample& s) { s.snd_wnd = 0, s.not_sent = 1; }}});
}

TEST(SpuriousRulesTest, TheFiguresTellHowManyWereTakenBack) {
  World world;
  world.run({needless()});
  const Finding finding = world.only("spurious-retransmits");
  EXPECT_EQ(verdict(finding), "warning network high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=20000 segments=20 ms=0");
  EXPECT_EQ(figures(finding),
            "retransmitted_segments=20 segments, tx_segments=1000 segments, "
            "retransmit_percent=2 percent, retransmits_spurious=10 segments, "
            "undone_recoveries=3 count, rttvar_us=70 us");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_reordering, ipv4.tcp_frto");
  EXPECT_TRUE(finding.text.starts_with("10 retransmissions needless")) << finding.text;
}

ev_sample overtaken() {
  ev_sample s = connection();
  s.reord_seen = 4;
  s.reordering = 9;
  s.dsack_dups = 2;
  s.tx_bytes = 5000;
  return s;
}

TEST(ReorderingRulesTest, WhatTheKernelSawIsTold) {
  World world;
  world.run({overtaken()});
  const Finding finding = world.only("reordering");
  EXPECT_EQ(verdict(finding), "info network high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=5000");
  EXPECT_EQ(figures(finding),
            "reordering_seen=4 count, reordering_segments=9 segments, "
            "retransmits_spurious=2 segments");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_recovery, ipv4.tcp_reordering");
  EXPECT_TRUE(finding.text.ends_with("seen 4 times, up to 9 segments apart.")) << finding.text;
  expect("reordering", overtaken(), {{"never seen", 0, [](ev_sample& s) { s.reord_seen = 0; }}});
}

TEST(ReorderingRulesTest, WhereBothEndsAreOnThisHostItIsTheHosts) {
  World world;
  ev_sample s = overtaken();
  s.dsack_dups = s.retransmitted = 2;
  world.run({s, other_end_of(s, 2)});
  for (const std::string_view id : {"reordering", "spurious-retransmits"}) {
    const Finding finding = world.only(id);
    EXPECT_EQ(finding.where, Where::Host);
    EXPECT_TRUE(finding.text.ends_with(" Both ends are on this host.")) << finding.text;
  }
}

}  // namespace
}  // namespace netsonde
