// SPDX-License-Identifier: Apache-2.0
#include "user/base/when.h"

#include <gtest/gtest.h>

#include <limits>

#include "user/base/text.h"

namespace netsonde {
namespace {

constexpr std::int64_t kS = 1'000'000'000;

// Of a recording from 2026-11-22T03:00:00Z to 12:00:00Z.
std::string in(std::string_view text) {
  const std::int64_t begin = When::parse("2026-11-22T03:00:00Z").value().in(0, 0);
  const auto when = When::parse(text);
  return when ? rfc3339(when.value().in(begin, begin + 9 * 3600 * kS)).substr(0, 21) : "refused";
}

TEST(WhenTest, ADateAndATimeAreThatMoment) {
  EXPECT_EQ(in("2026-11-22T03:12:05.5Z"), "2026-11-22T03:12:05.5");
  EXPECT_EQ(in("2026-11-22 03:12"), "2026-11-22T03:12:00.0");
  EXPECT_EQ(in("2024-02-29t00:00:00z"), "2024-02-29T00:00:00.0");
}

TEST(WhenTest, AZoneIsTakenOff) {
  EXPECT_EQ(in("2026-11-22T03:12:00+01:30"), "2026-11-22T01:42:00.0");
  EXPECT_EQ(in("2026-11-22T03:12:00-0100"), "2026-11-22T04:12:00.0");
}

TEST(WhenTest, ATimeOfDayIsTheLastOneBeforeTheEnd) {
  EXPECT_EQ(in("03:12"), "2026-11-22T03:12:00.0");
  EXPECT_EQ(in("12:00:00"), "2026-11-22T12:00:00.0");
  EXPECT_EQ(in("12:00:01"), "2026-11-21T12:00:01.0");
}

TEST(WhenTest, ASpanIsBeforeTheEnd) {
  EXPECT_EQ(in("15m"), "2026-11-22T11:45:00.0");
  EXPECT_EQ(in("-1.5s"), "2026-11-22T11:59:58.5");
}

TEST(WhenTest, ASpanWithAPlusIsAfterTheBegin) {
  EXPECT_EQ(in("+30s"), "2026-11-22T03:00:30.0");
}

TEST(WhenTest, AllElseIsRefused) {
  for (const char* text :
       {"", "+", "-", "now", "24:00", "3:12", "03:60", "03:12:61", "03:12x", "2026-13-01T00:00",
        "2026-02-29T00:00", "2026-11-22", "2026-11-22T", "2026-11-22T03:12+1", "+-1s", "--1s",
        "0001-01-01T00:00Z", "9999-01-01T00:00Z", "1969-12-31T23:59Z"})
    EXPECT_EQ(in(text), "refused") << text;
}

TEST(WhenTest, ASpanLongerThanTimeItselfDoesNotOverflow) {
  EXPECT_EQ(When::parse("+100000d").value().in(1'800'000'000 * kS, 0),
            std::numeric_limits<std::int64_t>::max());
  EXPECT_LT(When::parse("100000d").value().in(0, 0), 0);
}

}  // namespace
}  // namespace netsonde
