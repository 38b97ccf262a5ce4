// SPDX-License-Identifier: Apache-2.0
#include "tuner/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace netsonde {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kRate = "rx_bytes_per_s";

TrialBlock block(const char* metric, double before, double after) {
  return {.before = {{metric, before}}, .after = {{metric, after}}};
}

std::vector<TrialBlock> blocks_of(std::size_t count, const char* metric, double before,
                                  double after) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> scatter(0.98, 1.02);
  std::vector<TrialBlock> blocks;
  for (std::size_t i = 0; i < count; ++i)
    blocks.push_back(block(metric, before * scatter(random), after * scatter(random)));
  return blocks;
}

const TrialEffect& effect_on(const std::vector<TrialEffect>& effects, std::string_view metric) {
  for (const TrialEffect& one : effects)
    if (one.metric->id == metric) return one;
  throw std::runtime_error("it is not there");
}

TEST(TrialVerdictTest, MoreOfWhatIsToBeMoreIsBetter) {
  const auto effects = judge_trial(blocks_of(12, "rx_bytes_per_s", 100, 200), "rx_bytes_per_s", 1);
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_EQ(effects[0].verdict, Verdict::Better);
  EXPECT_NEAR(effects[0].effect->ratio, 2, 0.05);
  EXPECT_NEAR(effects[0].before, 100, 2);
  EXPECT_NEAR(effects[0].after, 200, 4);
}

TEST(TrialVerdictTest, MoreOfWhatIsToBeLessIsWorse) {
  const auto effects = judge_trial(blocks_of(12, "load_seconds", 1, 2), "load_seconds", 1);
  EXPECT_EQ(effects[0].verdict, Verdict::Worse);
}

TEST(TrialVerdictTest, TooFewBlocksAreNoVerdict) {
  const auto effects = judge_trial(blocks_of(5, "load_seconds", 1, 2), "load_seconds", 1);
  EXPECT_EQ(effects[0].verdict, Verdict::Inconclusive);
  EXPECT_FALSE(effects[0].effect);
  EXPECT_EQ(effects[0].blocks, 5U);
}

TEST(TrialVerdictTest, ACountThatGoesToNothingHasARatio) {
  const auto effects =
      judge_trial(blocks_of(12, "listen_overflows_per_s", 99, 0), "listen_overflows_per_s", 1);
  EXPECT_EQ(effects[0].verdict, Verdict::Better);
  EXPECT_NEAR(effects[0].effect->ratio, 0.01, 0.002);
  EXPECT_NEAR(effects[0].before, 99, 1);
  EXPECT_NEAR(effects[0].after, 0, 1e-9);
}

// Their means, so that a ratio has two figures that go with it.
TEST(TrialVerdictTest, TheFiguresAreAsFarApartAsTheRatioSays) {
  std::vector<TrialBlock> blocks;
  for (int i = 0; i < 12; ++i) blocks.push_back(block("retransmit_percent", 0, i < 4 ? 2.5 : 0));
  const TrialEffect effect = judge_trial(blocks, "retransmit_percent", 1)[0];
  EXPECT_NEAR(effect.before, 0, 1e-9);
  EXPECT_NEAR(effect.after, 0.5 * effect.effect->ratio - 0.5, 1e-9);
  EXPECT_GT(effect.after, 0.3);
  const TrialEffect load = judge_trial(blocks_of(12, "load_seconds", 1, 0.5), "load_seconds", 1)[0];
  EXPECT_NEAR(load.after, 0.5, 0.02);
}

TEST(TrialVerdictTest, GuardsAreJudgedBesideWhatDecides) {
  std::vector<TrialBlock> blocks = blocks_of(12, "rx_bytes_per_s", 100, 200);
  for (TrialBlock& one : blocks) {
    one.before["rtt_p99_us"] = 1000 + one.before["rx_bytes_per_s"];
    one.after["rtt_p99_us"] = 3000 + one.before["rx_bytes_per_s"];
    one.after["rtt_p50_us"] = one.before["rtt_p50_us"] = 5;  // guards nothing
  }
  const auto effects = judge_trial(blocks, "rx_bytes_per_s", 1);
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_EQ(effects[0].metric->id, "rx_bytes_per_s");
  EXPECT_EQ(effect_on(effects, "rtt_p99_us").verdict, Verdict::Worse);
}

TEST(TrialVerdictTest, WhatOneSideLacksIsNotCompared) {
  std::vector<TrialBlock> blocks = blocks_of(12, "rx_bytes_per_s", 100, 200);
  blocks[3].after.clear();
  EXPECT_EQ(judge_trial(blocks, "rx_bytes_per_s", 1)[0].blocks, 11U);
}

TEST(TrialVerdictTest, OfNothingThereIsNoRatio) {
  std::vector<TrialBlock> blocks = blocks_of(12, "rx_bytes_per_s", 100, 200);
  blocks[3] = block("rx_bytes_per_s", 0, 200);
  const auto effects = judge_trial(blocks, "rx_bytes_per_s", 1);
  EXPECT_EQ(effects[0].blocks, 11U);
  EXPECT_EQ(effects[0].verdict, Verdict::Better);
}

TEST(TrialVerdictTest, WhereNothingDiffersNothingIsClaimed) {
  std::mt19937_64 random(3);
  std::lognormal_distribution<double> scatter(0, 0.2);
  int claims = 0;
  for (int run = 0; run < 200; ++run) {
    std::vector<TrialBlock> blocks;
    for (int i = 0; i < 12; ++i)
      blocks.push_back(block("rx_bytes_per_s", scatter(random), scatter(random)));
    const Verdict verdict = judge_trial(blocks, "rx_bytes_per_s", 1)[0].verdict;
    claims += verdict == Verdict::Better || verdict == Verdict::Worse;
  }
  EXPECT_LE(claims, 19);  // 10 expected
}

TEST(TrialHarmTest, SmallHarmThatIsSureIsHarm) {
  const auto blocks = blocks_of(20, "rtt_p99_us", 1000, 1500);
  EXPECT_THAT(harm_of(std::span(blocks).first(6), kRate, 20, 1), IsEmpty());
  EXPECT_THAT(harm_of(blocks, kRate, 20, 1), HasSubstr("rtt_p99_us became 1.45"));
}

TEST(TrialHarmTest, NobodyWaitsWhereItIsTwiceAsBad) {
  const auto blocks = blocks_of(3, "retransmit_percent", 1, 5);
  EXPECT_THAT(harm_of(std::span(blocks).first(2), kRate, 20, 1), IsEmpty());
  EXPECT_THAT(harm_of(blocks, kRate, 20, 1), HasSubstr("retransmit_percent"));
}

TEST(TrialHarmTest, WhatBecomesBetterOrGuardsNothingIsNoHarm) {
  EXPECT_THAT(harm_of(blocks_of(20, "rtt_p99_us", 1000, 100), kRate, 20, 1), IsEmpty());
  EXPECT_THAT(harm_of(blocks_of(20, "rtt_p50_us", 100, 1000), kRate, 20, 1), IsEmpty());
  EXPECT_THAT(harm_of(blocks_of(20, "rtt_p99_us", 1000, 1050), kRate, 20, 1), IsEmpty());
}

TEST(TrialHarmTest, WhereNothingDiffersThereIsNoHarm) {
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> scatter(std::log(1e6), 0.1);
  int alarms = 0;
  for (int run = 0; run < 40; ++run) {
    std::vector<TrialBlock> blocks;
    for (int i = 0; i < 20; ++i) {
      blocks.push_back(block("rtt_p99_us", scatter(random), scatter(random)));
      if (!harm_of(blocks, kRate, 20, 1).empty()) {
        ++alarms;
        break;
      }
    }
  }
  EXPECT_LE(alarms, 4);
}

// A tenth of a millisecond more is nothing.
TEST(TrialHarmTest, AFewMicrosecondsAreNoHarm) {
  EXPECT_THAT(harm_of(blocks_of(3, "rtt_p99_us", 10, 90), kRate, 20, 1), IsEmpty());
  EXPECT_THAT(harm_of(blocks_of(3, "rtt_p99_us", 10, 900), kRate, 20, 1),
              HasSubstr("twice as bad"));
}

TEST(TrialHarmTest, WhatIsToleratedIsNoHarm) {
  const auto blocks = blocks_of(20, "rtt_p99_us", 10'000, 25'000);
  EXPECT_THAT(harm_of(blocks, kRate, 20, 1, {.round_trip = 3}), IsEmpty());
  EXPECT_THAT(harm_of(blocks, kRate, 20, 1, {.round_trip = 2}), HasSubstr("rtt_p99_us became 2.4"));
  EXPECT_THAT(harm_of(blocks, kRate, 20, 1, {.retransmits = 3}), HasSubstr("rtt_p99_us"));
  const std::vector<TrialEffect> effects = judge_trial(blocks, kRate, 1);
  EXPECT_THAT(harm_in(effects, {}), HasSubstr("tolerated are 1.10"));
  EXPECT_THAT(harm_in(effects, {.round_trip = 2}), HasSubstr("rtt_p99_us became 2.4"));
  EXPECT_THAT(harm_in(effects, {.round_trip = 3}), IsEmpty());
}

// So many times as much is carried, so many times as many segments are lost.
std::vector<TrialBlock> costly_gain(std::size_t count, double gain, double cost) {
  std::vector<TrialBlock> blocks = blocks_of(count, kRate, 100, 100 * gain);
  for (TrialBlock& one : blocks) {
    one.before["retransmit_percent"] = one.before[kRate] / 100;
    one.after["retransmit_percent"] = one.after[kRate] / 100 * cost / gain;
  }
  return blocks;
}

TEST(TrialHarmTest, WhatIsGainedPaysForWhatIsSentAgain) {
  const auto cheap = costly_gain(8, 12, 4), dear = costly_gain(8, 1.3, 4);
  const auto some_cheap = std::span(cheap).first(4), some_dear = std::span(dear).first(4);
  EXPECT_THAT(harm_of(some_cheap, kRate, 8, 1, {.gain_pays = 1}), IsEmpty());
  EXPECT_THAT(harm_of(some_dear, kRate, 8, 1, {.gain_pays = 1}), HasSubstr("twice as bad"));
  EXPECT_THAT(harm_of(some_cheap, kRate, 8, 1), HasSubstr("twice as bad"));
  EXPECT_THAT(harm_in(judge_trial(cheap, kRate, 1), {.gain_pays = 1}), IsEmpty());
  EXPECT_THAT(harm_in(judge_trial(cheap, kRate, 1), {.gain_pays = 0.25}),
              HasSubstr("retransmit_percent became"));
  EXPECT_THAT(harm_in(judge_trial(dear, kRate, 1), {.gain_pays = 1}),
              HasSubstr("tolerated are 1.43"));
}

// All that guards, and what is tried does nothing to.
std::vector<TrialBlock> blocks_with_guards(std::mt19937_64& random, double scatter_by) {
  std::lognormal_distribution<double> scatter(std::log(1e6), scatter_by);
  std::vector<TrialBlock> blocks = blocks_of(8, kRate, 100, 200);
  for (TrialBlock& one : blocks)
    for (const TrialMetric& metric : trial_metrics())
      if (metric.guards)
        for (TrialFigures* figures : {&one.before, &one.after})
          (*figures)[std::string(metric.id)] = scatter(random);
  return blocks;
}

// Of eight blocks no guard would be worse if all were judged together.
TEST(TrialHarmTest, EachGuardIsJudgedForItself) {
  std::mt19937_64 random(9);
  std::vector<TrialBlock> blocks = blocks_with_guards(random, 0.1);
  EXPECT_THAT(harm_in(judge_trial(blocks, kRate, 1), {}), IsEmpty());
  for (TrialBlock& one : blocks) one.after["retransmit_percent"] *= 1.6;
  EXPECT_THAT(harm_in(judge_trial(blocks, kRate, 1), {}), HasSubstr("retransmit_percent"));
}

TEST(TrialHarmTest, NoisyGuardsSeldomSpeakAgainstWhatDoesNothing) {
  std::mt19937_64 random(11);
  int alarms = 0;
  for (int run = 0; run < 100; ++run)
    alarms += !harm_in(judge_trial(blocks_with_guards(random, 0.2), kRate, 1), {}).empty();
  EXPECT_LE(alarms, 10);
}

TEST(TrialTimeTest, ItIsThatOfThePeriodsAndOfWhatIsWaitedAfterEachChange) {
  const TrialSettings turns{.blocks = 6, .wash_out = std::chrono::seconds(2)};
  EXPECT_EQ(time_of(turns, std::chrono::seconds(5)), std::chrono::seconds(12 * 7));
  TrialSettings once = turns;
  once.design = TrialDesign::Once;
  EXPECT_EQ(time_of(once, std::chrono::seconds(5)), std::chrono::seconds(12 * 5 + 2 * 2));
}

// A host whose round trips are so long, and 1.05 times as long with what is tried.
class TrialTest : public testing::Test {
 protected:
  void run(TrialSettings settings) {
    settings.wash_out = Nanos(1);
    settings.decides = kRate;
    Trial trial(loop, settings,
                {.set = [this](bool tried) { return set(tried); },
                 .measure = [this](auto done) { measure(std::move(done)); },
                 .on_end = [this] { loop.stop(); }});
    auto begun = loop.after(Nanos(1), [&trial]() -> Result<> {
      trial.start();
      return {};
    });
    ASSERT_TRUE(begun);
    ASSERT_TRUE(loop.run());
    blocks = trial.blocks();
    ended_early = trial.ended_early();
    harmed = trial.harmed();
  }
  Result<> set(bool tried) {
    if (sets++ == fails_at) return Error("somebody else has set it");
    in_force = tried;
    return {};
  }
  void measure(std::function<void(std::optional<TrialFigures>)> done) {
    order.push_back(in_force);
    const double figure = kRoundTrip * (in_force ? with_it : 1);
    ASSERT_TRUE(loop.after(Nanos(1), [this, done, figure]() -> Result<> {
      done(measures ? std::optional(TrialFigures{{"rtt_p99_us", figure}}) : std::nullopt);
      return {};
    }));
  }

  static constexpr double kRoundTrip = 1e6;
  Loop loop = Loop::open().value();
  bool in_force = false, measures = true;
  double with_it = 1.05;
  int sets = 0, fails_at = -1;
  std::vector<bool> order;
  std::vector<TrialBlock> blocks;
  std::string ended_early;
  bool harmed = false;
};

TEST_F(TrialTest, EachBlockHasBothWays) {
  run({.blocks = 8, .seed = 3});
  ASSERT_EQ(blocks.size(), 8U);
  EXPECT_EQ(ended_early, "");
  for (const TrialBlock& one : blocks) {
    EXPECT_EQ(one.before.at("rtt_p99_us"), kRoundTrip);
    EXPECT_EQ(one.after.at("rtt_p99_us"), 1.05 * kRoundTrip);
  }
}

TEST_F(TrialTest, TheOrderIsByChanceAndTheSameForASeed) {
  run({.blocks = 8, .seed = 3});
  const std::vector<bool> first = order;
  int tried_first = 0;
  for (std::size_t i = 0; i < first.size(); i += 2) {
    EXPECT_NE(first[i], first[i + 1]) << i;
    tried_first += first[i];
  }
  EXPECT_GT(tried_first, 0);
  EXPECT_LT(tried_first, 8);
  order.clear();
  run({.blocks = 8, .seed = 3});
  EXPECT_EQ(order, first);
}

TEST_F(TrialTest, OnceComesFirstWhatWasThere) {
  run({.design = TrialDesign::Once, .blocks = 8, .seed = 3});
  EXPECT_EQ(sets, 2 + 16) << "each way once, and that it held in each period";
  std::vector<bool> wanted(8, false);
  wanted.resize(16, true);
  EXPECT_EQ(order, wanted);
  ASSERT_EQ(blocks.size(), 8U);
  EXPECT_EQ(blocks[7].before.at("rtt_p99_us"), kRoundTrip);
  EXPECT_EQ(blocks[7].after.at("rtt_p99_us"), 1.05 * kRoundTrip);
}

TEST_F(TrialTest, OnceEndsOnHarmToo) {
  with_it = 3;
  run({.design = TrialDesign::Once, .blocks = 8, .seed = 3});
  EXPECT_EQ(blocks.size(), 3U);
  EXPECT_TRUE(harmed);
}

TEST_F(TrialTest, HarmEndsIt) {
  with_it = 3;
  run({.blocks = 20, .seed = 3});
  EXPECT_EQ(blocks.size(), 3U);
  EXPECT_TRUE(harmed);
  EXPECT_THAT(ended_early, HasSubstr("twice as bad"));
}

TEST_F(TrialTest, ASettingThatCannotBeBroughtAboutEndsIt) {
  fails_at = 8;
  run({.blocks = 8, .seed = 3});
  EXPECT_EQ(blocks.size(), 2U);
  EXPECT_EQ(ended_early, "somebody else has set it");
  EXPECT_FALSE(harmed);
}

TEST_F(TrialTest, APeriodInWhichItDidNotHoldDoesNotCount) {
  fails_at = 7;
  run({.blocks = 8, .seed = 3});
  EXPECT_EQ(blocks.size(), 1U);
  EXPECT_EQ(order.size(), 4U);
  EXPECT_EQ(ended_early, "somebody else has set it");
}

TEST_F(TrialTest, WithoutFiguresItEnds) {
  measures = false;
  run({.blocks = 8, .seed = 3});
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(ended_early, "nothing could be measured");
}

}  // namespace
}  // namespace netsonde
