// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_prober.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/dns_server_fixture.h"
#include "tests/unit/prober_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class DnsProberTest : public testing::Test {
 protected:
  // What the server below says, to UDP and to TCP.
  Attempt measure(const std::optional<DnsSays>& says, DnsType type = DnsType::A) {
    says_ = says;
    return measure(request(type));
  }
  Attempt measure(const ProbeRequest& request) { return fixture_.measure(prober_, request); }
  ProbeRequest request(DnsType type = DnsType::A) const {
    return {.target = {.text = "dns://the-target",
                       .scheme = Scheme::Dns,
                       .host = "127.0.0.1",
                       .port = port_,
                       .dns_name = "www.example.test",
                       .dns_type = type}};
  }

  ProberFixture fixture_;
  DnsProber prober_{fixture_.loop(), fixture_.lookup()};
  std::optional<DnsSays> says_, says_over_tcp_;
  DnsServerFixture server_{fixture_.loop(), [this](const DnsServerFixture::Question& question) {
                             return question.tcp ? says_over_tcp_ : says_;
                           }};
  std::uint16_t port_ = static_cast<std::uint16_t>(
      std::stoul(server_.server().substr(server_.server().find(':') + 1)));
};

TEST_F(DnsProberTest, TellsWhatTheServerAnswered) {
  const Attempt attempt =
      measure(DnsSays{.records = {cname_record("web.example.test", 300),
                                  a_record("192.0.2.1", 60, "web.example.test"),
                                  a_record("192.0.2.2", 90, "web.example.test")}});
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.target, "dns://the-target");
  EXPECT_EQ(attempt.address, parse_address("127.0.0.1"));
  EXPECT_EQ(attempt.port, port_);
  const LookupFacts lookup = attempt.lookup.value();
  EXPECT_EQ(lookup.server, server_.server());
  EXPECT_EQ(lookup.rcode, "NOERROR");
  EXPECT_EQ(lookup.ttl_s, 60U);
  EXPECT_FALSE(lookup.cached);
  EXPECT_FALSE(lookup.tcp);
  EXPECT_THAT(lookup.cnames, ElementsAre("web.example.test"));
  EXPECT_THAT(lookup.addresses,
              ElementsAre(*parse_address("192.0.2.1"), *parse_address("192.0.2.2")));
}

TEST_F(DnsProberTest, AsksOneQuestion) {
  measure(DnsSays{.records = {aaaa_record("2001:db8::1")}}, DnsType::AAAA);
  EXPECT_THAT(server_.asked(), ElementsAre("www.example.test AAAA"));
}

TEST_F(DnsProberTest, TheTimeIsThatOfTheAnswer) {
  const Attempt attempt = measure(DnsSays{.records = {a_record("192.0.2.1")}});
  ASSERT_TRUE(attempt.times.dns);
  EXPECT_GT(*attempt.times.dns, Nanos(0));
  EXPECT_LE(*attempt.times.dns, attempt.times.total);
}

TEST_F(DnsProberTest, WhatIsCutIsAskedForOverTcp) {
  says_over_tcp_ = DnsSays{.records = {a_record("192.0.2.7")}};
  const Attempt attempt = measure(DnsSays{.truncated = true});
  EXPECT_FALSE(attempt.failure);
  EXPECT_TRUE(attempt.lookup.value().tcp);
  EXPECT_THAT(attempt.lookup->addresses, ElementsAre(*parse_address("192.0.2.7")));
  EXPECT_THAT(server_.asked(), ElementsAre("www.example.test A", "www.example.test A over TCP"));
}

TEST_F(DnsProberTest, AnAnswerAbove512BytesIsReadWhole) {
  DnsSays says;
  for (int i = 0; i < 60; ++i) says.records.push_back(a_record(fmt::format("192.0.2.{}", i + 1)));
  const Attempt attempt = measure(says);
  EXPECT_FALSE(attempt.failure);
  EXPECT_FALSE(attempt.lookup.value().tcp);
  EXPECT_EQ(attempt.lookup->addresses.size(), 60U);
}

TEST_F(DnsProberTest, RecordsOfOtherNamesDoNotCount) {
  const Attempt attempt = measure(DnsSays{.records = {a_record("192.0.2.1", 60, "evil.test")}});
  EXPECT_EQ(kind_of(attempt), FailureKind::DnsNoAddress);
  EXPECT_TRUE(attempt.lookup.value().addresses.empty());
}

TEST_F(DnsProberTest, QuestionsToOneServerShareASocket) {
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(measure(DnsSays{.records = {a_record("192.0.2.1")}}).failure);
  EXPECT_EQ(server_.ports().size(), 1U);
}

TEST_F(DnsProberTest, NoSuchNameIsAFailureThatNamesTheServer) {
  const Attempt attempt = measure(DnsSays{.rcode = 3, .soa_minimum_s = 30});
  EXPECT_EQ(kind_of(attempt), FailureKind::DnsNxdomain);
  EXPECT_EQ(attempt.failure->phase, ProbePhase::Dns);
  EXPECT_EQ(attempt.failure->detail, "NXDOMAIN from " + server_.server() + " for www.example.test");
  EXPECT_EQ(attempt.lookup.value().rcode, "NXDOMAIN");
  EXPECT_EQ(attempt.lookup->ttl_s, 30U);
  EXPECT_TRUE(attempt.times.dns);
}

TEST_F(DnsProberTest, FailuresAreByTheCode) {
  EXPECT_EQ(kind_of(measure(DnsSays{.rcode = 2})), FailureKind::DnsServfail);
  EXPECT_EQ(kind_of(measure(DnsSays{.rcode = 5})), FailureKind::DnsRefused);
  EXPECT_EQ(kind_of(measure(DnsSays{.rcode = 4})), FailureKind::DnsRefused);
}

TEST_F(DnsProberTest, ANameWithoutAnAddressFailsOnlyWhereOneWasAskedFor) {
  EXPECT_EQ(kind_of(measure(DnsSays{}, DnsType::AAAA)), FailureKind::DnsNoAddress);
  EXPECT_FALSE(measure(DnsSays{}, DnsType::TXT).failure);
}

TEST_F(DnsProberTest, NoAnswerIsATimeoutAfterTheLimit) {
  ProbeRequest hasty = request();
  hasty.limits.dns = milliseconds(40);
  const Attempt attempt = measure(hasty);
  EXPECT_EQ(kind_of(attempt), FailureKind::DnsTimeout);
  EXPECT_THAT(attempt.failure->detail,
              testing::StartsWith("no answer from " + server_.server() + " within 4"));
  EXPECT_FALSE(attempt.times.dns);
  EXPECT_FALSE(attempt.lookup);
  EXPECT_GE(attempt.times.total, milliseconds(40));
  EXPECT_LT(attempt.times.total, milliseconds(1000));
}

TEST_F(DnsProberTest, NoAnswerOverTcpIsATimeoutToo) {
  says_ = DnsSays{.truncated = true};
  ProbeRequest hasty = request();
  hasty.limits.dns = milliseconds(40);
  EXPECT_EQ(kind_of(measure(hasty)), FailureKind::DnsTimeout);
}

TEST_F(DnsProberTest, ANonsensicalAnswerIsMalformed) {
  EXPECT_EQ(kind_of(measure(DnsSays{.tail = "x"})), FailureKind::DnsMalformed);
}

TEST_F(DnsProberTest, AClosedPortIsUnreachable) {
  ProbeRequest nobody = request();
  nobody.target.port = 1;
  const Attempt attempt = measure(nobody);
  EXPECT_EQ(kind_of(attempt), FailureKind::DnsUnreachable);
  EXPECT_THAT(attempt.failure->detail, testing::StartsWith("127.0.0.1:1: "));
}

TEST_F(DnsProberTest, AServerWhoseNameHasNoAddressIsNotAsked) {
  ProbeRequest unknown = request();
  unknown.target.host = "-no such name-";
  const Attempt attempt = measure(unknown);
  EXPECT_EQ(attempt.failure.value().phase, ProbePhase::Dns);
  EXPECT_FALSE(attempt.address);
  EXPECT_THAT(server_.asked(), testing::IsEmpty());
}

TEST_F(DnsProberTest, TheLookupOfTheServersOwnNameIsNotItsAnswer) {
  fixture_.ask(server_.server());
  DnsProber prober(fixture_.loop(), fixture_.lookup());
  says_ = DnsSays{.records = {a_record("127.0.0.1")}};
  ProbeRequest named = request(DnsType::MX);
  named.target.host = "ns.example.test";
  const Attempt attempt = fixture_.measure(prober, named);
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.address, parse_address("127.0.0.1"));
  EXPECT_EQ(attempt.lookup.value().server, server_.server());
  EXPECT_EQ(server_.asked().back(), "www.example.test TYPE15");
  EXPECT_LT(attempt.times.dns.value(), attempt.times.total);
}

TEST_F(DnsProberTest, WhatRunsWhenTheProberEndsIsNotCalledBack) {
  {
    DnsProber prober(fixture_.loop(), fixture_.lookup());
    prober.start(request(), [](const Attempt&) { FAIL(); });
  }
  measure(DnsSays{.records = {a_record("192.0.2.1")}});
}

}  // namespace
}  // namespace netsonde::test
