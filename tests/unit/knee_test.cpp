// SPDX-License-Identifier: Apache-2.0
#include "user/model/knee.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

LoadLevel level(std::size_t concurrency, double per_second, double latency_us) {
  return {.concurrency = concurrency, .per_second = per_second, .latency_us = latency_us};
}

TEST(Knee, IsTheFewestAtOnceThatBringAllButATwentiethOfTheBest) {
  const std::vector levels = {level(1, 100, 10), level(2, 190, 10.5), level(4, 300, 13),
                              level(8, 310, 26), level(16, 305, 52)};
  const auto knee = knee_of(levels);
  ASSERT_TRUE(knee);
  EXPECT_EQ(knee->concurrency, 4U);
  EXPECT_EQ(knee->per_second, 300);
  EXPECT_EQ(knee->latency_us, 13);
}

TEST(Knee, TellsFromWhereOnTheLatencyIsTwiceThatOfTheKnee) {
  const std::vector levels = {level(1, 100, 10), level(2, 102, 19), level(4, 101, 40)};
  EXPECT_EQ(knee_of(levels).value().doubled_at, 4U);
}

TEST(Knee, IsAbsentWhereTheThroughputStillRises) {
  const std::vector levels = {level(1, 100, 10), level(2, 200, 10), level(4, 211, 19)};
  EXPECT_FALSE(knee_of(levels));
}

TEST(Knee, MayBeTheFirstLevel) {
  const std::vector levels = {level(1, 100, 10), level(2, 103, 19)};
  EXPECT_EQ(knee_of(levels).value().concurrency, 1U);
  EXPECT_FALSE(knee_of(levels).value().doubled_at);
}

TEST(Knee, IsFoundWhereMoreAtOnceAreWorse) {
  const std::vector levels = {level(1, 100, 10), level(2, 200, 10), level(4, 120, 33)};
  EXPECT_EQ(knee_of(levels).value().concurrency, 2U);
}

TEST(Knee, LooksAtMeasuredLevelsAlone) {
  const std::vector<LoadLevel> levels = {level(1, 100, 10), level(2, 200, 10), {.concurrency = 4}};
  EXPECT_FALSE(knee_of(levels));
}

TEST(Knee, NeedsTwoLevels) {
  EXPECT_FALSE(knee_of({}));
  EXPECT_FALSE(knee_of(std::vector{level(1, 100, 10)}));
}

TEST(Knee, IsAbsentWhereNothingWasAnswered) {
  EXPECT_FALSE(knee_of(std::vector{level(1, 0, 10), level(2, 0, 10)}));
}

}  // namespace
}  // namespace netsonde
