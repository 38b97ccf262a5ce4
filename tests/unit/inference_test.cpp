// SPDX-License-Identifier: Apache-2.0
#include "user/model/inference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace netsonde {
namespace {

// Blocks whose figures scatter by a fifth, the second arm being that many times the first.
std::vector<double> blocks_of(std::size_t count, double ratio, std::mt19937_64& random) {
  std::normal_distribution<double> scatter(0, 0.2);
  std::vector<double> blocks(count);
  for (double& block : blocks) block = std::log(ratio) + scatter(random);
  return blocks;
}

Effect effect(double low, double ratio, double high, double p) {
  return {.blocks = 20, .ratio = ratio, .interval = {.low = low, .high = high}, .p = p};
}

// Wilson's figures for 1 of 10, as R's prop.test(1, 10, correct = FALSE) gives them.
TEST(ShareInterval, IsWilsons) {
  const auto interval = share_interval(1, 10);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low, 0.01787, 1e-5);
  EXPECT_NEAR(interval->high, 0.40415, 1e-5);
}

TEST(ShareInterval, EndsAtNoneAndAtAll) {
  EXPECT_EQ(share_interval(0, 10)->low, 0);
  EXPECT_NEAR(share_interval(0, 10)->high, 0.27753, 1e-5);
  EXPECT_EQ(share_interval(10, 10)->high, 1);
  EXPECT_FALSE(share_interval(0, 0));
}

TEST(Effect, IsTheGeometricMeanOfTheBlocks) {
  const std::vector<double> blocks = {std::log(2.0), std::log(2.0), std::log(2.0),
                                      std::log(0.5), std::log(2.0), std::log(2.0)};
  const auto found = effect_of(blocks, 1);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->ratio, std::exp2(4.0 / 6), 1e-9);
  EXPECT_LT(found->interval.low, found->ratio);
  EXPECT_GT(found->interval.high, found->ratio);
}

// Of 2^6 signs, two leave all blocks on one side.
TEST(Effect, SixBlocksThatAgreeAreTheFewestThatCanTell) {
  const std::vector<double> agreeing(6, 0.1);
  EXPECT_NEAR(effect_of(agreeing, 1)->p, 2.0 / 64, 1e-9);
  EXPECT_FALSE(effect_of(std::span(agreeing).first(5), 1));
}

// The blocks' own scatter is uncertain when they are few: the interval allows for it.
TEST(Effect, AnIntervalOfFewBlocksHoldsTheTruthAsOftenAsItSays) {
  std::mt19937_64 random(20'240'229);
  constexpr int kRuns = 500;
  int missed = 0;
  for (int run = 0; run < kRuns; ++run) {
    const Interval interval = effect_of(blocks_of(8, 1.3, random), random())->interval;
    missed += interval.low > 1.3 || interval.high < 1.3;
  }
  EXPECT_LE(share_interval(missed, kRuns)->low, 0.05) << missed;
  EXPECT_LT(missed, kRuns / 10);
}

TEST(Effect, ManyBlocksAreSampledAndNeverGiveNought) {
  const std::vector<double> agreeing(40, 0.1);
  const double p = effect_of(agreeing, 1)->p;
  EXPECT_GT(p, 0);
  EXPECT_LT(p, 0.001);
}

TEST(Effect, BlocksThatAreNoNumbersGiveNone) {
  std::vector<double> blocks(6, 0.1);
  blocks[3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(effect_of(blocks, 1));
  blocks[3] = -std::numeric_limits<double>::infinity();
  EXPECT_FALSE(effect_of(blocks, 1));
}

TEST(Effect, TheSameSeedGivesTheSameAnswer) {
  std::mt19937_64 random(7);
  const auto blocks = blocks_of(30, 1.1, random);
  EXPECT_EQ(effect_of(blocks, 3)->interval.low, effect_of(blocks, 3)->interval.low);
  EXPECT_EQ(effect_of(blocks, 3)->p, effect_of(blocks, 3)->p);
}

// As R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
TEST(Holm, RaisesEachByTheNumberOfThoseNotYetPassed) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005};
  const std::vector<double> wanted = {0.03, 0.06, 0.06, 0.02};
  const auto adjusted = holm(p);
  ASSERT_EQ(adjusted.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(adjusted[i], wanted[i], 1e-12) << i;
}

TEST(Holm, NeverExceedsOne) {
  EXPECT_EQ(holm(std::vector<double>{0.9, 0.8}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(Judge, LessIsBetterForTimesAndWorseForRates) {
  const Effect faster = effect(0.7, 0.8, 0.9, 0.001);
  EXPECT_EQ(judge(faster, 0.01, {.less_is_better = true}).verdict, Verdict::Better);
  EXPECT_EQ(judge(faster, 0.01, {.less_is_better = false}).verdict, Verdict::Worse);
}

TEST(Judge, AnEffectWithinTheBandIsNoneHoweverSureItIs) {
  EXPECT_EQ(judge(effect(1.005, 1.01, 1.015, 0.0001), 0.0001, {}).verdict, Verdict::Equivalent);
}

TEST(Judge, WhatManyComparisonsMayShowByChanceIsInconclusive) {
  const Judgement judged = judge(effect(0.7, 0.8, 0.9, 0.03), 0.06, {});
  EXPECT_EQ(judged.verdict, Verdict::Inconclusive);
  EXPECT_TRUE(judged.more_blocks);
}

// Half as wide takes four times the blocks: 20 of 20 scatter by 0.2, and 0.1 is to be seen.
TEST(Judge, MoreBlocksAreThoseThatWouldTell) {
  const Effect wide = effect(std::exp(-0.1), std::exp(0.1), std::exp(0.3), 0.3);
  EXPECT_EQ(judge(wide, 0.3, {}).more_blocks, 60U);
}

// The promise behind every verdict, over 2,000 experiments in which nothing was changed.
TEST(Judge, ArmsThatAreTheSameSeldomDiffer) {
  std::mt19937_64 random(20'240'229);
  constexpr int kRuns = 2000;
  std::uint64_t alarms = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto found = effect_of(blocks_of(20, 1, random), random());
    const Verdict verdict = judge(*found, found->p, {.band = 0}).verdict;
    alarms += verdict == Verdict::Better || verdict == Verdict::Worse;
  }
  EXPECT_LE(share_interval(alarms, kRuns)->high, 0.07) << alarms;
}

TEST(Judge, ArmsThatDifferByAFifthAreMostlyToldApart) {
  std::mt19937_64 random(20'240'229);
  int told = 0;
  for (int run = 0; run < 200; ++run) {
    const auto found = effect_of(blocks_of(20, 0.8, random), random());
    told += judge(*found, found->p, {}).verdict == Verdict::Better;
  }
  EXPECT_GE(told, 180);
}

}  // namespace
}  // namespace netsonde
