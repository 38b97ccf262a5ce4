// SPDX-License-Identifier: Apache-2.0
#include "user/model/detector.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <random>

namespace netsonde {
namespace {

using Kind = AnomalyChange::Kind;
using End = AnomalyChange::End;

constexpr int kWarmUp = kDetectorWarmUp;

// That knows nothing but one value.
Detector settled_detector(double level = 10'000) {
  Detector detector;
  for (int i = 0; i < 300; ++i) EXPECT_FALSE(detector.add(level));
  return detector;
}

// Values that are given until something is reported, absent if it is not within the limit.
std::optional<int> wait(Detector& detector, double value, int limit) {
  for (int i = 1; i <= limit; ++i)
    if (detector.add(value)) return i;
  return {};
}

TEST(DetectorTest, AlarmsAboutNothingWhileItWarmsUp) {
  Detector detector;
  for (int i = 0; i < kWarmUp; ++i) EXPECT_FALSE(detector.add(i % 40 == 39 ? 1e6 : 1e3));
}

TEST(DetectorTest, IsWarmAfterItsWarmUp) {
  Detector detector;
  for (int i = 0; i < kWarmUp; ++i) detector.add(1e3);
  EXPECT_TRUE(detector.add(1e5));
}

TEST(DetectorTest, OneValueFarOffIsASpikeAgainstTheLevel) {
  Detector detector = settled_detector();
  const auto change = detector.add(100'000);
  ASSERT_TRUE(change);
  EXPECT_TRUE(change->began);
  EXPECT_EQ(change->kind, Kind::Spike);
  EXPECT_TRUE(change->up);
  EXPECT_EQ(change->value, 100'000);
  EXPECT_NEAR(change->baseline, 10'000, 1);
  EXPECT_NEAR(change->deviation, std::log(10) / 0.1, 1);
}

TEST(DetectorTest, OneValueAtZeroIsASpikeDown) {
  Detector detector = settled_detector();
  const auto change = detector.add(0);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->kind, Kind::Spike);
  EXPECT_FALSE(change->up);
  EXPECT_NEAR(change->deviation, -10, 0.1);
}

TEST(DetectorTest, SeveralValuesThatEachMayBeNoiseAreAShift) {
  Detector detector = settled_detector();
  EXPECT_FALSE(detector.add(15'000));
  std::optional<AnomalyChange> change;
  for (int i = 0; i < 10 && !change; ++i) change = detector.add(15'000);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->kind, Kind::Shift);
  EXPECT_TRUE(change->up);
}

TEST(DetectorTest, ReportsOneThatRunsNotAgain) {
  Detector detector = settled_detector();
  EXPECT_TRUE(detector.add(100'000));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(detector.add(100'000));
}

TEST(DetectorTest, OneThatReturnedEndsWithItsKindAndDirection) {
  Detector detector = settled_detector();
  detector.add(100'000);
  EXPECT_FALSE(detector.add(10'000));
  const auto change = detector.add(10'000);
  ASSERT_TRUE(change);
  EXPECT_FALSE(change->began);
  EXPECT_EQ(change->end, End::Returned);
  EXPECT_EQ(change->kind, Kind::Spike);
  EXPECT_TRUE(change->up);
  EXPECT_EQ(change->value, 10'000);
}

TEST(DetectorTest, OneValueInTheMiddleOfItEndsNothing) {
  Detector detector = settled_detector();
  detector.add(100'000);
  EXPECT_FALSE(detector.add(10'000));
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(detector.add(100'000));
}

TEST(DetectorTest, ALevelThatPersistsSettlesAndIsTheBaseline) {
  Detector detector = settled_detector();
  EXPECT_TRUE(detector.add(30'000));
  for (int i = 0; i < 298; ++i) EXPECT_FALSE(detector.add(30'000));
  const auto settled = detector.add(30'000);
  ASSERT_TRUE(settled);
  EXPECT_FALSE(settled->began);
  EXPECT_EQ(settled->end, End::Settled);
  EXPECT_NEAR(settled->baseline, 10'000, 1);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(detector.add(30'000));
  const auto back = detector.add(10'000 / 3.0);
  ASSERT_TRUE(back);
  EXPECT_NEAR(back->baseline, 30'000, 1);
}

TEST(DetectorTest, WhatAnAnomalyShowsIsNotLearned) {
  Detector detector = settled_detector();
  for (int round = 0; round < 20; ++round) {
    const auto change = detector.add(100'000);
    ASSERT_TRUE(change && change->began) << round;
    EXPECT_NEAR(change->baseline, 10'000, 1);
    for (int i = 0; i < 50; ++i) detector.add(100'000);
    ASSERT_EQ(wait(detector, 10'000, 10), 2) << round;
  }
}

TEST(DetectorTest, ASlowRiseIsLearnedAndNoAnomaly) {
  Detector detector = settled_detector();
  for (int second = 0; second < 3 * 3600; ++second)
    EXPECT_FALSE(detector.add(10'000 * std::exp2(second / 3600.0)));
}

TEST(DetectorTest, TheFirstOneAfterManyZerosIsNoAnomaly) {
  Detector detector = settled_detector(0);
  EXPECT_FALSE(detector.add(1));
  EXPECT_FALSE(detector.add(2));
}

TEST(DetectorTest, ManyAfterManyZerosAreOneAndEnd) {
  Detector detector = settled_detector(0);
  const auto change = detector.add(20);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->baseline, 0);
  EXPECT_EQ(wait(detector, 0, 10), 5);
}

TEST(DetectorTest, OneEveryIntervalAfterManyZerosIsAShift) {
  Detector detector = settled_detector(0);
  EXPECT_LE(wait(detector, 1, 10), 8);
}

TEST(DetectorTest, TheUnitSaysWhatIsTooLittleToMatter) {
  Detector fine(0.001), coarse(1);
  for (int i = 0; i < 300; ++i) {
    EXPECT_FALSE(fine.add(0.02));
    EXPECT_FALSE(coarse.add(0.02));
  }
  const auto change = fine.add(0.2);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->value, 0.2);
  EXPECT_NEAR(change->baseline, 0.02, 1e-6);
  EXPECT_FALSE(coarse.add(0.2));
}

TEST(DetectorAbsentTest, WhatIsNotMeasuredEndsNoAnomaly) {
  Detector detector = settled_detector();
  detector.add(100'000);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(detector.add(std::nullopt));
  detector.add(10'000);
  EXPECT_TRUE(detector.add(10'000));
}

TEST(DetectorAbsentTest, WhatIsNotMeasuredDoesNotWarmUp) {
  Detector detector;
  for (int i = 0; i < kWarmUp - 1; ++i) detector.add(1e3);
  for (int i = 0; i < 1000; ++i) detector.add(std::nullopt);
  EXPECT_FALSE(detector.add(1e6));
}

TEST(DetectorAbsentTest, WhatIsNoMeasurementIsAbsent) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::mt19937 random(1);
  std::lognormal_distribution<> noise(10, 0.2);
  Detector detector, clean;
  for (int i = 0; i < 2000; ++i) {
    const double factor = i > 1000 && i < 1200 ? 3 : 1;
    for (const double none : {std::nan(""), kInfinity, -kInfinity, -1.0})
      EXPECT_FALSE(detector.add(none));
    clean.add(std::nullopt);
    const double value = factor * noise(random);
    const auto one = detector.add(value), other = clean.add(value);
    ASSERT_EQ(one.has_value(), other.has_value());
    if (one) {
      EXPECT_EQ(one->deviation, other->deviation);
    }
  }
}

TEST(DetectorAbsentTest, TheLargestAndTheSmallestNumbersAreValues) {
  constexpr double kMost = std::numeric_limits<double>::max();
  Detector detector = settled_detector();
  const auto change = detector.add(kMost);
  ASSERT_TRUE(change);
  EXPECT_TRUE(std::isfinite(change->deviation));
  Detector large = settled_detector(kMost), small = settled_detector(1e-308);
  const auto fall = large.add(0), rise = small.add(kMost);
  ASSERT_TRUE(fall && rise);
  EXPECT_TRUE(std::isfinite(fall->deviation));
  EXPECT_FALSE(std::isnan(rise->deviation));
}

}  // namespace
}  // namespace netsonde
