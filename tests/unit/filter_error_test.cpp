// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <clocale>
#include <string>

#include "user/model/filter.h"

namespace netsonde {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(std::string_view text) {
  const auto filter = Filter::parse(text);
  return filter ? "no error" : filter.error().message();
}

// The column of the caret, counted from the begin of the expression.
int caret_column(const std::string& message) {
  const std::string last = message.substr(message.rfind('\n') + 1);
  return static_cast<int>(last.find('^')) - 2;
}

TEST(FilterErrorTest, HasThreeLinesWithACaretUnderThePlace) {
  EXPECT_EQ(error_of("comm = x and srtt 50ms"),
            "expected a comparison operator after 'srtt'\n"
            "  comm = x and srtt 50ms\n"
            "                    ^");
}

TEST(FilterErrorTest, SuggestsTheNearestField) {
  const std::string message = error_of("rport = 1 and srt > 50ms");
  EXPECT_THAT(message, StartsWith("unknown field 'srt', did you mean 'srtt'?\n"));
  EXPECT_EQ(caret_column(message), 14);
}

TEST(FilterErrorTest, SuggestsNothingForAFieldLikeNoOther) {
  EXPECT_THAT(error_of("quuxquuxquux"), Not(HasSubstr("did you mean")));
}

TEST(FilterErrorTest, PointsBehindTheEndOfAnUnfinishedFilter) {
  EXPECT_EQ(caret_column(error_of("srtt >")), 6);
  EXPECT_EQ(caret_column(error_of("srtt > 5 and")), 12);
  EXPECT_EQ(caret_column(error_of("(srtt > 5")), 9);
}

TEST(FilterErrorTest, CountsColumnsAndNotBytes) {
  setlocale(LC_CTYPE, "C.UTF-8");
  EXPECT_EQ(caret_column(error_of("comm = \"日本é\" x")), 15);
}

TEST(FilterErrorTest, ShowsControlCharactersOnOneLine) {
  EXPECT_EQ(error_of("comm =\n\t\x1b[2J )"),
            "expected 'and', 'or' or the end of the filter\n"
            "  comm =\\x0a\\x09\\x1b[2J )\n"
            "                        ^");
}

TEST(FilterErrorTest, ShowsInvalidUtf8Escaped) {
  EXPECT_THAT(error_of("\xff\xfe"), StartsWith("unknown field '\\xff\\xfe'"));
}

TEST(FilterErrorTest, ExpectsAValueBehindAnOperator) {
  EXPECT_THAT(error_of("srtt > > 5"), StartsWith("expected a value for 'srtt'\n"));
  EXPECT_THAT(error_of("comm = "), StartsWith("expected a value for 'comm'\n"));
}

TEST(FilterErrorTest, TellsHowToMeanAKeyword) {
  EXPECT_THAT(error_of("comm = or"), HasSubstr("(to mean the text, write \"or\")"));
}

TEST(FilterErrorTest, ExpectsAField) {
  for (const char* text : {"and", "= 5", "\"srtt\" > 5", "()", "srtt and ,", "{srtt}"})
    EXPECT_THAT(error_of(text), StartsWith("expected a field, 'not' or '('")) << text;
}

TEST(FilterErrorTest, ExpectsAClosingParenthesis) {
  EXPECT_THAT(error_of("(srtt"), StartsWith("expected ')'"));
  EXPECT_THAT(error_of("rport in {80, 443)"), StartsWith("expected '}'"));
}

TEST(FilterErrorTest, ExpectsNothingBehindACompleteFilter) {
  for (const char* text : {"srtt > 5 )", "srtt > 5 srtt", "srtt > 5, 6", "(srtt) srtt"})
    EXPECT_THAT(error_of(text), StartsWith("expected 'and', 'or' or the end")) << text;
}

TEST(FilterErrorTest, TakesNoFieldForAUnit) {
  const std::string message = error_of("srtt > 5 rport = 443");
  EXPECT_THAT(message, StartsWith("expected 'and', 'or' or the end"));
  EXPECT_EQ(caret_column(message), 9);
}

TEST(FilterErrorTest, ExpectsInBehindAFieldAndNot) {
  EXPECT_THAT(error_of("rport not 5"), StartsWith("expected 'in' after 'not'"));
}

TEST(FilterErrorTest, ExpectsTheWholeSign) {
  EXPECT_THAT(error_of("srtt & rport"), StartsWith("expected 'and' or '&&'"));
  EXPECT_THAT(error_of("srtt | rport"), StartsWith("expected 'or' or '||'"));
}

TEST(FilterErrorTest, ExpectsAClosingQuote) {
  const std::string message = error_of("comm = \"nginx");
  EXPECT_THAT(message, StartsWith("expected a closing \" for this quote"));
  EXPECT_EQ(caret_column(message), 7);
}

TEST(FilterErrorTest, NamesTheUnitsThatFit) {
  EXPECT_THAT(error_of("srtt > 5MiB"),
              StartsWith("'MiB' does not fit 'srtt', which takes ns, us, ms, s, m, h, d\n"));
  EXPECT_THAT(error_of("tx_bytes > 5ms"), HasSubstr("which takes B, kB"));
  EXPECT_THAT(error_of("tx_bytes > 5MB/s"), HasSubstr("'MB/s' does not fit"));
  EXPECT_THAT(error_of("tx > 5ms"), HasSubstr("Mbit"));
  EXPECT_THAT(error_of("retr_pct > 5s"), HasSubstr("which takes %"));
  EXPECT_THAT(error_of("retransmits > 5ms"), HasSubstr("which takes k, M, G"));
  EXPECT_THAT(error_of("rport = 5k"), HasSubstr("'rport', which takes no unit"));
}

TEST(FilterErrorTest, ExpectsANumber) {
  for (const char* text : {"srtt > fast", "srtt > -5", "srtt > inf", "srtt > nan", "srtt > ."})
    EXPECT_THAT(error_of(text), StartsWith("expected a number for 'srtt'")) << text;
  EXPECT_THAT(error_of("rport = https"), StartsWith("expected a number for 'rport'"));
}

TEST(FilterErrorTest, ExpectsANumberThatADoubleHolds) {
  EXPECT_THAT(error_of("srtt > 1e999"), StartsWith("expected a smaller number"));
}

TEST(FilterErrorTest, ExpectsAnAddress) {
  for (const char* text : {"10.0.0", "10.0.0.0/", "example.org", "1.2.3.4.5", "::g", "/8", "0x1"})
    EXPECT_THAT(error_of(std::string("remote = ") + text), StartsWith("expected a")) << text;
}

TEST(FilterErrorTest, ExpectsAPrefixLengthOfTheFamily) {
  EXPECT_THAT(error_of("remote in 10.0.0.0/33"), HasSubstr("from 0 to 32"));
  EXPECT_THAT(error_of("remote in ::/129"), HasSubstr("from 0 to 128"));
  EXPECT_THAT(error_of("remote in ::/-1"), HasSubstr("from 0 to 128"));
}

TEST(FilterErrorTest, ExpectsYesOrNo) {
  EXPECT_THAT(error_of("ecn = maybe"), StartsWith("expected yes, no, true or false for 'ecn'"));
}

TEST(FilterErrorTest, ExpectsATime) {
  for (const char* text :
       {"yesterday", "2026-11-22", "2026-11-22T13:16:02", "9999-01-01T00:00:00Z"})
    EXPECT_THAT(error_of(std::string("opened_at > ") + text), StartsWith("expected a time"))
        << text;
}

TEST(FilterErrorTest, NamesTheOperatorsThatFitTheField) {
  EXPECT_THAT(error_of("comm < x"),
              StartsWith("expected one of = != in ~ !~ after 'comm', which is text"));
  EXPECT_THAT(error_of("srtt ~ 5"), HasSubstr("which is a number"));
  EXPECT_THAT(error_of("ecn > yes"), HasSubstr("which is yes or no"));
  EXPECT_THAT(error_of("remote > 10.0.0.1"), HasSubstr("which is an address"));
  EXPECT_THAT(error_of("opened_at ~ 2026"), HasSubstr("which is a time"));
}

TEST(FilterErrorTest, NullHasNoOrder) {
  EXPECT_THAT(error_of("srtt > null"), HasSubstr("null is only = or !="));
}

TEST(FilterErrorTest, RefusesANullByte) {
  EXPECT_THAT(error_of(std::string_view("comm = a\0b", 10)), HasSubstr("null byte"));
}

TEST(FilterErrorTest, RefusesMoreThan4096Bytes) {
  const std::string longest = "comm = " + std::string(4089, 'x');
  EXPECT_TRUE(Filter::parse(longest));
  const std::string message = error_of(longest + "x");
  EXPECT_THAT(message, StartsWith("expected a filter of at most 4096 bytes, this one has 4097\n"));
  EXPECT_LT(message.size(), 200U);
}

TEST(FilterErrorTest, RefusesMoreThan64Levels) {
  const std::string open(64, '('), close(64, ')');
  EXPECT_TRUE(Filter::parse(open + "srtt" + close));
  const std::string message = error_of("(" + open + "srtt" + close + ")");
  EXPECT_THAT(message, StartsWith("expected at most 64 levels"));
  EXPECT_EQ(caret_column(message), 64);
  EXPECT_THAT(error_of(std::string(4000, '!')), StartsWith("expected at most 64 levels"));
}

TEST(FilterErrorTest, LevelsSideBySideAreNotDeep) {
  std::string text = "(srtt)";
  for (int i = 0; i < 300; ++i) text += " or (srtt)";
  EXPECT_TRUE(Filter::parse(text));
}

TEST(FilterRegexTest, TellsWhatIsWrongWithARegularExpression) {
  EXPECT_THAT(error_of("comm ~ '('"), StartsWith("expected a regular expression: Unmatched"));
}

TEST(FilterRegexTest, RefusesBackReferences) {
  EXPECT_THAT(error_of(R"(comm ~ "(a)\1")"), HasSubstr("without back-references"));
}

TEST(FilterRegexTest, RefusesRepetitionsThatWouldTakeAllMemory) {
  EXPECT_THAT(error_of("comm ~ '(((a{1,255}){1,255}){1,255}){1,255}'"), HasSubstr("repetitions"));
  std::string nested = "a";
  for (int i = 0; i < 40; ++i) nested = "(" + nested + ")+";
  EXPECT_THAT(error_of("comm ~ '" + nested + "'"), HasSubstr("repetitions"));
  EXPECT_THAT(error_of("comm ~ '[{]" + nested + "'"), HasSubstr("repetitions"));
}

TEST(FilterRegexTest, AllowsRepetitionsThatPeopleWrite) {
  EXPECT_TRUE(Filter::parse("comm ~ '^[0-9]{1,3}([.][0-9]{1,3}){3}$'"));
  EXPECT_TRUE(Filter::parse("cgroup ~ '/docker-[0-9a-f]{64}[.]scope'"));
  EXPECT_TRUE(Filter::parse("comm ~ '^[a-z]+-[0-9]+/[a-z]+:[0-9]+$'"));
}

}  // namespace
}  // namespace netsonde
