// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lookup_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using Question = DnsServerFixture::Question;

class LookupNamesTest : public LookupTest {
 protected:
  // Of a server that knows addresses of these names, and that no other exists.
  static DnsServerFixture::Answer knowing(std::vector<std::string> names) {
    return [names = std::move(names)](const Question& question) -> Says {
      if (std::ranges::find(names, question.name) == names.end())
        return DnsSays{.rcode = kNxdomain, .soa_minimum_s = 60};
      return one_address(question);
    };
  }

  std::unique_ptr<Lookup> open_with(const DnsServerFixture& server, std::string_view resolv_conf,
                                    Nanos timeout = kPatience) {
    const SmallFile file(resolv_conf);
    LookupSettings settings = asking({server.server()}, timeout);
    settings.resolv_file = file.path();
    return open(settings);
  }

  // Of the questions for A, the names.
  static std::vector<std::string> names_asked(const DnsServerFixture& server) {
    std::vector<std::string> names;
    for (const std::string& question : server.asked())
      if (question.ends_with(" A")) names.push_back(question.substr(0, question.size() - 2));
    return names;
  }
};

TEST_F(LookupNamesTest, AliasesWithinAnAnswerAreFollowed) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.type != kA) return DnsSays{.soa_minimum_s = 60};
    return DnsSays{.records = {a_record("192.0.2.1", 200, "edge.test"),  // in no order
                               cname_record("CDN.test", 300),
                               cname_record("edge.TEST", 100, "cdn.test"),
                               a_record("192.0.2.2", 200, "edge.test")}};
  });
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_THAT(found.facts.cnames, ElementsAre("CDN.test", "edge.TEST"));
  EXPECT_EQ(found.facts.ttl_s, 100U);
  EXPECT_EQ(server.asked().size(), 2U);
}

TEST_F(LookupNamesTest, AddressesOfAnotherTypeDoNotCount) {
  const DnsServerFixture server(
      loop_, always({.records = {a_record("192.0.2.1"), aaaa_record("fe80::1")}}));
  const auto lookup = open(server);
  EXPECT_THAT(texts(find(*lookup, "www.test").facts.addresses),
              ElementsAre("192.0.2.1", "fe80::1"));
}

TEST_F(LookupNamesTest, AddressesOfAnotherNameDoNotCount) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.type != kA) return DnsSays{};
    return DnsSays{.records = {a_record("192.0.2.66", 300, "bank.test")}};
  });
  const auto lookup = open(server);
  EXPECT_EQ(kind_of(find(*lookup, "www.test")), FailureKind::DnsNoAddress);
}

TEST_F(LookupNamesTest, AnAliasWithoutItsAddressIsAskedForOnceMore) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.name == "www.test") return DnsSays{.records = {cname_record("cdn.test", 20)}};
    return one_address(question);
  });
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.1"));
  EXPECT_THAT(found.facts.cnames, ElementsAre("cdn.test"));
  EXPECT_EQ(found.facts.ttl_s, 20U);
  EXPECT_THAT(names_asked(server), ElementsAre("www.test", "cdn.test"));
  EXPECT_TRUE(find(*lookup, "www.test").facts.cached);
}

TEST_F(LookupNamesTest, AnAliasWhoseTargetIsKnownToHaveNoneIsNotAskedForAgain) {
  const DnsServerFixture server(
      loop_, always({.records = {cname_record("cdn.test")}, .soa_minimum_s = 60}));
  const auto lookup = open(server);
  EXPECT_EQ(kind_of(find(*lookup, "www.test")), FailureKind::DnsNoAddress);
  EXPECT_THAT(names_asked(server), ElementsAre("www.test"));
}

TEST_F(LookupNamesTest, AnAliasOfNothingNamesWhatDoesNotExist) {
  const DnsServerFixture server(
      loop_, always({.rcode = kNxdomain, .records = {cname_record("gone.test")}}));
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_EQ(detail_of(found), "NXDOMAIN from " + server.server() + " for gone.test");
  EXPECT_THAT(found.facts.cnames, ElementsAre("gone.test"));
}

TEST_F(LookupNamesTest, AnAliasThatCameOverTcpIsAskedForOverUdp) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.name != "www.test" || question.type != kA) return one_address(question);
    return DnsSays{.records = {cname_record("cdn.test")}, .truncated = !question.tcp};
  });
  const auto lookup = open(server);
  EXPECT_TRUE(find(*lookup, "www.test").facts.tcp);
  EXPECT_THAT(server.asked(),
              ElementsAre("www.test A", "www.test AAAA", "www.test A over TCP", "cdn.test A"));
}

// Each name is an alias of the next, one an answer, up to the last.
DnsServerFixture::Answer ladder(unsigned steps) {
  return [steps](const Question& question) -> Says {
    const auto step = static_cast<unsigned>(std::stoul(question.name.substr(1)));
    if (step == steps) return one_address(question);
    return DnsSays{.records = {cname_record(fmt::format("n{}.test", step + 1))}};
  };
}

TEST_F(LookupNamesTest, EightAliasesAreAskedForAndNoMore) {
  const DnsServerFixture short_one(loop_, ladder(8)), long_one(loop_, ladder(9));
  EXPECT_FALSE(find(*open(short_one), "n0.test").failure);
  const Lookup::Found found = find(*open(long_one), "n0.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsMalformed);
  EXPECT_EQ(detail_of(found), "CNAMEs without an end from " + long_one.server() + " for n8.test");
  EXPECT_EQ(names_asked(long_one).size(), 9U);
}

TEST_F(LookupNamesTest, AliasesThatLeadBackAreGivenUp) {
  const DnsServerFixture server(
      loop_, always({.records = {cname_record("b.test"), cname_record("a.test", 300, "b.test")}}));
  const auto lookup = open(server);
  EXPECT_EQ(kind_of(find(*lookup, "a.test")), FailureKind::DnsMalformed);
  EXPECT_THAT(names_asked(server), ElementsAre("a.test"));
}

TEST_F(LookupNamesTest, AnAliasOfWhatNobodyCanAskForIsNotAskedFor) {
  const DnsServerFixture server(loop_, always({.records = {cname_record("a b.test")}}));
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsName);
  EXPECT_EQ(detail_of(found), "'a\\032b.test' is no name that DNS has");
}

TEST_F(LookupNamesTest, WhatIsNoNameIsNotAskedFor) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  const std::string label(63, 'a');
  for (const std::string& name :
       {std::string(), std::string("."), std::string("a..test"), std::string(".test"),
        std::string("a\\b.test"), std::string("a.test\0.evil", 12), std::string("x.onion"),
        "b" + label + ".test", label + "." + label + "." + label + "." + label}) {
    const Lookup::Found found = find(*lookup, name);
    EXPECT_EQ(kind_of(found), FailureKind::DnsName) << name;
    EXPECT_EQ(found.facts.server, "");
  }
  EXPECT_THAT(detail_of(find(*lookup, "a\n..b")), HasSubstr("'a\\x0a..b' is no name"));
  EXPECT_THAT(server.asked(), IsEmpty());
}

TEST_F(LookupNamesTest, ShortNamesAreLookedForInTheSearchListFirst) {
  const DnsServerFixture server(loop_, knowing({"www.two.test"}));
  const auto lookup = open_with(server, "search one.test two.test three.test\n");
  EXPECT_THAT(texts(find(*lookup, "www").facts.addresses), ElementsAre("192.0.2.1"));
  EXPECT_THAT(names_asked(server), ElementsAre("www.one.test", "www.two.test"));
}

TEST_F(LookupNamesTest, AtLastAShortNameIsTriedAsItStands) {
  const DnsServerFixture server(loop_, knowing({"www"}));
  const auto lookup = open_with(server, "search one.test\n");
  EXPECT_FALSE(find(*lookup, "www").failure);
  EXPECT_THAT(names_asked(server), ElementsAre("www.one.test", "www"));
}

TEST_F(LookupNamesTest, OtherNamesAreOnlyTriedAsTheyStand) {
  const DnsServerFixture server(loop_, knowing({}));
  const auto lookup = open_with(server, "search one.test\n");
  EXPECT_EQ(detail_of(find(*lookup, "www.")), "NXDOMAIN from " + server.server() + " for www");
  find(*lookup, "www.test");
  EXPECT_THAT(names_asked(server), ElementsAre("www", "www.test"));
}

TEST_F(LookupNamesTest, OfSeveralFailuresTheOneThatSaysMostIsReported) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.name == "www.servfail.test") return DnsSays{.rcode = kServfail};
    if (question.name == "www.bare.test") return DnsSays{};
    return DnsSays{.rcode = kNxdomain};
  });
  const auto bare = open_with(server, "search bare.test gone.test\n");
  EXPECT_EQ(kind_of(find(*bare, "www")), FailureKind::DnsNoAddress);
  const auto failing = open_with(server, "search servfail.test bare.test\n");
  EXPECT_THAT(detail_of(find(*failing, "www")), HasSubstr("for www.servfail.test"));
  const auto gone = open_with(server, "search gone.test away.test\n");
  EXPECT_THAT(detail_of(find(*gone, "www")), EndsWith("for www"));
}

TEST_F(LookupNamesTest, ADomainOfWhichTheServerCannotSayEndsNoSearch) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    return question.name == "www" ? one_address(question) : DnsSays{.rcode = kServfail};
  });
  const auto lookup = open_with(server, "search servfail.test\n");
  EXPECT_FALSE(find(*lookup, "www").failure);
}

TEST_F(LookupNamesTest, ServersThatSayNothingAreNotAskedForTheWholeSearchList) {
  const DnsServerFixture server(loop_, silence);
  const auto lookup = open_with(server, "search one.test two.test three.test\n", kImpatience);
  EXPECT_EQ(kind_of(find(*lookup, "www")), FailureKind::DnsTimeout);
  EXPECT_THAT(names_asked(server), ElementsAre("www.one.test"));
}

TEST_F(LookupNamesTest, AnAnswerFromTheCacheAfterAQuestionIsNotOnlyFromTheCache) {
  const DnsServerFixture server(loop_, knowing({"www"}));
  const auto lookup = open_with(server, "search one.test\n");
  find(*lookup, "www.");
  const Lookup::Found found = find(*lookup, "www");
  EXPECT_FALSE(found.facts.cached);
  EXPECT_EQ(found.facts.server, server.server());
  EXPECT_TRUE(find(*lookup, "www").facts.cached);
}

}  // namespace
}  // namespace netsonde
