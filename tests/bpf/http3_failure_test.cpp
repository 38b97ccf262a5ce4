// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/http3_fixture.h"
#include "tests/bpf/path.h"
#include "user/base/text.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Http3FailureTest : public Http3Test {};

TEST_F(Http3FailureTest, AnErrorStatusFails) {
  const Attempt made = attempt(request_for("/missing?status"));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->kind, FailureKind::HttpStatus);
  EXPECT_EQ(made.failure->detail, "status 404");
  EXPECT_EQ(server().logged("/missing?status")["status"], 404);
}

TEST_F(Http3FailureTest, AHeaderThatCannotBeSentIsNot) {
  ProbeRequest request = request_for("/hello?bad-header");
  request.http.headers = {{"X-Mine", "1\r\nX-Other: 2"}};
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::Unsupported);
  EXPECT_EQ(failure.detail, "HTTP/3 has no header 'x-mine: 1\\x0d\\x0aX-Other: 2'");
}

TEST_F(Http3FailureTest, ASessionThatWasNotVerifiedIsNoneToTrust) {
  ProbeRequest request = request_for("/hello?trust");
  request.http.resume_tls = true;
  request.http.ca_file = server().other_ca_file();
  request.http.verify = false;
  ASSERT_FALSE(attempt(request).failure);
  request.http.verify = true;
  EXPECT_EQ(failure_of(request).kind, FailureKind::TlsCertificate);
}

TEST_F(Http3FailureTest, ACertificateOfNobodyKnownIsRefused) {
  ProbeRequest request = request_for("/hello?unknown");
  request.http.ca_file = server().other_ca_file();
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Tls);
  EXPECT_EQ(made.failure->kind, FailureKind::TlsCertificate);
  EXPECT_EQ(made.failure->detail, "signed by nobody known (CN=ca-authority)");
  ASSERT_TRUE(made.tls);
  EXPECT_EQ(made.tls->chain.size(), 1U);
  EXPECT_FALSE(made.http);
  request.http.verify = false;
  EXPECT_FALSE(attempt(request).failure);
}

TEST_F(Http3FailureTest, TheSystemKnowsNothingOfATestAuthority) {
  ProbeRequest request = request_for("/hello?system");
  request.http.ca_file.clear();
  EXPECT_EQ(failure_of(request).kind, FailureKind::TlsCertificate);
}

TEST_F(Http3FailureTest, ARefusedServerNeverSeesTheRequest) {
  ProbeRequest request = request_for("/hello?refused");
  request.http.ca_file = server().other_ca_file();
  failure_of(request);
  attempt(request_for("/hello?after"));  // what was asked before has been logged then
  server().logged("/hello?after");
  EXPECT_FALSE(server().has_logged("/hello?refused"));
}

TEST_F(Http3FailureTest, AnExpiredCertificateIsRefusedWithItsDay) {
  ProbeRequest request = request_for("/?expired");
  request.target.host = "expired.test";
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->kind, FailureKind::TlsCertificate);
  const std::int64_t end = made.tls->chain.at(0).not_after_s.value();
  EXPECT_EQ(made.failure->detail,
            "certificate expired on " + rfc3339(end * 1'000'000'000).substr(0, 10));
  EXPECT_LT(made.tls->days_left, 0);
}

TEST_F(Http3FailureTest, ACertificateForAnotherNameIsRefused) {
  ProbeRequest request = request_for("/hello?name");
  request.target.host = "other.test";
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::TlsCertificate);
  EXPECT_EQ(failure.detail, "for name.test, 127.0.0.1, not other.test");
}

TEST_F(Http3FailureTest, ACertificateMayBeForAnAddress) {
  ProbeRequest request = request_for("/hello?address");
  request.target.host = "127.0.0.1";
  EXPECT_FALSE(attempt(request).failure);
}

TEST_F(Http3FailureTest, ABodyOverTheLimitIsGivenUp) {
  ProbeRequest request = request_for("/big?limit");
  request.limits.body_bytes = 100 << 10;
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Transfer);
  EXPECT_EQ(made.failure->kind, FailureKind::TooLarge);
  EXPECT_EQ(made.failure->detail, "the answer is longer than 100KiB");
  EXPECT_EQ(made.http->status, 200);
  EXPECT_FALSE(made.times.transfer);
}

TEST_F(Http3FailureTest, ABodyThatEndsEarlyIsTruncated) {
  const Attempt made = attempt(request_for("/origin/cut"));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Transfer);
  EXPECT_EQ(made.failure->kind, FailureKind::HttpTruncated);
  EXPECT_NE(made.failure->detail.find("1000 of 5000 bytes"), std::string::npos)
      << made.failure->detail;
  EXPECT_EQ(made.http->wire_bytes, 1000U);
}

TEST_F(Http3FailureTest, AnAnswerThatDoesNotComeIsATimeout) {
  ProbeRequest request = request_for("/origin/never");
  request.limits.response = milliseconds(100);
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Response);
  EXPECT_EQ(made.failure->kind, FailureKind::HttpTimeout);
  EXPECT_TRUE(made.times.tls && made.times.request);
  EXPECT_FALSE(made.times.ttfb || made.http);
  EXPECT_LT(made.times.total, seconds(10));
}

TEST_F(Http3FailureTest, AClosedPortIsToldByTheKernelAsItCounts) {
  const std::uint64_t before = kernel_counter("UdpNoPorts");
  const Attempt made = attempt(request_for("/", 4));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Connect);
  EXPECT_EQ(made.failure->kind, FailureKind::ConnectRefused);
  EXPECT_EQ(kernel_counter("UdpNoPorts"), before + 1);
  EXPECT_LT(made.times.total, seconds(1));
}

TEST_F(Http3FailureTest, AHostThatARouterDoesNotReachIsUnreachable) {
  const Rule rule(space(), "input", "udp dport 4433", "reject with icmp type host-unreachable");
  const Failure failure = failure_of(request_for("/hello?unreachable"));
  EXPECT_EQ(failure.phase, ProbePhase::Connect);
  EXPECT_EQ(failure.kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure.detail, "No route to host (ICMP from 127.0.0.1)");
  EXPECT_EQ(rule.packets(), 1U);
}

TEST_F(Http3FailureTest, ARouteThatIsNoneIsUnreachable) {
  ProbeRequest request = request_for("/");
  request.pinned = parse_address("192.0.2.1");
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure.detail, "Network is unreachable");
}

TEST_F(Http3FailureTest, WhatThisHostForbidsIsLocal) {
  const Rule rule(space(), "output", "udp dport 4433", "drop");
  const Failure failure = failure_of(request_for("/hello?forbidden"));
  EXPECT_EQ(failure.kind, FailureKind::ConnectLocal);
  EXPECT_EQ(failure.detail, "Operation not permitted");
}

TEST_F(Http3FailureTest, SilenceCountsTheInitialPacketsThatWereSent) {
  const Rule rule(space(), "input", "udp dport 4433", "drop");
  ProbeRequest request = request_for("/hello?silence");
  request.limits.connect = milliseconds(1500);  // another one goes out after one second
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::ConnectTimeout);
  EXPECT_GE(rule.packets(), 2U);
  EXPECT_TRUE(failure.detail.starts_with("no answer to " + std::to_string(rule.packets()) +
                                         " Initial packets within 1.5"))
      << failure.detail;
}

TEST_F(Http3FailureTest, ALinkTooSmallForQuicIsTold) {
  run("/sbin/ip link set lo mtu 1000");
  const Failure failure = failure_of(request_for("/hello?small"));
  run("/sbin/ip link set lo mtu 65536");
  EXPECT_EQ(failure.kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure.detail,
            "the way there does not carry datagrams of 1200 bytes, which QUIC needs");
}

TEST_F(Http3PathTest, AWayThatCarriesNoLargePacketsIsSilent) {
  shape().largest = 1000;
  ProbeRequest request = request_for("/hello");
  request.limits.connect = milliseconds(200);
  EXPECT_EQ(failure_of(request).kind, FailureKind::ConnectTimeout);
}

TEST_F(Http3PathTest, AServerThatDiesMeanwhileResets) {
  shape().bits_per_second = 5'000'000;  // so that it lasts
  ProbeRequest request = request_for("/origin/count");
  request.http.method = "POST";
  request.http.send_bytes = 10'000'000;
  ASSERT_TRUE(loop_.after(milliseconds(500), [&]() -> Result<> {
    server().kill();
    return {};
  }));
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Request);
  EXPECT_EQ(made.failure->kind, FailureKind::Reset);
  EXPECT_EQ(made.failure->detail,
            "nobody listens there any more: Connection refused (ICMP from 10.78.0.2)");
  EXPECT_TRUE(made.tls);
}

}  // namespace
}  // namespace netsonde::test
