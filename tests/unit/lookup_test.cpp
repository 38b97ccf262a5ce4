// SPDX-License-Identifier: Apache-2.0
#include "probes/lookup.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/lookup_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Question = DnsServerFixture::Question;

TEST_F(LookupTest, AnAddressIsItsOwnAnswer) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  EXPECT_THAT(texts(find(*lookup, "2001:db8::1").facts.addresses), ElementsAre("2001:db8::1"));
  const Lookup::Found found = find(*lookup, "192.0.2.9");
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.9"));
  EXPECT_EQ(found.facts.server, "");
  EXPECT_FALSE(found.failure);
  EXPECT_THAT(server.asked(), IsEmpty());
}

TEST_F(LookupTest, TheHostsFileIsBelievedBeforeAnyServer) {
  const DnsServerFixture server(loop_, one_address);
  const SmallFile hosts("192.0.2.7 www.test\n192.0.2.8 localhost\n");
  LookupSettings settings = asking({server.server()});
  settings.hosts_file = hosts.path();
  const auto lookup = open(settings);
  const Lookup::Found found = find(*lookup, "WWW.test");
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.7"));
  EXPECT_FALSE(found.facts.cached);
  EXPECT_THAT(texts(find(*lookup, "localhost").facts.addresses), ElementsAre("192.0.2.8"));
  EXPECT_THAT(server.asked(), IsEmpty());
}

TEST_F(LookupTest, LocalhostIsTheLoopbackWithoutAsking) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  for (const char* name : {"localhost", "LocalHost.", "a.localhost"})
    EXPECT_THAT(texts(find(*lookup, name).facts.addresses),
                UnorderedElementsAre("::1", "127.0.0.1"))
        << name;
  EXPECT_THAT(server.asked(), IsEmpty());
  find(*lookup, "notlocalhost");
  EXPECT_FALSE(server.asked().empty());
}

TEST_F(LookupTest, BothTypesAreAskedForAtOnce) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.type == kA)
      return DnsSays{.records = {a_record("192.0.2.2", 300), a_record("192.0.2.1", 200)}};
    return DnsSays{.records = {aaaa_record("fe80::1", 100)}};
  });
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.example.test");
  EXPECT_FALSE(found.failure);
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.2", "192.0.2.1", "fe80::1"));
  EXPECT_EQ(found.facts.server, server.server());
  EXPECT_EQ(found.facts.rcode, "NOERROR");
  EXPECT_EQ(found.facts.ttl_s, 100U);
  EXPECT_FALSE(found.facts.cached);
  EXPECT_FALSE(found.facts.tcp);
  EXPECT_GT(found.took, Nanos(0));
  EXPECT_LT(found.took, std::chrono::seconds(1));
  EXPECT_THAT(server.asked(), UnorderedElementsAre("www.example.test A", "www.example.test AAAA"));
}

// fe80::1 above has no route without the name of a link.
TEST_F(LookupTest, Ipv6ComesFirstWhereThereIsARoute) {
  std::ifstream interfaces("/proc/net/if_inet6");
  std::string first;
  bool has_loopback = false;
  while (interfaces >> first)
    has_loopback = has_loopback || first == "00000000000000000000000000000001";
  if (!has_loopback) GTEST_SKIP() << "this host has no IPv6";
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.type == kA) return DnsSays{.records = {a_record("192.0.2.1")}};
    return DnsSays{.records = {aaaa_record("::1"), aaaa_record("2001:db8::1")}};
  });
  const auto lookup = open(server);
  EXPECT_THAT(texts(find(*lookup, "www.test").facts.addresses),
              ElementsAre("::1", "2001:db8::1", "192.0.2.1"));
}

TEST_F(LookupTest, AddressesOfOneTypeSuffice) {
  for (const unsigned rcode : {kServfail, kNxdomain, kRefused}) {
    const DnsServerFixture server(loop_, [rcode](const Question& question) -> Says {
      if (question.type == kA) return DnsSays{.rcode = rcode};
      return DnsSays{.records = {aaaa_record("2001:db8::1", 30)}};
    });
    const auto lookup = open(server);
    const Lookup::Found found = find(*lookup, "www.test");
    EXPECT_FALSE(found.failure);
    EXPECT_THAT(texts(found.facts.addresses), ElementsAre("2001:db8::1"));
    EXPECT_EQ(found.facts.rcode, "NOERROR");
    EXPECT_EQ(found.facts.ttl_s, 30U);
  }
}

TEST_F(LookupTest, AnAnswerIsKept) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  find(*lookup, "www.test");
  const Lookup::Found found = find(*lookup, "WWW.Test");
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.1"));
  EXPECT_TRUE(found.facts.cached);
  EXPECT_EQ(found.facts.server, "");
  EXPECT_EQ(server.asked().size(), 2U);
  EXPECT_EQ(lookup->cache_counts().hits, 2U);
  EXPECT_EQ(lookup->cache_counts().misses, 2U);
}

TEST_F(LookupTest, AFreshAnswerIsAskedForAndKept) {
  unsigned last = 0;
  const DnsServerFixture server(loop_, [&](const Question& question) -> Says {
    if (question.type != kA) return DnsSays{.soa_minimum_s = 60};
    return DnsSays{.records = {a_record(fmt::format("192.0.2.{}", ++last))}};
  });
  const auto lookup = open(server);
  find(*lookup, "www.test");
  const Lookup::Found fresh = find(*lookup, "www.test", true);
  EXPECT_THAT(texts(fresh.facts.addresses), ElementsAre("192.0.2.2"));
  EXPECT_FALSE(fresh.facts.cached);
  EXPECT_THAT(texts(find(*lookup, "www.test").facts.addresses), ElementsAre("192.0.2.2"));
  EXPECT_EQ(server.asked().size(), 4U);
}

TEST_F(LookupTest, WithoutACacheEveryNameIsAskedForEveryTime) {
  const DnsServerFixture server(loop_, one_address);
  LookupSettings settings = asking({server.server()});
  settings.cache_answers = 0;
  const auto lookup = open(settings);
  find(*lookup, "www.test");
  EXPECT_FALSE(find(*lookup, "www.test").facts.cached);
  EXPECT_EQ(server.asked().size(), 4U);
}

TEST_F(LookupTest, ANameThatDoesNotExistIsRememberedToo) {
  const DnsServerFixture server(loop_, always({.rcode = kNxdomain, .soa_minimum_s = 60}));
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "gone.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsNxdomain);
  EXPECT_EQ(found.failure->phase, ProbePhase::Dns);
  EXPECT_EQ(detail_of(found), "NXDOMAIN from " + server.server() + " for gone.test");
  EXPECT_EQ(found.facts.rcode, "NXDOMAIN");
  EXPECT_EQ(found.facts.server, server.server());
  const Lookup::Found again = find(*lookup, "gone.test");
  EXPECT_EQ(kind_of(again), FailureKind::DnsNxdomain);
  EXPECT_EQ(detail_of(again), "NXDOMAIN from the cache for gone.test");
  EXPECT_TRUE(again.facts.cached);
  EXPECT_EQ(server.asked().size(), 2U);
}

TEST_F(LookupTest, ANameThatDoesNotExistHasNoAddressWhateverComesWithIt) {
  const DnsServerFixture server(loop_,
                                always({.rcode = kNxdomain, .records = {a_record("192.0.2.66")}}));
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "gone.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsNxdomain);
  EXPECT_THAT(found.facts.addresses, IsEmpty());
}

TEST_F(LookupTest, WhatOneServerFailedToSayIsNotRemembered) {
  const DnsServerFixture server(loop_, always({.rcode = kServfail, .soa_minimum_s = 60}));
  const auto lookup = open(server);
  find(*lookup, "www.test");
  find(*lookup, "www.test");
  EXPECT_EQ(server.asked().size(), 4U);
}

TEST_F(LookupTest, EveryRcodeIsAFailureOfItsKind) {
  const struct {
    unsigned rcode;
    FailureKind kind;
    std::string_view name;
  } kCases[] = {{kServfail, FailureKind::DnsServfail, "SERVFAIL"},
                {kRefused, FailureKind::DnsRefused, "REFUSED"},
                {4, FailureKind::DnsRefused, "NOTIMP"},
                {9, FailureKind::DnsRefused, "NOTAUTH"}};
  for (const auto& [rcode, kind, name] : kCases) {
    const DnsServerFixture server(loop_, always({.rcode = rcode}));
    const auto lookup = open(server);
    const Lookup::Found found = find(*lookup, "www.test");
    EXPECT_EQ(kind_of(found), kind);
    EXPECT_EQ(detail_of(found), fmt::format("{} from {} for www.test", name, server.server()));
    EXPECT_EQ(found.facts.rcode, name);
  }
}

TEST_F(LookupTest, ANameWithoutAddressesExists) {
  const DnsServerFixture server(loop_, always({.soa_minimum_s = 60}));
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "mail.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsNoAddress);
  EXPECT_EQ(detail_of(found), "neither A nor AAAA from " + server.server() + " for mail.test");
  EXPECT_EQ(kind_of(find(*lookup, "mail.test")), FailureKind::DnsNoAddress);
  EXPECT_EQ(server.asked().size(), 2U);
}

TEST_F(LookupTest, ThatANameIsGoneCountsMoreThanThatOneQuestionFailed) {
  for (const unsigned gone : {kA, 28U}) {
    const DnsServerFixture server(loop_, [gone](const Question& question) -> Says {
      return DnsSays{.rcode = question.type == gone ? kNxdomain : kServfail};
    });
    const auto lookup = open(server);
    EXPECT_EQ(kind_of(find(*lookup, "gone.test")), FailureKind::DnsNxdomain);
  }
}

TEST_F(LookupTest, NoAddressIsOnlyKnownWhenBothAreAnswered) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    return question.type == kA ? DnsSays{} : DnsSays{.rcode = kServfail};
  });
  const auto lookup = open(server);
  EXPECT_EQ(kind_of(find(*lookup, "www.test")), FailureKind::DnsServfail);
}

}  // namespace
}  // namespace netsonde
