// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/filter_fixture.h"

namespace netsonde {
namespace {

class FilterTextTest : public FilterTest {};

// Text.

TEST_F(FilterTextTest, TextIsComparedExactly) {
  EXPECT_TRUE(accepts("comm = nginx and cc = 'cubic' and comm = \"nginx\""));
  EXPECT_FALSE(accepts("comm = Nginx"));
  EXPECT_FALSE(accepts("comm = ngin"));
  EXPECT_TRUE(accepts("comm != Nginx"));
}

TEST_F(FilterTextTest, TextMayLookLikeANumber) {
  set_text(conn().comm, "443");
  EXPECT_TRUE(accepts("comm = 443"));
}

TEST_F(FilterTextTest, WordsOfTheLanguageAreTextInQuotes) {
  set_text(conn().comm, "and");
  EXPECT_TRUE(accepts("comm = \"and\""));
  set_text(conn().comm, "null");
  EXPECT_TRUE(accepts("comm = 'null'"));
}

TEST_F(FilterTextTest, InIsADirectionAndAnOperator) {
  conn().direction = EV_IN;
  EXPECT_TRUE(accepts("direction = in and direction in in, out"));
}

TEST_F(FilterTextTest, ABackslashEscapesTheQuoteAlone) {
  set_text(conn().comm, R"(a"b\c'd)");
  EXPECT_TRUE(accepts(R"(comm = "a\"b\c'd")"));
  EXPECT_TRUE(accepts(R"(comm = 'a"b\c\'d')"));
}

TEST_F(FilterTextTest, TextOfAFixedSetHasNoCase) {
  EXPECT_TRUE(accepts("state = established and state in ESTABLISHED, listen"));
  EXPECT_TRUE(accepts("direction = OUT and limited_by = Receive_Window and family = IPv4"));
  EXPECT_TRUE(accepts("state ~ ^estab"));
}

TEST_F(FilterTextTest, AProcessNameWithoutATerminatorIsComparedWhole) {
  set_text(conn().comm, "0123456789abcdefgh");
  EXPECT_TRUE(accepts("comm = 0123456789abcdef and comm ~ ef$"));
}

TEST_F(FilterTextTest, ComparesCgroupPathsAndContainers) {
  EXPECT_TRUE(accepts("cgroup = /docker/" + kContainer));
  EXPECT_TRUE(accepts("cgroup ~ ^/docker/ and container = " + kContainer.substr(0, 12)));
  EXPECT_FALSE(accepts("cgroup = /docker"));
}

TEST_F(FilterTextTest, AWordThatAFieldCannotHoldIsAnError) {
  for (const char* text : {"state = fin", "limited_by = nonsense", "direction in in, up",
                           "end != ESTABLISHED", "family = ipv5"})
    EXPECT_FALSE(Filter::parse(text)) << text;
}

TEST_F(FilterTextTest, TheLimitMayBeAbbreviatedAsTheViewDoes) {
  connection_.limit = Limit::ReceiveWindow;
  connection_.limit_known = true;
  EXPECT_TRUE(accepts("limited_by = rwnd"));
  EXPECT_FALSE(accepts("limited_by = cwnd"));
}

TEST_F(FilterTextTest, AClosedConnectionIsInStateClosed) {
  connection_.closed_ns = 95 * kSecond;
  EXPECT_TRUE(accepts("state = closed and age = 5s"));
}

// Regular expressions.

TEST_F(FilterTextTest, ARegularExpressionMatchesAnywhere) {
  EXPECT_TRUE(accepts("comm ~ gin"));
  EXPECT_TRUE(accepts("comm ~ '^(apache|nginx)$'"));
  EXPECT_FALSE(accepts("comm ~ ^gin"));
  EXPECT_FALSE(accepts("comm ~ NGINX"));
}

TEST_F(FilterTextTest, ARegularExpressionCanBeRefused) {
  EXPECT_FALSE(accepts("comm !~ gin"));
  EXPECT_TRUE(accepts("comm !~ apache"));
}

TEST_F(FilterTextTest, ARegularExpressionKeepsItsBackslashes) {
  set_text(conn().comm, "a.b");
  EXPECT_TRUE(accepts(R"(comm ~ "^a\.b$")"));
  set_text(conn().comm, "axb");
  EXPECT_FALSE(accepts(R"(comm ~ "^a\.b$")"));
}

// Addresses.

TEST_F(FilterTextTest, AddressesAreInNetworks) {
  EXPECT_TRUE(accepts("remote in 10.0.0.0/8 and remote = 10.0.0.0/8 and remote in 10.1.2.3"));
  EXPECT_TRUE(accepts("remote in 10.1.2.2/31 and remote in 0.0.0.0/0"));
  EXPECT_FALSE(accepts("remote in 10.1.2.4/31"));
  EXPECT_FALSE(accepts("remote = 10.1.2.4"));
}

TEST_F(FilterTextTest, ANetworkMayBeWrittenWithAnyOfItsAddresses) {
  EXPECT_TRUE(accepts("remote in 10.255.255.255/8"));
}

TEST_F(FilterTextTest, AddressesAreInListsOfNetworks) {
  EXPECT_TRUE(accepts("remote in 192.168.0.0/16, 10.0.0.0/8"));
  EXPECT_TRUE(accepts("remote in (192.168.0.0/16, 10.0.0.0/8) and rport = 443"));
  EXPECT_TRUE(accepts("remote in {2001:db8::/32,10.1.2.3}"));
  EXPECT_FALSE(accepts("remote != 192.168.0.0/16, 10.0.0.0/8"));
  EXPECT_TRUE(accepts("remote not in 192.168.0.0/16"));
}

TEST_F(FilterTextTest, AnAddressIsInNoNetworkOfTheOtherFamily) {
  EXPECT_FALSE(accepts("remote in ::/0"));
  set_address(conn().remote, "2001:db8::1");
  EXPECT_TRUE(accepts("remote in ::/0 and remote in 2001:db8::/32 and remote = 2001:DB8::1"));
  EXPECT_FALSE(accepts("remote in 0.0.0.0/0"));
}

TEST_F(FilterTextTest, AMappedAddressIsItsIpv4Address) {
  EXPECT_TRUE(accepts("remote = ::ffff:10.1.2.3 and remote in ::ffff:10.0.0.0/104"));
}

TEST_F(FilterTextTest, ABareAddressIsAcceptedUnlessUnspecified) {
  EXPECT_TRUE(accepts("local"));
  set_address(conn().local, "0.0.0.0");
  EXPECT_FALSE(accepts("local"));
}

}  // namespace
}  // namespace netsonde
