// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace netsonde {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
const std::string kContainer(64, 'a');

template <std::size_t N>
void set_text(char (&to)[N], std::string_view text) {
  std::memset(to, 0, N);
  std::memcpy(to, text.data(), std::min(text.size(), N));
}

void set_address(std::uint8_t (&to)[16], std::string_view text) {
  const Address address = parse_address(text).value();
  std::copy(address.bytes.begin(), address.bytes.end(), to);
}

// An outgoing connection of nginx, ten seconds old; each test changes what it is about.
class FilterTest : public ::testing::Test {
 protected:
  FilterTest() {
    names_.learn_cgroup(7, [](std::uint64_t) { return "/docker/" + kContainer; });
    connection_.sampled = true;
    connection_.limit_known = true;
    connection_.limit = Limit::ReceiveWindow;
    ev_sample& sample = connection_.last;
    sample.srtt_us = 60'000;
    sample.min_rtt_us = ~0U;
    sample.tx_bytes = 1 << 20;
    sample.busy_ms = 1500;
    sample.segs_out = 200;
    sample.retransmitted = 4;
    sample.options = EV_OPT_ECN;
    set_text(sample.congestion, "cubic");
    set_identity(sample.conn);
  }

  static void set_identity(ev_conn& conn) {
    conn.cookie = 4242;
    set_address(conn.local, "192.0.2.1");
    set_address(conn.remote, "10.1.2.3");
    conn.local_port = 50'000;
    conn.remote_port = 443;
    conn.netns = 4026531840;
    conn.start_ns = 90 * kSecond;
    conn.cgroup = 7;
    conn.uid = 33;
    conn.pid = 1234;
    conn.owner = EV_OWNER_EXACT;
    conn.direction = EV_OUT;
    conn.state = 1;
    set_text(conn.comm, "nginx");
  }

  bool accepts(std::string_view text) const {
    auto filter = Filter::parse(text);
    if (!filter) ADD_FAILURE() << filter.error().message();
    return filter && filter.value().accepts(row());
  }

  Row row() const { return {connection_, names_, time_from_ns(100 * kSecond), 0}; }
  ev_conn& conn() { return connection_.last.conn; }

  Connection connection_;
  Names names_;
};

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

// Text.

TEST_F(FilterTest, TextIsComparedExactly) {
  EXPECT_TRUE(accepts("comm = nginx and cc = 'cubic' and comm = \"nginx\""));
  EXPECT_FALSE(accepts("comm = Nginx"));
  EXPECT_FALSE(accepts("comm = ngin"));
  EXPECT_TRUE(accepts("comm != Nginx"));
}

TEST_F(FilterTest, TextMayLookLikeANumber) {
  set_text(conn().comm, "443");
  EXPECT_TRUE(accepts("comm = 443"));
}

TEST_F(FilterTest, WordsOfTheLanguageAreTextInQuotes) {
  set_text(conn().comm, "and");
  EXPECT_TRUE(accepts("comm = \"and\""));
  set_text(conn().comm, "null");
  EXPECT_TRUE(accepts("comm = 'null'"));
}

TEST_F(FilterTest, InIsADirectionAndAnOperator) {
  conn().direction = EV_IN;
  EXPECT_TRUE(accepts("direction = in and direction in in, out"));
}

TEST_F(FilterTest, ABackslashEscapesTheQuoteAlone) {
  set_text(conn().comm, R"(a"b\c'd)");
  EXPECT_TRUE(accepts(R"(comm = "a\"b\c'd")"));
  EXPECT_TRUE(accepts(R"(comm = 'a"b\c\'d')"));
}

TEST_F(FilterTest, TextOfAFixedSetHasNoCase) {
  EXPECT_TRUE(accepts("state = established and state in ESTABLISHED, listen"));
  EXPECT_TRUE(accepts("direction = OUT and limited_by = Receive_Window and family = IPv4"));
  EXPECT_TRUE(accepts("state ~ ^estab"));
}

TEST_F(FilterTest, AProcessNameWithoutATerminatorIsComparedWhole) {
  set_text(conn().comm, "0123456789abcdefgh");
  EXPECT_TRUE(accepts("comm = 0123456789abcdef and comm ~ ef$"));
}

TEST_F(FilterTest, ComparesCgroupPathsAndContainers) {
  EXPECT_TRUE(accepts("cgroup = /docker/" + kContainer));
  EXPECT_TRUE(accepts("cgroup ~ ^/docker/ and container = " + kContainer.substr(0, 12)));
  EXPECT_FALSE(accepts("cgroup = /docker"));
}

TEST_F(FilterTest, AWordThatAFieldCannotHoldIsAnError) {
  for (const char* text : {"state = fin", "limited_by = nonsense", "direction in in, up",
                           "end != ESTABLISHED", "family = ipv5"})
    EXPECT_FALSE(Filter::parse(text)) << text;
}

TEST_F(FilterTest, TheLimitMayBeAbbreviatedAsTheViewDoes) {
  connection_.limit = Limit::ReceiveWindow;
  connection_.limit_known = true;
  EXPECT_TRUE(accepts("limited_by = rwnd"));
  EXPECT_FALSE(accepts("limited_by = cwnd"));
}

TEST_F(FilterTest, AClosedConnectionIsInStateClosed) {
  connection_.closed_ns = 95 * kSecond;
  EXPECT_TRUE(accepts("state = closed and age = 5s"));
}

// Regular expressions.

TEST_F(FilterTest, ARegularExpressionMatchesAnywhere) {
  EXPECT_TRUE(accepts("comm ~ gin"));
  EXPECT_TRUE(accepts("comm ~ '^(apache|nginx)$'"));
  EXPECT_FALSE(accepts("comm ~ ^gin"));
  EXPECT_FALSE(accepts("comm ~ NGINX"));
}

TEST_F(FilterTest, ARegularExpressionCanBeRefused) {
  EXPECT_FALSE(accepts("comm !~ gin"));
  EXPECT_TRUE(accepts("comm !~ apache"));
}

TEST_F(FilterTest, ARegularExpressionKeepsItsBackslashes) {
  set_text(conn().comm, "a.b");
  EXPECT_TRUE(accepts(R"(comm ~ "^a\.b$")"));
  set_text(conn().comm, "axb");
  EXPECT_FALSE(accepts(R"(comm ~ "^a\.b$")"));
}

// Addresses.

TEST_F(FilterTest, AddressesAreInNetworks) {
  EXPECT_TRUE(accepts("remote in 10.0.0.0/8 and remote = 10.0.0.0/8 and remote in 10.1.2.3"));
  EXPECT_TRUE(accepts("remote in 10.1.2.2/31 and remote in 0.0.0.0/0"));
  EXPECT_FALSE(accepts("remote in 10.1.2.4/31"));
  EXPECT_FALSE(accepts("remote = 10.1.2.4"));
}

TEST_F(FilterTest, ANetworkMayBeWrittenWithAnyOfItsAddresses) {
  EXPECT_TRUE(accepts("remote in 10.255.255.255/8"));
}

TEST_F(FilterTest, AddressesAreInListsOfNetworks) {
  EXPECT_TRUE(accepts("remote in 192.168.0.0/16, 10.0.0.0/8"));
  EXPECT_TRUE(accepts("remote in (192.168.0.0/16, 10.0.0.0/8) and rport = 443"));
  EXPECT_TRUE(accepts("remote in {2001:db8::/32,10.1.2.3}"));
  EXPECT_FALSE(accepts("remote != 192.168.0.0/16, 10.0.0.0/8"));
  EXPECT_TRUE(accepts("remote not in 192.168.0.0/16"));
}

TEST_F(FilterTest, AnAddressIsInNoNetworkOfTheOtherFamily) {
  EXPECT_FALSE(accepts("remote in ::/0"));
  set_address(conn().remote, "2001:db8::1");
  EXPECT_TRUE(accepts("remote in ::/0 and remote in 2001:db8::/32 and remote = 2001:DB8::1"));
  EXPECT_FALSE(accepts("remote in 0.0.0.0/0"));
}

TEST_F(FilterTest, AMappedAddressIsItsIpv4Address) {
  EXPECT_TRUE(accepts("remote = ::ffff:10.1.2.3 and remote in ::ffff:10.0.0.0/104"));
}

TEST_F(FilterTest, ABareAddressIsAcceptedUnlessUnspecified) {
  EXPECT_TRUE(accepts("local"));
  set_address(conn().local, "0.0.0.0");
  EXPECT_FALSE(accepts("local"));
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
