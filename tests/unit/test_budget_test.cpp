// SPDX-License-Identifier: Apache-2.0
#include "probes/test_budget.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

using std::chrono::seconds;

const std::vector<TestStage> kAll = {TestStage::Cold,     TestStage::Warm,
                                     TestStage::Download, TestStage::Sweep,
                                     TestStage::OpenLoop, TestStage::Responsiveness};

TEST(TestBudgetShare, OfAllStagesIsTheWholeBudgetAndNoMore) {
  const TestBudget whole;
  TestBudget left = whole;
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    const TestBudget share = stage_share(whole, left, kAll, i);
    ASSERT_LE(share.requests, left.requests);
    ASSERT_LE(share.bytes, left.bytes);
    ASSERT_LE(share.duration, left.duration);
    left.requests -= share.requests;
    left.bytes -= share.bytes;
    left.duration -= share.duration;
  }
  EXPECT_EQ(left.requests, 0U);
  EXPECT_EQ(left.bytes, 0U);
  EXPECT_EQ(left.duration, seconds(0));
}

TEST(TestBudgetShare, IsLargerForWhatStagesBeforeHaveLeft) {
  const TestBudget whole;
  const TestBudget fair =
      stage_share(whole, {.requests = 1000, .bytes = 50'000'000, .duration = seconds(20)}, kAll, 4);
  const TestBudget more = stage_share(
      whole, {.requests = 2000, .bytes = 100'000'000, .duration = seconds(30)}, kAll, 4);
  EXPECT_EQ(more.requests, 2 * fair.requests);
  EXPECT_EQ(more.bytes, 2 * fair.bytes);
  EXPECT_EQ(more.duration, fair.duration) << "of the time each has a fixed part";
}

TEST(TestBudgetShare, OfTheTimeIsWhatThereIsForTheLast) {
  const TestBudget left{.requests = 10, .bytes = 10, .duration = seconds(25)};
  EXPECT_EQ(stage_share({}, left, kAll, 5).duration, seconds(25));
}

TEST(TestBudgetShare, OfASingleStageIsTheWholeBudget) {
  const TestBudget whole;
  EXPECT_EQ(stage_share(whole, whole, std::vector{TestStage::Sweep}, 0), whole);
}

TEST(SweepLevels, DoubleUpToTheMost) {
  EXPECT_EQ(sweep_levels(64), (std::vector<std::size_t>{1, 2, 4, 8, 16, 32, 64}));
  EXPECT_EQ(sweep_levels(10), (std::vector<std::size_t>{1, 2, 4, 8, 10}));
  EXPECT_EQ(sweep_levels(1), (std::vector<std::size_t>{1}));
}

TEST(SweepLevels, HaveEnoughRequestsToOpenTheirConnectionsByDefault) {
  TestBudget left{.requests = 1160, .bytes = 20'000'000, .duration = seconds(8)};
  std::vector<std::size_t> levels = sweep_levels(64);
  while (!levels.empty()) {
    const TestBudget share = level_share(left, levels);
    EXPECT_GE(share.requests, 4 * levels.front());
    left.requests -= share.requests;
    levels.erase(levels.begin());
  }
}

}  // namespace
}  // namespace netsonde
