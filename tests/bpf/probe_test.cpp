// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "probes/tcp_prober.h"
#include "tests/bpf/capture.h"
#include "tests/bpf/long_path.h"
#include "tests/bpf/path.h"
#include "tests/bpf/sockets.h"
#include "tests/unit/prober_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr const char* kSyn = " tcp flags & (syn|ack) == syn";
constexpr const char* kOnlyTheFirst = " limit rate 1/hour burst 1 packets";

ProbeRequest tcp_to(const std::string& host, std::uint16_t port) {
  return {.target = {.scheme = Scheme::Tcp, .host = host, .port = port}};
}

class TcpProbeTest : public PathTest {
 protected:
  Attempt measure(const ProbeRequest& request) { return fixture_.measure(prober_, request); }
  Attempt measure() { return measure(request_); }
  // With the SYNs of the request rejected so at the far end.
  Attempt rejected_with(const std::string& how) {
    const Rule rule(path_.far(), "input", packets_to(listener_), "reject with " + how);
    return measure();
  }

  ProberFixture fixture_;
  TcpProber prober_{fixture_.loop(), fixture_.lookup()};
  ProbeRequest request_ = tcp_to(Path::kFar, listener_.port());
};

TEST_F(TcpProbeTest, TheCookieIsThatOfTheConnectionThatTheKernelSaw) {
  const Attempt attempt = measure();
  const ev_sample close = capture_.close(attempt.kernel.value().cookie);
  EXPECT_EQ(end_name(close), "fin");
  EXPECT_NE(close.established_ns, 0U);
}

TEST_F(TcpProbeTest, ALostSynIsCountedAndLeavesNoRoundTrip) {
  const Rule rule(path_.far(), "input", packets_to(listener_) + kSyn + kOnlyTheFirst);
  const Attempt attempt = measure();
  EXPECT_EQ(rule.packets(), 1U);
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.kernel.value().syn_retransmits, 1U);
  EXPECT_EQ(near("TcpExtTCPSynRetrans"), 1U);
  EXPECT_EQ(capture_.close(attempt.kernel->cookie).retransmits_syn, 1U);
  EXPECT_FALSE(attempt.kernel->syn_rtt);
  EXPECT_FALSE(attempt.kernel->prober_delay);
  EXPECT_GE(attempt.times.connect.value(), milliseconds(900));
  EXPECT_EQ(attempt.kernel->segments_sent, 3U);
  EXPECT_EQ(attempt.kernel->retransmitted_segments, 1U);
}

TEST_F(TcpProbeTest, NoAnswerTellsHowManySynsHadNone) {
  const Rule rule(path_.far(), "input", packets_to(listener_));
  request_.limits.connect = milliseconds(1500);
  const Attempt attempt = measure();
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectTimeout);
  EXPECT_EQ(rule.packets(), 2U);
  EXPECT_EQ(attempt.failure->detail, "no answer to 2 SYNs within 1.5s");
  EXPECT_EQ(attempt.kernel.value().syn_retransmits, 1U);
  EXPECT_EQ(near("TcpExtTCPSynRetrans"), 1U);
}

TEST_F(TcpProbeTest, AKernelThatGivesUpFirstIsATimeoutToo) {
  const Rule rule(path_.far(), "input", packets_to(listener_));
  set_ipv4("tcp_syn_retries", "1");
  if (std::ifstream("/proc/sys/net/ipv4/tcp_syn_linear_timeouts"))  // since 6.5
    set_ipv4("tcp_syn_linear_timeouts", "0");
  request_.limits.connect = kDeadline;
  request_.limits.total = kDeadline;
  const Attempt attempt = measure();
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectTimeout);
  EXPECT_THAT(attempt.failure->detail, testing::StartsWith("no answer to 2 SYNs within "));
  EXPECT_EQ(rule.packets(), 2U);
  EXPECT_LT(attempt.times.total, milliseconds(10'000));
}

TEST_F(TcpProbeTest, AResetInAnswerToTheSynRefuses) {
  const Attempt attempt = rejected_with("tcp reset");
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectRefused);
  EXPECT_EQ(near("TcpAttemptFails"), 1U);
  EXPECT_EQ(near("TcpRetransSegs"), 0U);
}

TEST_F(TcpProbeTest, WhatIcmpCallsUnreachableIsSo) {
  const Attempt attempt = rejected_with("icmp type host-unreachable");
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectUnreachable);
  EXPECT_THAT(attempt.failure->detail, testing::HasSubstr(" is unreachable, known after "));
  EXPECT_EQ(near("IcmpInDestUnreachs"), 1U);
}

TEST_F(TcpProbeTest, WhatAFirewallProhibitsIsUnreachable) {
  EXPECT_EQ(kind_of(rejected_with("icmp type admin-prohibited")), FailureKind::ConnectUnreachable);
}

TEST_F(TcpProbeTest, WithoutARouteNothingIsSent) {
  const Attempt attempt = measure(tcp_to("203.0.113.1", 80));
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectUnreachable);
  EXPECT_EQ(attempt.failure->detail, "no route to 203.0.113.1:80: Network is unreachable");
  EXPECT_EQ(near("TcpOutSegs"), 0U);
}

TEST_F(TcpProbeTest, ARouteThatProhibitsIsOfThisHost) {
  run("/sbin/ip route add prohibit 203.0.113.0/24");
  EXPECT_EQ(kind_of(measure(tcp_to("203.0.113.1", 80))), FailureKind::ConnectLocal);
}

TEST_F(TcpProbeTest, WithoutAFreePortTheHostCannotTry) {
  set_ipv4("ip_local_port_range", "40000 40000");
  const Pair pair = connected();
  const Attempt attempt = measure();
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectLocal);
  EXPECT_THAT(attempt.failure->detail, testing::HasSubstr("Cannot assign requested address"));
}

TEST_F(TcpProbeTest, AResetRightAfterTheHandshakeIsTheirs) {
  std::optional<Attempt> ended;
  prober_.start(request_, [&](Attempt attempt) {
    ended = std::move(attempt);
    fixture_.loop().stop();
  });
  listener_.accept().reset();
  ASSERT_TRUE(wait_until([&] { return near("TcpEstabResets") == 1; }));
  fixture_.run();
  ASSERT_TRUE(ended);
  EXPECT_EQ(kind_of(*ended), FailureKind::Reset);
  EXPECT_THAT(ended->failure->detail, testing::StartsWith("reset by 10.77.0.2:"));
  EXPECT_TRUE(ended->kernel.value().syn_rtt);
}

TEST(TcpProbeOnALongPath, TheRoundTripOfTheSynIsThePaths) {
  LongPath path;
  const Socket listener = path.listen_far();
  path.shape().delay_us = 20'000;
  const Inside inside(path.near());
  ProberFixture fixture;
  TcpProber prober(fixture.loop(), fixture.lookup());
  const Attempt attempt = fixture.measure(prober, tcp_to(LongPath::kFar, listener.port()));
  ASSERT_TRUE(attempt.kernel && attempt.kernel->syn_rtt && attempt.times.connect);
  EXPECT_GE(*attempt.kernel->syn_rtt, milliseconds(40));
  EXPECT_LE(*attempt.kernel->syn_rtt, *attempt.times.connect);
  // The other end's round trip, of its SYN-ACK, is the same path's.
  const Socket server = listener.accept();
  const Nanos there = microseconds(server.info().tcpi_rtt);
  EXPECT_NEAR(seconds(*attempt.kernel->syn_rtt), seconds(there), is_slow_machine() ? 0.1 : 0.02);
}

}  // namespace
}  // namespace netsonde::test
