// SPDX-License-Identifier: Apache-2.0
#include "user/model/histogram.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "bpf/events.h"

namespace netsonde {
namespace {

double relative_error(std::uint32_t us) {
  return us ? std::abs(rtt_bucket_middle(rtt_bucket(us)) - us) / us : 0;
}

TEST(RttBucketTest, EveryValueBelowSixteenHasItsOwn) {
  for (std::uint32_t us = 0; us < 16; ++us) {
    EXPECT_EQ(rtt_bucket(us), us);
    EXPECT_EQ(rtt_bucket_middle(us), us);
  }
}

TEST(RttBucketTest, TheMiddleIsWithinSixAndAQuarterPercentAtEveryPowerOfTwo) {
  for (std::uint32_t power = 1; power < EV_RTT_LIMIT; power *= 2)
    for (const std::uint32_t us : {power - 1, power, power + 1})
      EXPECT_LE(relative_error(us), 0.0625) << us;
}

TEST(RttBucketTest, TheMiddleIsWithinSixAndAQuarterPercentOfAnyValue) {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> exponent(0, std::log2(EV_RTT_LIMIT - 1.0));
  for (int i = 0; i < 100'000; ++i) {
    const auto us = static_cast<std::uint32_t>(std::exp2(exponent(random)));
    ASSERT_LE(relative_error(us), 0.0625) << us;
  }
  EXPECT_LE(relative_error(EV_RTT_LIMIT - 1), 0.0625);
}

TEST(RttBucketTest, NoneIsSkippedAndNoneIsMetTwice) {
  std::uint32_t last = rtt_bucket(0);
  for (std::uint32_t us = 1; us < 1 << 20; ++us) {
    const std::uint32_t bucket = rtt_bucket(us);
    ASSERT_TRUE(bucket == last || bucket == last + 1) << us;
    last = bucket;
  }
}

TEST(RttBucketTest, TheNextOneBeginsAtEveryPowerOfTwo) {
  for (std::uint32_t power = 16; power < EV_RTT_LIMIT; power *= 2)
    EXPECT_EQ(rtt_bucket(power), rtt_bucket(power - 1) + 1) << power;
}

TEST(RttBucketTest, TheLastHoldsWhateverIsLarger) {
  EXPECT_EQ(rtt_bucket(EV_RTT_LIMIT - 1), EV_RTT_BUCKETS - 1U);
  EXPECT_EQ(rtt_bucket(EV_RTT_LIMIT), EV_RTT_BUCKETS - 1U);
  EXPECT_EQ(rtt_bucket(UINT32_MAX), EV_RTT_BUCKETS - 1U);
}

TEST(RttBucketTest, EveryMiddleLiesInItsBucketAboveTheOneBefore) {
  for (std::uint32_t bucket = 1; bucket < EV_RTT_BUCKETS; ++bucket) {
    EXPECT_EQ(rtt_bucket(static_cast<std::uint32_t>(rtt_bucket_middle(bucket))), bucket);
    EXPECT_GT(rtt_bucket_middle(bucket), rtt_bucket_middle(bucket - 1));
  }
}

TEST(QuantilesTest, OfNothingMeanNothing) {
  EXPECT_EQ(quantiles_of_buckets(std::vector<std::uint32_t>(EV_RTT_BUCKETS)).samples, 0U);
  EXPECT_EQ(quantiles_of_samples({}).samples, 0U);
}

TEST(QuantilesTest, OfOneSampleAreThatSample) {
  const RttQuantiles rtt = quantiles_of_samples(std::array{7U});
  EXPECT_EQ(rtt.samples, 1U);
  EXPECT_EQ(rtt.p50, 7);
  EXPECT_EQ(rtt.p90, 7);
  EXPECT_EQ(rtt.p99, 7);
}

TEST(QuantilesTest, AreTheNearestRanksWhateverTheOrder) {
  std::vector<std::uint32_t> samples(100);
  for (std::uint32_t i = 0; i < 100; ++i) samples[i] = (i * 37) % 100 + 1;
  const RttQuantiles rtt = quantiles_of_samples(samples);
  EXPECT_EQ(rtt.p50, 50);
  EXPECT_EQ(rtt.p90, 90);
  EXPECT_EQ(rtt.p99, 99);
}

TEST(QuantilesTest, OfBucketsAreWithinTheirErrorOfThoseOfTheSamples) {
  std::mt19937 random(2);
  std::lognormal_distribution<double> us(9, 1.5);
  std::vector<std::uint32_t> samples(10'000), buckets(EV_RTT_BUCKETS);
  for (std::uint32_t& sample : samples) {
    sample = static_cast<std::uint32_t>(us(random)) % EV_RTT_LIMIT;
    ++buckets[rtt_bucket(sample)];
  }
  const RttQuantiles exact = quantiles_of_samples(samples), rough = quantiles_of_buckets(buckets);
  EXPECT_EQ(rough.samples, exact.samples);
  EXPECT_NEAR(rough.p50, exact.p50, exact.p50 * 0.0625);
  EXPECT_NEAR(rough.p90, exact.p90, exact.p90 * 0.0625);
  EXPECT_NEAR(rough.p99, exact.p99, exact.p99 * 0.0625);
}

TEST(QuantilesTest, CountMoreSamplesThanANumberHolds) {
  std::vector<std::uint32_t> buckets(EV_RTT_BUCKETS, UINT32_MAX);
  const RttQuantiles rtt = quantiles_of_buckets(buckets);
  EXPECT_EQ(rtt.samples, UINT32_MAX);
  EXPECT_FLOAT_EQ(rtt.p50, static_cast<float>(rtt_bucket_middle(EV_RTT_BUCKETS / 2 - 1)));
}

}  // namespace
}  // namespace netsonde
