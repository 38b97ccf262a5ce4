// SPDX-License-Identifier: Apache-2.0
#include "user/base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>

namespace netsonde {
namespace {

using ::testing::HasSubstr;

Nanos micros(std::int64_t us) {
  return std::chrono::microseconds(us);
}

TEST(PrintableTest, KeepsUtf8) {
  EXPECT_EQ(printable("nginx: grüße 日本 🙂"), "nginx: grüße 日本 🙂");
}

TEST(PrintableTest, EscapesControlCharacters) {
  EXPECT_EQ(printable("a\x1b[2J\n\x7f"), "a\\x1b[2J\\x0a\\x7f");
}

TEST(PrintableTest, EscapesANullByte) {
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(PrintableTest, EscapesC1ControlsAndBidirectionalOverrides) {
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(printable("\u202e"), "\\xe2\\x80\\xae");
  EXPECT_EQ(printable("\u2067"), "\\xe2\\x81\\xa7");
  EXPECT_EQ(printable("\u200f"), "\\xe2\\x80\\x8f");
}

TEST(PrintableTest, EscapesLineSeparators) {
  EXPECT_EQ(printable("\u2028\u2029"), "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
}

TEST(PrintableTest, EscapesInvalidUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");           // overlong
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80");  // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80");
  EXPECT_EQ(printable("\xe6\x97"), "\\xe6\\x97");  // cut
}

TEST(FixedStringTest, EndsAtTheTerminatorOrTheEnd) {
  const char terminated[8] = {'a', 'b', 0, 'c', 0, 0, 0, 0};
  const char full[4] = {'a', 'b', 'c', 'd'};
  EXPECT_EQ(fixed_string(terminated), "ab");
  EXPECT_EQ(fixed_string(full), "abcd");
}

TEST(AddressTest, Ipv4IsParsedToTheMappedFormAndPrintedAsIpv4) {
  const Address address = parse_address("192.0.2.1").value();
  EXPECT_TRUE(address.is_ipv4());
  EXPECT_EQ(address, parse_address("::ffff:192.0.2.1"));
  EXPECT_EQ(to_text(address), "192.0.2.1");
}

TEST(AddressTest, Ipv6IsPrintedInItsShortestForm) {
  const Address address = parse_address("2001:0DB8:0:0:0:0:0:1").value();
  EXPECT_FALSE(address.is_ipv4());
  EXPECT_EQ(to_text(address), "2001:db8::1");
}

TEST(AddressTest, RejectsWhatIsNoAddress) {
  for (const char* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1 ", "::1%lo", "[::1]", "host"})
    EXPECT_FALSE(parse_address(text)) << text;
}

TEST(AddressTest, RejectsAnAddressWithATail) {
  EXPECT_FALSE(parse_address(std::string_view("192.0.2.1\0junk", 14)));
}

TEST(AddressTest, IsUnspecifiedInBothFamilies) {
  EXPECT_TRUE(parse_address("0.0.0.0").value().is_unspecified());
  EXPECT_TRUE(parse_address("::").value().is_unspecified());
  EXPECT_FALSE(parse_address("0.0.0.1").value().is_unspecified());
  EXPECT_FALSE(parse_address("::1").value().is_unspecified());
}

TEST(AddressTest, APrefixCountsInTheOwnFamily) {
  const auto prefix = [](const char* address, int bits) {
    return to_text(prefix_of(parse_address(address).value(), bits));
  };
  EXPECT_EQ(prefix("10.1.2.3", 8), "10.0.0.0");
  EXPECT_EQ(prefix("10.1.2.3", 31), "10.1.2.2");
  EXPECT_EQ(prefix("10.1.2.3", 32), "10.1.2.3");
  EXPECT_EQ(prefix("10.1.2.3", 0), "0.0.0.0");
  EXPECT_EQ(prefix("2001:db8:ffff::1", 36), "2001:db8:f000::");
  EXPECT_EQ(prefix("2001:db8::1", 128), "2001:db8::1");
  EXPECT_EQ(prefix("2001:db8::1", 0), "::");
}

TEST(ShortCountTest, HasThreeDigitsAtMostAndASuffix) {
  EXPECT_EQ(short_count(0), "0");
  EXPECT_EQ(short_count(999), "999");
  EXPECT_EQ(short_count(1200), "1.2k");
  EXPECT_EQ(short_count(34e6), "34.0M");
  EXPECT_EQ(short_count(340e6), "340M");
}

TEST(ShortCountTest, NeverRoundsToAFourthDigit) {
  EXPECT_EQ(short_count(999.6), "1.0k");
  EXPECT_EQ(short_count(99'960), "100k");
  EXPECT_EQ(short_count(999'600), "1.0M");
}

TEST(ShortCountTest, StaysAtTheLargestSuffix) {
  EXPECT_EQ(short_count(5e18), "5000P");
}

TEST(ShortBytesTest, IsBinary) {
  EXPECT_EQ(short_bytes(1023), "1023");
  EXPECT_EQ(short_bytes(1536), "1.5Ki");
  EXPECT_EQ(short_bytes(1 << 30), "1.0Gi");
}

TEST(ShortDurationTest, PicksTheUnit) {
  EXPECT_EQ(short_duration(Nanos(0)), "0us");
  EXPECT_EQ(short_duration(Nanos(10)), "<1us");
  EXPECT_EQ(short_duration(micros(85)), "85us");
  EXPECT_EQ(short_duration(micros(1250)), "1.25ms");
  EXPECT_EQ(short_duration(micros(34'560)), "34.6ms");
  EXPECT_EQ(short_duration(micros(345'600)), "346ms");
  EXPECT_EQ(short_duration(micros(3'400'000)), "3.4s");
  EXPECT_EQ(short_duration(micros(45'000'000)), "45s");
  EXPECT_EQ(short_duration(std::chrono::minutes(12)), "12m");
  EXPECT_EQ(short_duration(std::chrono::hours(5)), "5h");
  EXPECT_EQ(short_duration(std::chrono::hours(24 * 5)), "5d");
}

TEST(ShortDurationTest, RoundsIntoTheNextUnitAndNotBeyondThisOne) {
  EXPECT_EQ(short_duration(Nanos(999'600)), "1.00ms");
  EXPECT_EQ(short_duration(micros(9'996)), "10.0ms");
  EXPECT_EQ(short_duration(micros(99'960)), "100ms");
  EXPECT_EQ(short_duration(micros(999'600)), "1.0s");
  EXPECT_EQ(short_duration(micros(9'960'000)), "10s");
}

TEST(Rfc3339Test, IsUtcWithNanoseconds) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(rfc3339(1'795'353'362'123'456'789), "2026-11-22T13:16:02.123456789Z");
}

TEST(Rfc3339Test, CountsBackFromTheEpoch) {
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(Rfc3339Test, TakesEveryTimeThatFits) {
  EXPECT_EQ(rfc3339(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(rfc3339(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
}

TEST(ParseBytesTest, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_bytes("1500").value(), 1500U);
  EXPECT_EQ(parse_bytes("64KiB").value(), 65536U);
  EXPECT_EQ(parse_bytes("10MB").value(), 10'000'000U);
  EXPECT_EQ(parse_bytes("1GiB").value(), 1U << 30);
  EXPECT_EQ(parse_bytes("1.5k").value(), 1500U);
}

TEST(ParseBytesTest, MissesNoWholeNumber) {
  EXPECT_EQ(parse_bytes("4.35kB").value(), 4350U);
  EXPECT_EQ(parse_bytes("1.001MB").value(), 1'001'000U);
}

TEST(ParseBytesTest, FailsOnAMissingNumberAnUnknownUnitOrOverflow) {
  for (const char* text : {"", "MB", "-1", "inf", "nan", "1e99", "1 MB", "20000000TB"})
    EXPECT_FALSE(parse_bytes(text)) << text;
  EXPECT_THAT(parse_bytes("5MiBs").error().message(), HasSubstr("known: B, kB"));
}

TEST(ParseDurationTest, KnowsTheUnits) {
  EXPECT_EQ(parse_duration("250ms").value(), std::chrono::milliseconds(250));
  EXPECT_EQ(parse_duration("1.5s").value(), std::chrono::milliseconds(1500));
  EXPECT_EQ(parse_duration("2m").value(), std::chrono::minutes(2));
  EXPECT_EQ(parse_duration("1h").value(), std::chrono::hours(1));
  EXPECT_EQ(parse_duration("10us").value(), std::chrono::microseconds(10));
}

TEST(ParseDurationTest, IsInSecondsWithoutAUnit) {
  EXPECT_EQ(parse_duration("2").value(), std::chrono::seconds(2));
}

TEST(ParseDurationTest, MissesNoWholeNumber) {
  EXPECT_EQ(parse_duration("1.001us").value(), Nanos(1001));
  EXPECT_EQ(parse_duration("0.000000015s").value(), Nanos(15));
}

TEST(ParseDurationTest, FailsOnAMissingNumberAnUnknownUnitOrOverflow) {
  for (const char* text : {"", "s", "-1s", "1MB", "1e99s", "300000d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

class WidthTest : public ::testing::Test {
 protected:
  WidthTest() { std::setlocale(LC_CTYPE, "C.UTF-8"); }
  ~WidthTest() override { std::setlocale(LC_CTYPE, "C"); }
};

TEST_F(WidthTest, CountsColumns) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("grüße"), 5);
  EXPECT_EQ(display_width("日本"), 4);
  EXPECT_EQ(display_width("e\u0301"), 1);
}

TEST_F(WidthTest, CountsAColumnForWhatTheLocaleDoesNotKnow) {
  std::setlocale(LC_CTYPE, "C");
  EXPECT_EQ(display_width("grüße"), 5);
}

TEST_F(WidthTest, PadsOnTheSideThatIsFree) {
  EXPECT_EQ(fit("ab", 4), "ab  ");
  EXPECT_EQ(fit("ab", 4, true), "  ab");
  EXPECT_EQ(fit("日", 4), "日  ");
}

TEST_F(WidthTest, ACutEndsWithTheMark) {
  EXPECT_EQ(fit("abcdef", 4), "abc~");
  EXPECT_EQ(fit("abcd", 4), "abcd");
  EXPECT_EQ(fit("abcdef", 1), "~");
}

TEST_F(WidthTest, ACutNeverSplitsACharacter) {
  EXPECT_EQ(fit("日本語", 4), "日~ ");
  EXPECT_EQ(fit("日本語", 5), "日本~");
}

TEST_F(WidthTest, NoColumnsHoldNothing) {
  EXPECT_EQ(fit("abc", 0), "");
  EXPECT_EQ(fit("abc", -3), "");
}

TEST(WrapTest, BreaksBetweenWords) {
  EXPECT_EQ(wrap("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("one two three", 6), (std::vector<std::string>{"one", "two", "three"}));
}

TEST(WrapTest, ALongWordHasALineOfItsOwn) {
  EXPECT_EQ(wrap("a verylongword b", 4), (std::vector<std::string>{"a", "verylongword", "b"}));
  EXPECT_EQ(wrap("", 4), std::vector<std::string>{""});
}

TEST(WrapTest, CountsColumnsNotBytes) {
  EXPECT_EQ(wrap("\u00e4\u00e4 \u00e4", 4), std::vector<std::string>{"\u00e4\u00e4 \u00e4"});
}

}  // namespace
}  // namespace netsonde
