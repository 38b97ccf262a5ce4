// SPDX-License-Identifier: Apache-2.0
#include "user/model/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace netsonde {
namespace {

Statistics of(const std::vector<double>& values) {
  Statistics statistics;
  for (const double value : values) statistics.add(value);
  return statistics;
}

// Lognormal around a thousand, with some zeros.
std::vector<double> many_values(std::size_t count) {
  std::mt19937 generator(7);
  std::lognormal_distribution<double> distribution(std::log(1000), 1.5);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = i % 10 == 3 ? 0 : distribution(generator);
  return values;
}

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

// The definition: the least value that so large a share of all does not exceed.
double exact_quantile(const std::vector<double>& sorted, double share) {
  std::size_t rank = 1;
  while (static_cast<double>(rank) < share * static_cast<double>(sorted.size())) ++rank;
  return sorted[rank - 1];
}

TEST(StatisticsTest, NothingIsKnownBeforeTheFirstValue) {
  const Statistics nothing;
  EXPECT_EQ(nothing.count(), 0U);
  EXPECT_EQ(nothing.mean(), std::nullopt);
  EXPECT_EQ(nothing.min(), std::nullopt);
  EXPECT_EQ(nothing.max(), std::nullopt);
  EXPECT_EQ(nothing.standard_deviation(), std::nullopt);
  EXPECT_EQ(nothing.quantile(0.5), std::nullopt);
}

TEST(StatisticsTest, OneValueIsEverythingButADeviation) {
  const Statistics one = of({5});
  EXPECT_EQ(one.mean(), 5);
  EXPECT_EQ(one.min(), 5);
  EXPECT_EQ(one.max(), 5);
  EXPECT_EQ(one.quantile(0.5), 5);
  EXPECT_EQ(one.standard_deviation(), std::nullopt);
}

TEST(StatisticsTest, FewValuesAreDescribedExactly) {
  const Statistics few = of({2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_EQ(few.count(), 8U);
  EXPECT_DOUBLE_EQ(few.mean().value(), 5);
  EXPECT_DOUBLE_EQ(few.standard_deviation().value(), std::sqrt(32.0 / 7));
  EXPECT_EQ(few.min(), 2);
  EXPECT_EQ(few.max(), 9);
  EXPECT_EQ(few.quantile(0.5), 4);
  EXPECT_EQ(few.quantile(0.95), 9);
}

TEST(StatisticsTest, TheMeanIsThatOverTime) {
  Statistics uneven;
  uneven.add(10, 3);
  uneven.add(2, 1);
  EXPECT_DOUBLE_EQ(uneven.mean().value(), 8);
  // As of a value that was seen three times, but with the freedom of two.
  EXPECT_DOUBLE_EQ(uneven.standard_deviation().value(), std::sqrt(12.0 * 2));
  EXPECT_EQ(uneven.quantile(0.5), 2);
}

TEST(StatisticsTest, WhatIsAbsentIsCountedApart) {
  Statistics statistics = of({1, 3});
  statistics.add(std::nullopt);
  for (const double no_number : {std::nan(""), std::numeric_limits<double>::infinity(), -1.0})
    statistics.add(no_number);
  EXPECT_EQ(statistics.absent(), 4U);
  EXPECT_EQ(statistics.count(), 2U);
  EXPECT_DOUBLE_EQ(statistics.mean().value(), 2);
  EXPECT_EQ(statistics.min(), 1);
}

TEST(StatisticsTest, ALargeCommonPartTakesNothingFromTheDeviation) {
  const Statistics far = of({1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16});
  EXPECT_DOUBLE_EQ(far.standard_deviation().value(), std::sqrt(30));
}

TEST(StatisticsTest, QuantilesAreExactAsLongAsValuesAreFew) {
  const std::vector<double> values = many_values(Statistics::kExact);
  const Statistics statistics = of(values);
  const std::vector<double> in_order = sorted(values);
  for (const double share : {0.001, 0.05, 0.5, 0.95, 0.99, 1.0})
    EXPECT_EQ(statistics.quantile(share), exact_quantile(in_order, share)) << share;
}

TEST(StatisticsTest, QuantilesOfManyAreOffByAtMostWhatIsPromised) {
  const std::vector<double> values = many_values(50'000);
  const Statistics statistics = of(values);
  const std::vector<double> in_order = sorted(values);
  for (double share = 0.001; share < 1; share += 0.001) {
    const double exact = exact_quantile(in_order, share);
    EXPECT_NEAR(statistics.quantile(share).value(), exact, exact / 128) << share;
  }
  EXPECT_EQ(statistics.quantile(1), statistics.max());
}

TEST(StatisticsTest, MomentsOfManyAreExact) {
  const std::vector<double> values = many_values(50'000);
  const Statistics statistics = of(values);
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  EXPECT_NEAR(statistics.mean().value(), mean, mean * 1e-12);
  EXPECT_NEAR(statistics.standard_deviation().value(), deviation, deviation * 1e-12);
  EXPECT_EQ(statistics.max(), *std::max_element(values.begin(), values.end()));
}

TEST(StatisticsTest, ValuesBelowAnEdgeAreCountedExactlyWhetherFewOrMany) {
  for (const std::size_t count : {std::size_t{100}, 3 * Statistics::kExact}) {
    const std::vector<double> values = many_values(count);
    const Statistics statistics = of(values);
    for (const double edge : {0.0, 1.0, 1.25, 48.0, 1024.0, 1e9})
      EXPECT_EQ(statistics.count_below(edge),
                static_cast<std::uint64_t>(std::count_if(values.begin(), values.end(),
                                                         [edge](double v) { return v < edge; })))
          << count << " values below " << edge;
  }
  EXPECT_EQ(Statistics().count_below(1), 0U);
}

TEST(StatisticsTest, ManyEqualValuesAreThatValue) {
  Statistics statistics;
  for (std::size_t i = 0; i < 2 * Statistics::kExact; ++i) statistics.add(630);
  EXPECT_EQ(statistics.quantile(0.5), 630);
  EXPECT_EQ(statistics.standard_deviation(), 0);
}

TEST(StatisticsTest, ValuesBeyondTheBucketsStayWithinMinimumAndMaximum) {
  Statistics statistics;
  for (std::size_t i = 0; i < Statistics::kExact; ++i) {
    statistics.add(0);
    statistics.add(1e300);
  }
  EXPECT_EQ(statistics.quantile(0.5), 0);
  EXPECT_EQ(statistics.quantile(0.95), 1e300);
}

}  // namespace
}  // namespace netsonde
