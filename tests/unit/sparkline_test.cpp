// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/sparkline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace netsonde {
namespace {

TEST(SparklineTest, PutsTheNewestValueAtTheRightEdge) {
  EXPECT_EQ(sparkline(std::vector{8.0}, 3, false), "  #");
  EXPECT_EQ(sparkline(std::vector{8.0}, 2, true), " ⢸");
}

TEST(SparklineTest, HoldsTwoValuesPerBrailleCharacter) {
  EXPECT_EQ(sparkline(std::vector{0.0, 4.0}, 1, true), "⣸");
  EXPECT_EQ(graph_capacity(10, true), 20);
  EXPECT_EQ(graph_capacity(10, false), 10);
}

TEST(SparklineTest, ShowsZeroAsALineAndTheUnknownAsAGap) {
  EXPECT_EQ(sparkline(std::vector{0.0, std::nan(""), 0.0}, 3, false), "_ _");
}

TEST(SparklineTest, LiftsEvenTheSmallestValueAboveZero) {
  EXPECT_EQ(sparkline(std::vector{0.0, 1e-9, 100.0}, 3, false), "_.#");
}

TEST(SparklineTest, DropsTheOldestValuesThatDoNotFit) {
  EXPECT_EQ(sparkline(std::vector{9.0, 0.0, 0.0}, 2, false), "__");
}

TEST(SparklineTest, StacksRowsFromTheBottom) {
  const auto rows = graph(std::vector{1.0, 100.0}, 2, 2, false);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0], " #");
  EXPECT_EQ(rows[1], ".#");
}

TEST(SparklineTest, SurvivesAWidthOfNothing) {
  EXPECT_EQ(sparkline(std::vector{1.0}, 0, true), "");
  EXPECT_EQ(sparkline(std::vector{1.0}, -5, false), "");
}

TEST(SparklineTest, CompressesToTheLargestOfARun) {
  EXPECT_EQ(compressed(std::vector{1.0, 5.0, 2.0, 3.0, 9.0}, 0, 2), (std::vector{5.0, 3.0, 9.0}));
}

TEST(SparklineTest, KeepsTheRunsWhenTheOldestValueLeaves) {
  EXPECT_EQ(compressed(std::vector{5.0, 2.0, 3.0, 9.0}, 1, 2), (std::vector{5.0, 3.0, 9.0}));
}

TEST(SparklineTest, IgnoresTheUnknownInARun) {
  EXPECT_EQ(compressed(std::vector{std::nan(""), 5.0, 7.0, std::nan("")}, 0, 2),
            (std::vector{5.0, 7.0}));
}

}  // namespace
}  // namespace netsonde
