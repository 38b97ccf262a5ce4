// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/lookup_fixture.h"

namespace netsonde {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using Question = DnsServerFixture::Question;

class LookupServersTest : public LookupTest {
 protected:
  // A server that is there no more.
  std::string closed_server() { return DnsServerFixture(loop_, silence).server(); }
};

// The whole answer only over TCP.
Says long_answer(const Question& question) {
  if (question.type != kA) return DnsSays{.soa_minimum_s = 60};
  if (!question.tcp) return DnsSays{.records = {a_record("192.0.2.66")}, .truncated = true};
  return DnsSays{.records = {a_record("192.0.2.1"), a_record("192.0.2.2")}};
}

TEST_F(LookupServersTest, TheNextOneIsAskedWhenOneSaysNothingOrCannotSay) {
  for (const auto& answer : {DnsServerFixture::Answer(silence), always({.rcode = kServfail}),
                             always({.rcode = kRefused})}) {
    const DnsServerFixture first(loop_, answer), second(loop_, one_address);
    const auto lookup = open(asking({first.server(), second.server()}, kImpatience));
    const Lookup::Found found = find(*lookup, "www.test");
    EXPECT_FALSE(found.failure);
    EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.1"));
    EXPECT_EQ(found.facts.server, second.server());
    EXPECT_EQ(found.facts.rcode, "NOERROR");
    EXPECT_EQ(first.asked().size(), 2U);
  }
}

TEST_F(LookupServersTest, TheNextOneIsAskedWhenOneCannotBeReached) {
  const std::string closed = closed_server();
  const DnsServerFixture second(loop_, one_address);
  const auto lookup = open(asking({closed, second.server()}, std::chrono::seconds(60)));
  EXPECT_EQ(find(*lookup, "www.test").facts.server, second.server());
}

TEST_F(LookupServersTest, TheNextOneIsNotAskedWhetherANameExists) {
  const DnsServerFixture first(loop_, always({.rcode = kNxdomain}));
  const DnsServerFixture second(loop_, one_address);
  const auto lookup = open(asking({first.server(), second.server()}));
  EXPECT_EQ(kind_of(find(*lookup, "gone.test")), FailureKind::DnsNxdomain);
  EXPECT_THAT(second.asked(), IsEmpty());
}

TEST_F(LookupServersTest, TheFailureIsThatOfTheLastOne) {
  const DnsServerFixture silent(loop_, silence);
  const DnsServerFixture failing(loop_, always({.rcode = kServfail}));
  const auto silent_last = open(asking({failing.server(), silent.server()}, kImpatience));
  const Lookup::Found timeout = find(*silent_last, "www.test");
  EXPECT_EQ(kind_of(timeout), FailureKind::DnsTimeout);
  EXPECT_EQ(detail_of(timeout),
            fmt::format("no answer from {} within 0.1s (2 servers asked)", silent.server()));
  EXPECT_EQ(timeout.facts.server, silent.server());
  EXPECT_EQ(timeout.facts.rcode, "");
  EXPECT_GE(timeout.took, kImpatience);
  const auto failing_last = open(asking({silent.server(), failing.server()}, kImpatience));
  const Lookup::Found servfail = find(*failing_last, "www.test");
  EXPECT_EQ(kind_of(servfail), FailureKind::DnsServfail);
  EXPECT_EQ(detail_of(servfail),
            fmt::format("SERVFAIL from {} for www.test (2 servers asked)", failing.server()));
}

TEST_F(LookupServersTest, ASilentOneIsATimeout) {
  const DnsServerFixture server(loop_, silence);
  const auto lookup = open(server, kImpatience);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsTimeout);
  EXPECT_EQ(detail_of(found), fmt::format("no answer from {} within 0.1s", server.server()));
}

TEST_F(LookupServersTest, OneThatIsNotThereIsUnreachable) {
  const std::string closed = closed_server();
  const auto lookup = open(asking({closed}));
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsUnreachable);
  EXPECT_EQ(detail_of(found), closed + " cannot be reached");
}

TEST_F(LookupServersTest, OneThatTalksNonsenseIsMalformed) {
  const DnsServerFixture server(loop_, always({.tail = std::string("\xc0\x0c\x00\x01", 4)}));
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_EQ(kind_of(found), FailureKind::DnsMalformed);
  EXPECT_THAT(detail_of(found), HasSubstr("nonsense from " + server.server() + " for www.test: "));
}

TEST_F(LookupServersTest, OneGivenWithoutItsPortIsNamedWithIt) {
  const auto ipv4 = open(asking({"127.77.53.1"}, kImpatience));  // whether there is one or not
  EXPECT_EQ(find(*ipv4, "www.test").facts.server, "127.77.53.1:53");
  const auto ipv6 = open(asking({"::1"}, kImpatience));
  EXPECT_EQ(find(*ipv6, "www.test").facts.server, "[::1]:53");
}

TEST_F(LookupServersTest, WhatIsNoServerIsToldSo) {
  const auto none = Lookup::open(loop_, asking({"resolver.test"}));
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("'resolver.test' is no DNS server"));
}

TEST_F(LookupServersTest, AnAnswerTooLongForUdpIsAskedForOverTcp) {
  const DnsServerFixture server(loop_, long_answer);
  const auto lookup = open(server);
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_THAT(texts(found.facts.addresses), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(found.facts.tcp);
  EXPECT_THAT(server.asked(),
              UnorderedElementsAre("www.test A", "www.test AAAA", "www.test A over TCP"));
  EXPECT_TRUE(find(*lookup, "www.test").facts.cached);
}

TEST_F(LookupServersTest, OneThatIsSilentOverTcpIsSaidToBe) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    return question.tcp ? std::nullopt : long_answer(question);
  });
  const auto lookup = open(server, kImpatience);
  EXPECT_EQ(detail_of(find(*lookup, "www.test")),
            fmt::format("no answer over TCP from {} within 0.1s", server.server()));
}

TEST_F(LookupServersTest, AfterOneThatIsSilentOverTcpTheNextIsAskedOverUdp) {
  const DnsServerFixture first(loop_, [](const Question& question) -> Says {
    return question.tcp ? std::nullopt : long_answer(question);
  });
  const DnsServerFixture second(loop_, one_address);
  const auto lookup = open(asking({first.server(), second.server()}, kImpatience));
  EXPECT_FALSE(find(*lookup, "www.test").facts.tcp);
  EXPECT_THAT(second.asked(), ElementsAre("www.test A"));
}

TEST_F(LookupServersTest, ManyWhoAskForOneNameShareItsQuestions) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  std::vector<unsigned> called(1000);
  for (unsigned& calls : called)
    lookup->find("www.test", &calls == &called[0], [&](const Lookup::Found& found) {
      EXPECT_EQ(found.facts.addresses.size(), 1U);
      ++calls;
    });
  run_until([&] { return std::ranges::count(called, 0U) == 0; });
  EXPECT_THAT(called, Each(1U));
  EXPECT_EQ(server.asked().size(), 4U);  // two of them for who wanted a fresh answer
}

TEST_F(LookupServersTest, EachWhoSharesWaitedForItsOwnTime) {
  const DnsServerFixture server(loop_, silence);
  const auto lookup = open(server, kImpatience);
  std::vector<Nanos> took;
  const auto ask = [&] {
    lookup->find("www.test", false,
                 [&](const Lookup::Found& found) { took.push_back(found.took); });
  };
  ask();
  const Time later = kernel_now() + std::chrono::milliseconds(20);
  run_until([&] { return kernel_now() >= later; });
  ask();
  run_until([&] { return took.size() == 2; });
  EXPECT_GE(took[0] - took[1], std::chrono::milliseconds(20));
}

TEST_F(LookupServersTest, WhoIsCalledBackMayAskForTheSameAgain) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  bool again = false;
  lookup->find("www.test", false, [&](const Lookup::Found&) {
    lookup->find("www.test", false,
                 [&](const Lookup::Found& found) { again = found.facts.cached; });
  });
  run_until([&] { return again; });
}

TEST_F(LookupServersTest, ManyNamesAtOnceAreAllAnswered) {
  const DnsServerFixture server(loop_, one_address);
  const auto lookup = open(server);
  unsigned successes = 0;
  const Time began = kernel_now();
  for (int i = 0; i < 1000; ++i)
    lookup->find(fmt::format("n{}.test", i), false,
                 [&](const Lookup::Found& found) { successes += !found.failure; });
  run_until([&] { return successes == 1000; });
  EXPECT_LT(kernel_now() - began, std::chrono::seconds(1)) << "answers made no room for questions";
}

TEST_F(LookupServersTest, WhatWasBegunIsBroughtToItsEndFirst) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    if (question.name == "n0.test") return DnsSays{.records = {cname_record("cdn.test")}};
    return one_address(question);
  });
  const auto lookup = open(server);
  int ends = 0;
  for (int i = 0; i < 200; ++i)
    lookup->find(fmt::format("n{}.test", i), false, [&](const Lookup::Found&) { ++ends; });
  run_until([&] { return ends == 200; });
  const auto begin = server.asked().begin(), end = server.asked().end();
  EXPECT_LT(std::find(begin, end, "cdn.test A"), std::find(begin, end, "n199.test A"));
}

TEST_F(LookupServersTest, ManyNamesThatAreNotAnsweredDoNotHoldUpOthers) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    return question.name == "www.test" ? one_address(question) : std::nullopt;
  });
  const auto lookup = open(server, std::chrono::seconds(60));
  for (int i = 0; i < 100; ++i)
    lookup->find(fmt::format("n{}.test", i), false, [](const Lookup::Found&) {});
  const Time began = kernel_now();
  const Lookup::Found found = find(*lookup, "www.test");
  EXPECT_FALSE(found.failure);
  EXPECT_GT(kernel_now() - began - found.took,
            std::chrono::milliseconds(100));  // before it was sent
}

TEST_F(LookupServersTest, WhatIsUnderWayWhenTheLookupEndsIsNotCalledBack) {
  const DnsServerFixture server(loop_, [](const Question& question) -> Says {
    return question.tcp ? std::nullopt : long_answer(question);
  });
  auto lookup = open(server, kImpatience);
  bool called = false;
  for (int i = 0; i < 200; ++i)  // over UDP, over TCP, and not yet sent
    lookup->find(fmt::format("n{}.test", i), false, [&](const Lookup::Found&) { called = true; });
  run_until([&] { return !server.asked().empty() && server.asked().back().ends_with("TCP"); });
  lookup.reset();
  const Time later = kernel_now() + kImpatience;
  run_until([&] { return kernel_now() >= later; });
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace netsonde
