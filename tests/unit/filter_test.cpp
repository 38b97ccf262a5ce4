// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "tests/unit/filter_fixture.h"

namespace netsonde {
namespace {

TEST_F(FilterTest, AcceptsEverythingWithoutAnExpression) {
  EXPECT_TRUE(Filter().accepts(row()));
  EXPECT_TRUE(Filter().empty());
}

TEST_F(FilterTest, AcceptsEverythingWhenBlank) {
  EXPECT_TRUE(accepts(" \t\n"));
  EXPECT_TRUE(Filter::parse("").value().empty());
}

TEST_F(FilterTest, KeepsItsText) {
  EXPECT_EQ(Filter::parse("srtt > 1").value().text(), "srtt > 1");
}

TEST_F(FilterTest, SurvivesBeingMoved) {
  Filter filter = Filter::parse("comm = nginx").value();
  const Filter moved = std::move(filter);
  EXPECT_TRUE(moved.accepts(row()));
}

TEST_F(FilterTest, DecidesTheExampleOfTheManual) {
  const std::string example =
      "remote in 10.0.0.0/8 and rport = 443 and (srtt > 50ms or retransmits > 100) and comm ~ "
      "\"^nginx\"";
  EXPECT_TRUE(accepts(example));
  connection_.last.srtt_us = 40'000;
  EXPECT_FALSE(accepts(example));
}

TEST_F(FilterTest, AndBindsTighterThanOr) {
  EXPECT_TRUE(accepts("rport = 443 or rport = 1 and rport = 2"));
  EXPECT_FALSE(accepts("(rport = 443 or rport = 1) and rport = 2"));
}

TEST_F(FilterTest, NotBindsTighterThanAnd) {
  EXPECT_FALSE(accepts("not rport = 443 and rport = 1"));
  EXPECT_TRUE(accepts("not (rport = 443 and rport = 1)"));
}

TEST_F(FilterTest, NotTwiceIsNothing) {
  EXPECT_TRUE(accepts("not not rport = 443"));
}

TEST_F(FilterTest, KeywordsHaveNoCase) {
  EXPECT_TRUE(accepts("rport = 443 AND NOT lport = 1 Or lport In 2"));
}

TEST_F(FilterTest, SignsStandForKeywords) {
  EXPECT_TRUE(accepts("rport=443&&!(lport=1)||lport=2"));
  EXPECT_FALSE(accepts("!rport==443"));
}

TEST_F(FilterTest, FieldsGoByIdAndAlias) {
  EXPECT_TRUE(accepts("remote_port = 443 and rport = 443"));
}

// Numbers.

TEST_F(FilterTest, ComparesNumbersInOrder) {
  EXPECT_TRUE(accepts("srtt < 60001 and srtt <= 60000 and srtt >= 60000 and srtt > 59999"));
  EXPECT_FALSE(accepts("srtt < 60000"));
  EXPECT_FALSE(accepts("srtt > 60000"));
  EXPECT_FALSE(accepts("srtt <= 59999"));
  EXPECT_FALSE(accepts("srtt >= 60001"));
}

TEST_F(FilterTest, ANumberWithoutUnitIsInTheFieldsOwn) {
  EXPECT_TRUE(accepts("srtt = 60000 and busy = 1500 and age = 10"));
}

TEST_F(FilterTest, TimesAreConvertedToTheFieldsUnit) {
  EXPECT_TRUE(accepts("srtt = 60ms and srtt = 0.06s and srtt = 60000us and srtt = 60000000ns"));
  EXPECT_TRUE(accepts("srtt = .001m"));
  EXPECT_TRUE(accepts("busy = 1.5s and busy = 1500000us"));
  EXPECT_TRUE(accepts("age = 10s and age = 10000ms and age < 1m and age < 1h and age < 1d"));
}

TEST_F(FilterTest, AFractionThatNoDoubleHoldsStillEqualsTheWholeNumberMeant) {
  for (std::uint32_t us = 1; us <= 20'000; us += 7) {
    connection_.last.srtt_us = us;
    EXPECT_TRUE(accepts(fmt::format("srtt = {}.{:06}s", us / 1'000'000, us % 1'000'000)));
    EXPECT_TRUE(accepts(fmt::format("srtt = {}.{:03}ms", us / 1000, us % 1000)));
  }
}

TEST_F(FilterTest, AUnitMayStandApart) {
  EXPECT_TRUE(accepts("srtt = 60 ms and retr_pct = 2 %"));
}

TEST_F(FilterTest, BytesHaveDecimalAndBinaryUnits) {
  EXPECT_TRUE(accepts("tx_bytes = 1MiB and tx_bytes = 1024KiB and tx_bytes = 1048.576kB"));
  EXPECT_TRUE(accepts("tx_bytes > 1MB and tx_bytes > 1M and tx_bytes = 1Mi and tx_bytes < 1GiB"));
}

TEST_F(FilterTest, RatesAreInBytesOrBitsPerSecond) {
  connection_.tx_rate = 1'250'000;
  EXPECT_TRUE(accepts("tx = 10Mbit and tx = 10Mbit/s and tx = 10000kbit and tx = 0.01Gbit"));
  EXPECT_TRUE(accepts("tx = 1.25MB/s and tx = 1.25MB and tx = 1250000 and tx = 1250000/s"));
  EXPECT_TRUE(accepts("tx > 1MiB/s and tx = 10000000bit"));
}

TEST_F(FilterTest, PercentMayBeWritten) {
  EXPECT_TRUE(accepts("retr_pct > 1% and retr_pct = 2 and retr_pct < 2.5%"));
}

TEST_F(FilterTest, EventsPerSecondMayBeWritten) {
  connection_.retransmit_rate = 2000;
  EXPECT_TRUE(accepts("retr = 2000/s and retr = 2k/s and retr = 2k"));
}

TEST_F(FilterTest, CountsMayBeThousands) {
  connection_.last.segs_out = 3000;
  EXPECT_TRUE(accepts("tx_segments = 3k and tx_segments < 1M"));
}

TEST_F(FilterTest, IdentifiersAreComparedExactly) {
  conn().cookie = 18'446'744'073'709'551'615U;
  EXPECT_TRUE(accepts("cookie = 18446744073709551615"));
  EXPECT_FALSE(accepts("cookie = 18446744073709551614"));
  EXPECT_TRUE(accepts("netns = 4026531840 and pid = 1234 and uid = 33"));
}

TEST_F(FilterTest, ListsOfNumbersAreAlternatives) {
  EXPECT_TRUE(accepts("rport in 80, 443"));
  EXPECT_TRUE(accepts("rport = (80,443)"));
  EXPECT_TRUE(accepts("rport in {80,443} and lport = 50000"));
  EXPECT_FALSE(accepts("rport in (80, 8080)"));
}

TEST_F(FilterTest, AnUnequalListMeansNoneOfThem) {
  EXPECT_FALSE(accepts("rport != 80, 443"));
  EXPECT_FALSE(accepts("rport not in 80, 443"));
  EXPECT_TRUE(accepts("rport NOT IN (80, 8080) and rport != 1, 2"));
}

// Ports.

TEST_F(FilterTest, PortIsThatOfEitherEnd) {
  EXPECT_TRUE(accepts("port = 443 and port = 50000"));
  EXPECT_FALSE(accepts("port = 444"));
  EXPECT_TRUE(accepts("port in 1, 443"));
}

TEST_F(FilterTest, PortIsUnequalWhenNeitherEndHasIt) {
  EXPECT_FALSE(accepts("port != 443"));
  EXPECT_FALSE(accepts("port != 50000"));
  EXPECT_TRUE(accepts("port != 444"));
}

// Flags.

TEST_F(FilterTest, FlagsStandAlone) {
  EXPECT_TRUE(accepts("ecn and not sack"));
  EXPECT_FALSE(accepts("not ecn"));
  EXPECT_FALSE(accepts("sack"));
}

TEST_F(FilterTest, FlagsAreComparedWithYesAndNo) {
  EXPECT_TRUE(accepts("ecn = yes and ecn = TRUE and ecn != no and sack = no and sack = false"));
  EXPECT_FALSE(accepts("ecn = no"));
}

// Absent values.

TEST_F(FilterTest, AnAbsentValueFailsEveryComparison) {
  for (const char* sign : {"=", "<", "<=", ">", ">="})
    EXPECT_FALSE(accepts(fmt::format("min_rtt {} 0", sign))) << sign;
  set_text(conn().comm, "");
  EXPECT_FALSE(accepts("comm ~ ''"));
}

TEST_F(FilterTest, AnAbsentValueIsUnequalToAll) {
  set_text(conn().comm, "");
  EXPECT_TRUE(accepts("min_rtt != 5 and comm !~ x and comm != nginx and comm not in a, b"));
}

TEST_F(FilterTest, AbsenceCanBeAskedFor) {
  EXPECT_TRUE(accepts("min_rtt = null and min_rtt = - and min_rtt = NULL"));
  EXPECT_TRUE(accepts("srtt != null and srtt != -"));
  EXPECT_FALSE(accepts("min_rtt != null"));
  EXPECT_FALSE(accepts("srtt = null"));
}

TEST_F(FilterTest, AbsenceMayBeOneOfAList) {
  EXPECT_TRUE(accepts("min_rtt = null, 5"));
}

TEST_F(FilterTest, ABareFieldIsPresentAndNotZero) {
  EXPECT_TRUE(accepts("srtt and comm and opened_at and retransmits and retr_pct"));
  EXPECT_FALSE(accepts("min_rtt"));
  EXPECT_FALSE(accepts("rx_bytes"));
}

TEST_F(FilterTest, ARateIsAbsentUntilItIsKnown) {
  EXPECT_FALSE(accepts("tx >= 0"));
  connection_.tx_rate = 0;
  EXPECT_TRUE(accepts("tx >= 0 and tx = 0"));
}

// Times.

TEST_F(FilterTest, TimesAreComparedWithRfc3339) {
  EXPECT_TRUE(accepts("opened_at = 1970-01-01T00:01:30Z and opened_at > 1970-01-01T00:01:29.999Z"));
  EXPECT_TRUE(accepts("opened_at < 2026-11-22T13:16:02.123456789Z"));
  EXPECT_FALSE(accepts("opened_at > 1970-01-01T00:01:30.000000001Z"));
}

}  // namespace
}  // namespace netsonde
