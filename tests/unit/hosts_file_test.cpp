// SPDX-License-Identifier: Apache-2.0
#include "probes/hosts_file.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

std::string addresses_of(std::string_view file, std::string_view name) {
  std::string text;
  for (const Address& address : HostsFile::parse(file).find(name)) text += to_text(address) + " ";
  return text;
}

using Names = std::vector<std::string>;

TEST(HostsFile, HasTheAddressesOfEachName) {
  const char* file = "192.0.2.1 a.test a\n192.0.2.2\tb.test\n";
  EXPECT_EQ(addresses_of(file, "a.test"), "192.0.2.1 ");
  EXPECT_EQ(addresses_of(file, "a"), "192.0.2.1 ");
  EXPECT_EQ(addresses_of(file, "b.test"), "192.0.2.2 ");
  EXPECT_EQ(addresses_of(file, "c.test"), "");
}

TEST(HostsFile, SeveralLinesOfANameAddUpInTheirOrder) {
  EXPECT_EQ(addresses_of("192.0.2.2 a\n2001:db8::1 a\n192.0.2.1 a\n192.0.2.2 a a", "a"),
            "192.0.2.2 2001:db8::1 192.0.2.1 ");
}

TEST(HostsFile, NamesAreTheSameInAnyCaseAndWithADot) {
  EXPECT_EQ(addresses_of("192.0.2.1 A.Test", "a.tEST."), "192.0.2.1 ");
}

TEST(HostsFile, CommentsAndWhatMakesNoSenseAreSkipped) {
  const char* file = "# 192.0.2.1 a\n\n  \n192.0.2.2 # a\nx a\nfe80::1%lo0 a\n192.0.2.3 a\r\n";
  EXPECT_EQ(addresses_of(file, "a"), "192.0.2.3 ");
  EXPECT_EQ(addresses_of("", "a"), "");
}

TEST(SearchList, ShortNamesAreLookedForInTheDomainsFirst) {
  const SearchList list = SearchList::parse("nameserver 192.0.2.53\nsearch One.test two.test.\n");
  EXPECT_EQ(list.candidates("www"), (Names{"www.one.test", "www.two.test", "www"}));
}

TEST(SearchList, NamesWithDotsAsTheyStand) {
  const SearchList list = SearchList::parse("search one.test");
  EXPECT_EQ(list.candidates("www.example"), (Names{"www.example"}));
  EXPECT_EQ(SearchList::parse("search x\noptions ndots:2").candidates("www."), (Names{"www"}));
}

TEST(SearchList, NdotsSaysHowManyDotsAreFew) {
  const SearchList list = SearchList::parse("search one.test\noptions rotate ndots:2 timeout:1");
  EXPECT_EQ(list.candidates("a.b"), (Names{"a.b.one.test", "a.b"}));
  EXPECT_EQ(list.candidates("a.b.c"), (Names{"a.b.c"}));
  EXPECT_EQ(SearchList::parse("search x\noptions ndots:0").candidates("a"), (Names{"a"}));
  EXPECT_EQ(SearchList::parse("search x\noptions ndots:q").candidates("a"), (Names{"a.x", "a"}));
}

TEST(SearchList, TheLastOfSearchAndDomainHolds) {
  EXPECT_EQ(SearchList::parse("domain a\nsearch b c").candidates("x"), (Names{"x.b", "x.c", "x"}));
  EXPECT_EQ(SearchList::parse("search b c\ndomain a").candidates("x"), (Names{"x.a", "x"}));
  EXPECT_EQ(SearchList::parse("domain a b").candidates("x"), (Names{"x.a", "x"}));
}

TEST(SearchList, WithoutDomainsAllNamesStandAsTheyAre) {
  for (const char* text : {"", "# search a", ";search a", "search .", "search", "options ndots:5"})
    EXPECT_EQ(SearchList::parse(text).candidates("x"), (Names{"x"})) << text;
}

}  // namespace
}  // namespace netsonde
