// SPDX-License-Identifier: Apache-2.0
#include "probes/tcp_prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>

#include <optional>
#include <vector>

#include "tests/unit/dns_server_fixture.h"
#include "tests/unit/loopback.h"
#include "tests/unit/prober_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;

ProbeRequest tcp_to(std::uint16_t port, const std::string& host = "127.0.0.1") {
  return {
      .target = {.text = "tcp://the-target", .scheme = Scheme::Tcp, .host = host, .port = port}};
}

class TcpProberTest : public testing::Test {
 protected:
  Attempt measure(const ProbeRequest& request) { return fixture_.measure(prober_, request); }

  ProberFixture fixture_;
  TcpProber prober_{fixture_.loop(), fixture_.lookup()};
  LoopbackServer server_;
};

TEST_F(TcpProberTest, MeasuresTheHandshake) {
  const Time before = kernel_now();
  const Attempt attempt = measure(tcp_to(server_.port()));
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.target, "tcp://the-target");
  EXPECT_EQ(attempt.address, parse_address("127.0.0.1"));
  EXPECT_EQ(attempt.port, server_.port());
  EXPECT_GE(attempt.began, before);
  ASSERT_TRUE(attempt.times.connect);
  EXPECT_GT(*attempt.times.connect, Nanos(0));
  EXPECT_GE(attempt.times.total, *attempt.times.connect);
  EXPECT_FALSE(attempt.times.dns);
  EXPECT_FALSE(attempt.times.tls);
}

TEST_F(TcpProberTest, TheKernelsRoundTripAndTheProbersPartMakeTheTime) {
  const Attempt attempt = measure(tcp_to(server_.port()));
  ASSERT_TRUE(attempt.kernel);
  ASSERT_TRUE(attempt.kernel->syn_rtt);
  EXPECT_EQ(*attempt.kernel->syn_rtt + attempt.kernel->prober_delay.value(), attempt.times.connect);
  EXPECT_EQ(attempt.kernel->syn_retransmits, 0U);
  EXPECT_EQ(attempt.kernel->segments_sent, 2U);  // SYN and ACK
  EXPECT_NE(attempt.kernel->cookie, 0U);
}

TEST_F(TcpProberTest, ClosesAtOnce) {
  measure(tcp_to(server_.port()));
  const UniqueFd accepted = server_.accept();
  char byte = 0;
  EXPECT_EQ(recv(accepted.get(), &byte, 1, 0), 0);
}

TEST_F(TcpProberTest, TheOptionsHoldForTheSocketAndAreReadBack) {
  ProbeRequest request = tcp_to(server_.port());
  request.socket = {.congestion = "reno", .dscp = 46};
  const Attempt attempt = measure(request);
  EXPECT_EQ(attempt.kernel.value().congestion_control, "reno");
  EXPECT_EQ(attempt.kernel.value().dscp, 46);
}

TEST_F(TcpProberTest, OptionsThatTheHostDoesNotHaveAreAFailureOfThisHost) {
  ProbeRequest request = tcp_to(server_.port());
  request.socket.congestion = "nosuch";
  const Attempt attempt = measure(request);
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectLocal);
  EXPECT_THAT(attempt.failure->detail, testing::HasSubstr("'nosuch'"));
}

TEST_F(TcpProberTest, AClosedPortRefuses) {
  server_.close();
  const Attempt attempt = measure(tcp_to(server_.port()));
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectRefused);
  EXPECT_EQ(attempt.failure->phase, ProbePhase::Connect);
  EXPECT_THAT(attempt.failure->detail,
              testing::StartsWith("refused by " + endpoint_of(server_.port()) + " after "));
  EXPECT_FALSE(attempt.times.connect);
  EXPECT_GT(attempt.times.total, Nanos(0));
  EXPECT_EQ(attempt.kernel.value().segments_sent, 1U);
  EXPECT_FALSE(attempt.kernel.value().syn_rtt);
}

// A SYN that meets a full queue is dropped.
TEST_F(TcpProberTest, NoAnswerIsATimeoutAfterTheLimitOfThePhase) {
  ASSERT_EQ(listen(server_.fd(), 0), 0);
  measure(tcp_to(server_.port()));
  ProbeRequest request = tcp_to(server_.port());
  request.limits.connect = milliseconds(30);
  const Attempt attempt = measure(request);
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectTimeout);
  EXPECT_THAT(attempt.failure->detail, testing::StartsWith("no answer to 1 SYN within 3"));
  EXPECT_GE(attempt.times.total, milliseconds(30));
  EXPECT_LT(attempt.times.total, milliseconds(1000));
  EXPECT_EQ(attempt.kernel.value().syn_retransmits, 0U);
}

TEST_F(TcpProberTest, TheLimitOnEverythingHoldsForEachPhase) {
  ASSERT_EQ(listen(server_.fd(), 0), 0);
  measure(tcp_to(server_.port()));
  ProbeRequest request = tcp_to(server_.port());
  request.limits.total = milliseconds(30);
  const Attempt attempt = measure(request);
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectTimeout);
  EXPECT_LT(attempt.times.total, milliseconds(1000));
}

TEST_F(TcpProberTest, ThePinnedAddressIsTriedInsteadOfTheName) {
  ProbeRequest request = tcp_to(server_.port(), "no such name");
  request.pinned = parse_address("127.0.0.1");
  const Attempt attempt = measure(request);
  EXPECT_FALSE(attempt.failure);
  EXPECT_FALSE(attempt.lookup);
  EXPECT_FALSE(attempt.times.dns);
}

TEST(TcpProberOfAName, TriesItsFirstAddressAndTellsOfTheLookup) {
  ProberFixture fixture;
  DnsServerFixture dns(fixture.loop(), [](const auto& question) -> std::optional<DnsSays> {
    if (question.type != 1) return DnsSays{};
    return DnsSays{.records = {a_record("127.0.0.1"), a_record("192.0.2.1")}};
  });
  fixture.ask(dns.server());
  TcpProber prober(fixture.loop(), fixture.lookup());
  const LoopbackServer server;
  const Attempt attempt = fixture.measure(prober, tcp_to(server.port(), "www.example.test"));
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.address, parse_address("127.0.0.1"));
  EXPECT_EQ(attempt.lookup.value().server, dns.server());
  EXPECT_EQ(attempt.lookup->addresses.size(), 2U);
  EXPECT_GT(attempt.times.dns.value(), Nanos(0));
  EXPECT_GE(attempt.times.total, *attempt.times.dns + attempt.times.connect.value());
}

TEST_F(TcpProberTest, ANameWithoutAnAddressFailsAsTheLookupSays) {
  const Attempt attempt = measure(tcp_to(server_.port(), "-no such name-"));
  ASSERT_TRUE(attempt.failure);
  EXPECT_EQ(attempt.failure->phase, ProbePhase::Dns);
  EXPECT_FALSE(attempt.address);
  EXPECT_FALSE(attempt.kernel);
}

TEST_F(TcpProberTest, AnAddressThatIsNoHostsIsUnreachableFromHere) {
  const Attempt attempt = measure(tcp_to(server_.port(), "255.255.255.255"));
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectUnreachable);
  EXPECT_EQ(
      attempt.failure->detail,
      "no route to 255.255.255.255:" + std::to_string(server_.port()) + ": Network is unreachable");
}

TEST_F(TcpProberTest, SeveralRunAtOnce) {
  std::vector<Attempt> attempts;
  for (int i = 0; i < 10; ++i)
    prober_.start(tcp_to(server_.port()), [&](Attempt attempt) {
      attempts.push_back(std::move(attempt));
      if (attempts.size() == 10) fixture_.loop().stop();
    });
  fixture_.run();
  ASSERT_EQ(attempts.size(), 10U);
  for (const Attempt& attempt : attempts) EXPECT_FALSE(attempt.failure);
}

TEST_F(TcpProberTest, WhatRunsWhenTheProberEndsIsNotCalledBack) {
  {
    TcpProber prober(fixture_.loop(), fixture_.lookup());
    prober.start(tcp_to(server_.port()), [](const Attempt&) { FAIL(); });
    server_.close();
    prober.start(tcp_to(server_.port()), [](const Attempt&) { FAIL(); });
  }
  measure(tcp_to(server_.port()));  // the loop goes on
}

}  // namespace
}  // namespace netsonde::test
