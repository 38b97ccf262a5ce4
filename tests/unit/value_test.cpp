// SPDX-License-Identifier: Apache-2.0
#include "user/model/value.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

Value number(std::uint64_t value) {
  return value;
}

TEST(HumanTest, ShowsUnits) {
  EXPECT_EQ(human(number(1250), Unit::Microseconds), "1.25ms");
  EXPECT_EQ(human(number(1300), Unit::Milliseconds), "1.3s");
  EXPECT_EQ(human(Value(90.0), Unit::Seconds), "90s");
  EXPECT_EQ(human(number(1536), Unit::Bytes), "1.5Ki");
  EXPECT_EQ(human(Value(1.5), Unit::Percent), "1.50");
  EXPECT_EQ(human(Value(0.0), Unit::Percent), "0");
  EXPECT_EQ(human(number(99'999), Unit::Segments), "99999");
  EXPECT_EQ(human(number(4026531840), Unit::None), "4026531840");
}

TEST(HumanTest, ShowsWhatIsNoNumber) {
  EXPECT_EQ(human(Value(), Unit::Bytes), "-");
  EXPECT_EQ(human(true, Unit::None), "yes");
  EXPECT_EQ(human(false, Unit::None), "no");
  EXPECT_EQ(human(Timestamp{0}, Unit::None), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(human(parse_address("::1").value(), Unit::None), "::1");
}

TEST(HumanTest, MakesTextPrintable) {
  EXPECT_EQ(human(std::string_view("a\x1b[0m"), Unit::None), "a\\x1b[0m");
}

TEST(HumanTest, SurvivesATimeThatNothingHolds) {
  EXPECT_EQ(human(number(UINT64_MAX), Unit::Seconds), "104167d");
  EXPECT_EQ(human(number(UINT64_MAX), Unit::Microseconds), "104167d");
}

TEST(SortTest, GoesBothWays) {
  EXPECT_TRUE(sorts_before(number(1), number(2), false));
  EXPECT_TRUE(sorts_before(number(2), number(1), true));
  EXPECT_FALSE(sorts_before(number(1), number(1), true));
}

TEST(SortTest, AbsentValuesComeLastWhateverTheDirection) {
  for (const bool descending : {false, true}) {
    EXPECT_TRUE(sorts_before(number(1), Value(), descending));
    EXPECT_FALSE(sorts_before(Value(), number(1), descending));
    EXPECT_FALSE(sorts_before(Value(), Value(), descending));
  }
}

TEST(SortTest, ComparesTextAndMixedNumbers) {
  EXPECT_TRUE(sorts_before(std::string_view("a"), std::string_view("b"), false));
  EXPECT_TRUE(sorts_before(number(1), Value(1.5), false));
}

TEST(CombineTest, AddsNumbersOfOneKind) {
  EXPECT_EQ(combined(number(2), number(3), Combine::Sum), number(5));
  EXPECT_EQ(combined(Value(0.5), Value(1.5), Combine::Sum), Value(2.0));
}

TEST(CombineTest, AnAbsentValueGivesWay) {
  for (const Combine how : {Combine::Sum, Combine::Max, Combine::Min}) {
    EXPECT_EQ(combined(Value(), number(1), how), number(1));
    EXPECT_EQ(combined(number(1), Value(), how), number(1));
    EXPECT_TRUE(is_absent(combined(Value(), Value(), how)));
  }
}

TEST(CombineTest, AnAbsentValueIsNotTheSameAsANumber) {
  EXPECT_TRUE(is_absent(combined(Value(), number(1), Combine::Same)));
  EXPECT_TRUE(is_absent(combined(number(1), Value(), Combine::Same)));
  EXPECT_EQ(combined(number(1), number(1), Combine::Same), number(1));
}

}  // namespace
}  // namespace netsonde
