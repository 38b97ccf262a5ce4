// SPDX-License-Identifier: Apache-2.0
#include "user/model/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace netsonde {
namespace {

using Medians = std::vector<std::optional<double>>;

// Blocks that scatter by a tenth around the value.
Medians around(double value, std::size_t blocks, std::mt19937_64& random) {
  std::normal_distribution<double> scatter(0, 0.1);
  Medians medians;
  for (std::size_t i = 0; i < blocks; ++i) medians.emplace_back(value * std::exp(scatter(random)));
  return medians;
}

// An arm whose time to the first byte is most of its total, as it is in life.
ArmFigures arm(std::string name, double total, std::size_t blocks, std::mt19937_64& random) {
  ArmFigures figures{.name = std::move(name)};
  Medians& totals = figures.medians[Metric::Total] = around(total, blocks, random);
  Medians& ttfb = figures.medians[Metric::Ttfb];
  for (const auto& one : totals) ttfb.emplace_back(*one * 0.8 + *around(total * 0.2, 1, random)[0]);
  return figures;
}

FactorFigures factor(std::vector<ArmFigures> arms, std::optional<ArmFigures> again) {
  return {.name = "reuse",
          .metrics = {Metric::Total},
          .arms = std::move(arms),
          .baseline_again = std::move(again)};
}

// The baseline, and an arm that takes half as long.
class Compare : public testing::Test {
 protected:
  FactorFigures halved() {
    return factor({arm("new", 100, 20, random_), arm("kept", 50, 20, random_)},
                  arm("new", 100, 20, random_));
  }

  std::mt19937_64 random_{20'240'229};
};

TEST_F(Compare, AnArmThatTakesHalfAsLongIsBetter) {
  const auto found = compare({halved()}, 1);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[0].again);
  EXPECT_EQ(verdict_of(found[0]), "same");
  EXPECT_EQ(found[1].arm, "kept");
  EXPECT_EQ(found[1].baseline, "new");
  EXPECT_EQ(verdict_of(found[1]), "better");
  EXPECT_NEAR(found[1].effect->ratio, 0.5, 0.05);
  EXPECT_NEAR(*found[1].baseline_median, 100, 10);
  EXPECT_NEAR(*found[1].arm_median, 50, 5);
}

TEST_F(Compare, MoreBandwidthIsBetter) {
  FactorFigures figures = halved();
  figures.metrics = {Metric::Bandwidth};
  for (ArmFigures& one : figures.arms) one.medians[Metric::Bandwidth] = one.medians[Metric::Total];
  figures.baseline_again->medians[Metric::Bandwidth] =
      figures.baseline_again->medians[Metric::Total];
  EXPECT_EQ(verdict_of(compare({figures}, 1)[1]), "worse");
}

TEST_F(Compare, FewerBytesInEveryBlockAreBetterAndAsManyAreEquivalent) {
  const auto bytes = [](std::string name, double count) {
    return ArmFigures{.name = std::move(name),
                      .medians = {{Metric::WireBytes, Medians(20, count)}}};
  };
  FactorFigures figures = factor({bytes("identity", 9000), bytes("gzip", 3000), bytes("br", 9000)},
                                 bytes("identity", 9000));
  figures.metrics = {Metric::WireBytes};
  const auto found = compare({figures}, 1);
  EXPECT_EQ(verdict_of(found[0]), "same");
  EXPECT_EQ(verdict_of(found[1]), "better");
  EXPECT_NEAR(found[1].effect->ratio, 1.0 / 3, 1e-9);
  EXPECT_EQ(verdict_of(found[2]), "equivalent");
}

TEST_F(Compare, ABaselineThatDiffersFromItselfForbidsEveryClaim) {
  FactorFigures noisy = halved();
  noisy.baseline_again = arm("new", 120, 20, random_);
  const auto found = compare({noisy}, 1);
  EXPECT_TRUE(found[0].alarm);
  EXPECT_EQ(verdict_of(found[0]), "alarm");
  EXPECT_EQ(verdict_of(found[1]), "refused");
  EXPECT_TRUE(
      found[1].refused.starts_with("noise: total_us of the baseline differs from itself by"))
      << found[1].refused;
}

TEST_F(Compare, ADifferenceFromItselfThatMakesNoneIsNoNoise) {
  FactorFigures precise = halved();
  Medians& again = precise.baseline_again->medians[Metric::Total];
  again = precise.arms[0].medians[Metric::Total];
  for (auto& median : again) *median *= 1.01;
  const auto found = compare({precise}, 1);
  EXPECT_LT(*found[0].adjusted_p, 0.05);
  EXPECT_EQ(verdict_of(found[0]), "same");
  EXPECT_EQ(verdict_of(found[1]), "better");
}

TEST_F(Compare, TheNoiseOfOneFactorForbidsNoClaimAboutAnother) {
  FactorFigures noisy = halved(), quiet = halved();
  noisy.baseline_again = arm("new", 120, 20, random_);
  quiet.name = "encoding";
  const auto found = compare({noisy, quiet}, 1);
  EXPECT_EQ(verdict_of(found[1]), "refused");
  EXPECT_EQ(verdict_of(found[3]), "better");
}

TEST_F(Compare, WithoutTheBaselineOnceMoreThereIsNoVerdict) {
  FactorFigures blind = halved();
  blind.baseline_again->medians.clear();
  const auto found = compare({blind}, 1);
  EXPECT_FALSE(found[0].effect);
  EXPECT_EQ(verdict_of(found[1]), "refused");
}

TEST_F(Compare, OnlyBlocksThatBothArmsHaveCount) {
  FactorFigures figures = halved();
  Medians& kept = figures.arms[1].medians[Metric::Total];
  kept[3].reset();
  kept.pop_back();
  figures.arms[0].medians[Metric::Total][7].reset();
  EXPECT_EQ(compare({figures}, 1)[1].blocks, 17U);
}

TEST_F(Compare, AnArmThatWasNeverInForceGetsNoVerdict) {
  FactorFigures figures = halved();
  figures.arms[1].medians[Metric::Total].assign(20, std::nullopt);
  const auto found = compare({figures}, 1);
  EXPECT_FALSE(found[1].effect);
  EXPECT_FALSE(found[1].arm_median);
  EXPECT_EQ(verdict_of(found[1]), "inconclusive");
  EXPECT_FALSE(found[1].more_blocks);  // these would not be in force either
}

TEST_F(Compare, FewBlocksAskForAsManyAsCanTell) {
  FactorFigures figures = halved();
  figures.arms[1].medians[Metric::Total].resize(2);
  const auto found = compare({figures}, 1);
  EXPECT_EQ(verdict_of(found[1]), "inconclusive");
  EXPECT_EQ(found[1].more_blocks, kFewestBlocks - 2);
}

TEST_F(Compare, AMetricThatTheBaselineNeverHasIsLeftOut) {
  FactorFigures figures = halved();
  figures.metrics = {Metric::Total, Metric::Bandwidth};
  EXPECT_EQ(compare({figures}, 1).size(), 2U);
}

TEST_F(Compare, AnArmThatIsNotAvailableIsNoBaseline) {
  FactorFigures figures = halved();
  figures.arms.insert(figures.arms.begin(), {.name = "3", .unavailable = "no QUIC"});
  const auto found = compare({figures}, 1);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].baseline, "new");
}

TEST_F(Compare, NothingAvailableGivesNoComparison) {
  EXPECT_TRUE(compare({factor({{.name = "full", .unavailable = "no TLS"}}, {})}, 1).empty());
}

// Six blocks that agree give a p of 2/64, which one comparison passes and two do not.
TEST_F(Compare, TheMoreIsComparedTheMoreBlocksItTakes) {
  const FactorFigures one = factor({arm("new", 100, 6, random_), arm("kept", 50, 6, random_)},
                                   arm("new", 100, 6, random_));
  EXPECT_EQ(verdict_of(compare({one}, 1)[1]), "better");
  FactorFigures other = one;
  other.name = "http";
  const auto found = compare({one, other}, 1);
  EXPECT_EQ(verdict_of(found[1]), "inconclusive");
  EXPECT_EQ(found[1].more_blocks, 1U);
}

// A tenth is seen among scatter of a tenth after some blocks, and among other comparisons later.
TEST_F(Compare, AmongOthersAnEffectTakesMoreBlocksToBeSeen) {
  const FactorFigures one = factor({arm("new", 100, 10, random_), arm("kept", 94, 10, random_)},
                                   arm("new", 100, 10, random_));
  std::vector<FactorFigures> many(20, one);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = std::to_string(i);
  const auto alone = compare({one}, 1)[1], among = compare(many, 1)[1];
  ASSERT_EQ(verdict_of(alone), "inconclusive");
  ASSERT_TRUE(alone.more_blocks && among.more_blocks);
  EXPECT_GT(*among.more_blocks, *alone.more_blocks);
}

TEST_F(Compare, TheSameSeedGivesTheSameFigures) {
  const FactorFigures figures = halved();
  EXPECT_EQ(compare({figures}, 5)[1].effect->interval.low,
            compare({figures}, 5)[1].effect->interval.low);
}

// The promise of the whole: of 2,000 experiments in which nothing differs, how many claim that
// anything does, and in how many the A/A arm alarms.
TEST_F(Compare, WhereNothingDiffersClaimsAndAlarmsAreRare) {
  constexpr int kRuns = 2000;
  constexpr std::size_t kBlocks = 10;
  std::uint64_t claims = 0, alarms = 0;
  for (int run = 0; run < kRuns; ++run) {
    FactorFigures same = factor({arm("a", 100, kBlocks, random_), arm("b", 100, kBlocks, random_),
                                 arm("c", 100, kBlocks, random_)},
                                arm("a", 100, kBlocks, random_));
    same.metrics = {Metric::Total, Metric::Ttfb};
    const auto found = compare({same}, random_());
    const auto any = [&found](std::string_view verdict) {
      return std::ranges::find(found, verdict, verdict_of) != found.end();
    };
    claims += any("better") || any("worse") ? 1 : 0;
    alarms += any("alarm") ? 1 : 0;
  }
  EXPECT_LE(share_interval(claims, kRuns)->high, 0.07) << claims;
  EXPECT_LE(share_interval(alarms, kRuns)->high, 0.07) << alarms;
  EXPECT_GT(alarms, 0U);  // or the A/A arm would be good for nothing
}

}  // namespace
}  // namespace netsonde
