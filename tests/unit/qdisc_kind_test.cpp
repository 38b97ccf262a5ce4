// SPDX-License-Identifier: Apache-2.0
#include "tuner/qdisc_kind.h"

#include <gtest/gtest.h>

#include "tuner/tunable.h"

namespace netsonde {
namespace {

std::optional<std::uint64_t> shaper_rate(std::string_view value) {
  const auto shaper = shaper_in(value);
  if (!shaper) return std::nullopt;
  return shaper->bytes_per_s;
}

TEST(QdiscKindTest, ARateIsTakenAsTcTakesIt) {
  EXPECT_EQ(shaper_rate("tbf:95Mbit"), 11'875'000U);
  EXPECT_EQ(shaper_rate("tbf:95000kbit"), 11'875'000U);
  EXPECT_EQ(shaper_rate("tbf:95000000bit"), 11'875'000U);
  EXPECT_EQ(shaper_rate("tbf:1GBIT"), 125'000'000U);
  EXPECT_EQ(shaper_rate("tbf:64kbit"), kSlowestShaper);
  EXPECT_EQ(shaper_rate("htb:64kbit"), kSlowestShaper);
  EXPECT_EQ(shaper_in("htb:64kbit")->kind, "htb");
  EXPECT_EQ(shaper_rate("tbf:100gbit"), kFastestShaper);
}

TEST(QdiscKindTest, WhatIsNoRateIsNone) {
  for (const std::string_view value :
       {"tbf", "tbf:", "tbf:Mbit", "tbf:95", "tbf:95Mbit ", "tbf: 95Mbit", "tbf:-1Mbit",
        "tbf:9.5Mbit", "tbf:63kbit", "tbf:101gbit", "tbf:99999999999999999999bit",
        "tbf:18446744073709551615gbit", "htb:95", "fq:95Mbit", ":95Mbit", "TBF:95Mbit",
        "tbf:95Mbit;reboot", "tbf:95MB"})
    EXPECT_FALSE(shaper_rate(value)) << value;
}

TEST(QdiscKindTest, OneRateHasOneForm) {
  const Tunable& tunable = *find_tunable(kQdiscKey);
  EXPECT_EQ(normal_value(tunable, "tbf:95Mbit"), "tbf:95Mbit");
  EXPECT_EQ(normal_value(tunable, "tbf:95000kbit"), "tbf:95Mbit");
  EXPECT_EQ(normal_value(tunable, " tbf:95Mbit\n"), "tbf:95Mbit");
  EXPECT_EQ(normal_value(tunable, "tbf:1000mbit"), "tbf:1Gbit");
  EXPECT_EQ(normal_value(tunable, "tbf:95500kbit"), "tbf:95500kbit");
  EXPECT_EQ(normal_value(tunable, "tbf:64008bit"), "tbf:64008bit");
  EXPECT_TRUE(check_value(tunable, " tbf:95Mbit"));
  EXPECT_EQ(normal_value(tunable, "htb:1000mbit"), "htb:1Gbit");
  EXPECT_EQ(shaper_rate(to_text(Shaper{.kind = "tbf", .bytes_per_s = 11'875'001})), 11'875'001U);
  EXPECT_TRUE(check_value(tunable, "tbf:95Mbit"));
  EXPECT_FALSE(check_value(tunable, "tbf:95"));
  EXPECT_FALSE(check_value(tunable, "tbf"));
  EXPECT_FALSE(check_value(tunable, "htb"));
  EXPECT_FALSE(check_value(tunable, kUnfinishedQdisc));
  EXPECT_FALSE(check_value(*find_tunable("net.core.default_qdisc"), "tbf:95Mbit"));
}

TEST(QdiscKindTest, TheQueueOfAShaperIsATimeButSomePacketsAtLeast) {
  EXPECT_EQ(shaper_queue(12'500'000).burst, 62'500U);
  EXPECT_EQ(shaper_queue(12'500'000).limit, 625'000U);
  EXPECT_EQ(shaper_queue(kSlowestShaper).burst, 15'140U);
  EXPECT_EQ(shaper_queue(kFastestShaper).limit, 625'000'000U);
}

}  // namespace
}  // namespace netsonde
