// SPDX-License-Identifier: Apache-2.0
#include "probes/http3.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <vector>

#include "tests/unit/loopback.h"

namespace netsonde {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::LoopbackServer;

class Http3ProberTest : public testing::Test {
 protected:
  ProbeRequest request_to(std::uint16_t port) const {
    ProbeRequest request;
    request.target = Target::parse("h3://name.test:" + std::to_string(port) + "/").value();
    request.pinned = parse_address("127.0.0.1");
    request.limits.total = seconds(20);
    request.http.verify = false;
    return request;
  }

  Attempt attempt(const ProbeRequest& request) {
    std::optional<Attempt> made;
    bool starting = true;
    prober_->start(request, [&](Attempt attempt) {
      EXPECT_FALSE(starting) << "called back at once";
      EXPECT_FALSE(made) << "called back twice";
      made = std::move(attempt);
      loop_.stop();
    });
    starting = false;
    EXPECT_TRUE(loop_.run());
    EXPECT_LT(made->times.total, seconds(10)) << "some limit did not hold";
    return *made;
  }

  Failure failure_of(const ProbeRequest& request) {
    return attempt(request).failure.value_or(Failure{.detail = "none"});
  }

  Loop loop_ = std::move(Loop::open()).value();
  std::unique_ptr<Lookup> lookup_ =
      Lookup::open(loop_, {.servers = {"127.0.0.1:9"}, .hosts_file = ""}).value();
  std::unique_ptr<Http3Prober> prober_ = std::make_unique<Http3Prober>(loop_, *lookup_);
  LoopbackServer server_{SOCK_DGRAM};
};

#ifdef NETSONDE_HTTP3

using Bytes = std::vector<std::uint8_t>;

// What a server sends that takes none of the versions (RFC 8999 6), in answer to the packet.
Bytes version_negotiation(const Bytes& initial, std::uint8_t version) {
  const std::size_t theirs = initial.at(5), ours = initial.at(6 + theirs);
  const auto their_id = initial.begin() + 6, our_id = their_id + theirs + 1;
  Bytes packet = {0x80, 0, 0, 0, 0, static_cast<std::uint8_t>(ours)};
  packet.insert(packet.end(), our_id, our_id + ours);
  packet.push_back(static_cast<std::uint8_t>(theirs));
  packet.insert(packet.end(), their_id, their_id + theirs);
  packet.insert(packet.end(), {0x51, 0x30, 0x34, version});
  return packet;
}

class Http3ServerTest : public Http3ProberTest {
 protected:
  // Answers each datagram; an empty answer is none.
  void serve(const std::function<Bytes(const Bytes&)>& answer) {
    ASSERT_TRUE(loop_.watch(server_.fd(), [this, answer]() -> Result<> {
      Bytes packet(2000);
      sockaddr_in from = {};
      socklen_t size = sizeof(from);
      auto* raw = reinterpret_cast<sockaddr*>(&from);
      const ssize_t got = recvfrom(server_.fd(), packet.data(), packet.size(), 0, raw, &size);
      packet.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      datagrams_.push_back(packet);
      const Bytes reply = answer(packet);
      if (!reply.empty()) sendto(server_.fd(), reply.data(), reply.size(), 0, raw, size);
      return {};
    }));
  }
  void stay_silent() {
    serve([](const Bytes&) { return Bytes(); });
  }

  std::vector<Bytes> datagrams_;
};

TEST_F(Http3ServerTest, SilenceIsATimeoutWithTheInitialPacketsThatWereSent) {
  stay_silent();
  ProbeRequest request = request_to(server_.port());
  request.limits.connect = milliseconds(50);
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Connect);
  EXPECT_EQ(made.failure->kind, FailureKind::ConnectTimeout);
  EXPECT_TRUE(made.failure->detail.starts_with("no answer to 1 Initial packet within "));
  EXPECT_EQ(datagrams_.size(), 1U);
  EXPECT_GE(made.times.total, milliseconds(50));
  EXPECT_FALSE(made.times.tls || made.times.ttfb || made.tls || made.http);
}

TEST_F(Http3ServerTest, EveryInitialPacketFillsTheSmallestPath) {
  stay_silent();
  ProbeRequest request = request_to(server_.port());
  request.limits.connect = milliseconds(50);
  attempt(request);
  ASSERT_FALSE(datagrams_.empty());
  for (const Bytes& datagram : datagrams_) EXPECT_EQ(datagram.size(), 1200U);
}

TEST_F(Http3ServerTest, TheLimitOfAllEndsAnyPhase) {
  stay_silent();
  ProbeRequest request = request_to(server_.port());
  request.limits.total = milliseconds(50);
  EXPECT_EQ(failure_of(request).kind, FailureKind::ConnectTimeout);
}

TEST_F(Http3ServerTest, AServerOfOtherVersionsIsTold) {
  serve([](const Bytes& packet) { return version_negotiation(packet, '6'); });
  const Failure failure = failure_of(request_to(server_.port()));
  EXPECT_EQ(failure.phase, ProbePhase::Tls);
  EXPECT_EQ(failure.kind, FailureKind::TlsProtocol);
  EXPECT_EQ(failure.detail, "the server speaks QUIC versions 0x51303436, not 1");
}

TEST_F(Http3ServerTest, WhatIsNoQuicIsAHandshakeThatDoesNotEnd) {
  serve([](const Bytes&) { return Bytes{'h', 'i'}; });
  ProbeRequest request = request_to(server_.port());
  request.limits.tls = milliseconds(50);
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.phase, ProbePhase::Tls);
  EXPECT_EQ(failure.kind, FailureKind::TlsTimeout);
}

TEST_F(Http3ServerTest, AnEchoOfWhatWeSendIsNoHandshake) {
  serve([](const Bytes& packet) { return packet; });
  ProbeRequest request = request_to(server_.port());
  request.limits.tls = milliseconds(50);
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.phase, ProbePhase::Tls);
}

TEST_F(Http3ProberTest, AClosedPortRefuses) {
  server_.close();
  const Attempt made = attempt(request_to(server_.port()));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Connect);
  EXPECT_EQ(made.failure->kind, FailureKind::ConnectRefused);
  EXPECT_EQ(made.failure->detail, "Connection refused (ICMP from 127.0.0.1)");
  EXPECT_EQ(made.target, "h3://name.test:" + std::to_string(server_.port()) + "/");
  EXPECT_EQ(made.address, parse_address("127.0.0.1"));
  EXPECT_EQ(made.port, server_.port());
  EXPECT_NE(made.began, Time());
}

TEST_F(Http3ProberTest, AnUnknownCongestionControlIsNotReplaced) {
  ProbeRequest request = request_to(server_.port());
  request.socket.congestion = "vegas";
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::Unsupported);
  EXPECT_EQ(failure.detail, "QUIC has no congestion control 'vegas' here; known: cubic, reno, bbr");
}

TEST_F(Http3ProberTest, ACaFileThatIsNotThereIsTold) {
  ProbeRequest request = request_to(server_.port());
  request.http.verify = true;
  request.http.ca_file = "/nowhere/ca.pem";
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.phase, ProbePhase::Tls);
  EXPECT_EQ(failure.kind, FailureKind::TlsCertificate);
}

TEST_F(Http3ProberTest, ANameThatIsNotFoundIsAFailureOfTheLookup) {
  ProbeRequest request = request_to(server_.port());
  request.pinned.reset();
  request.limits.dns = milliseconds(200);
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Dns);
  EXPECT_FALSE(made.address);
}

TEST_F(Http3ServerTest, ALookupThatTakesTooLongIsATimeout) {
  stay_silent();
  lookup_ = Lookup::open(loop_, {.servers = {test::endpoint_of(server_.port())}, .hosts_file = ""})
                .value();
  prober_ = std::make_unique<Http3Prober>(loop_, *lookup_);
  ProbeRequest request = request_to(server_.port());
  request.pinned.reset();
  request.limits.dns = milliseconds(50);
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->kind, FailureKind::DnsTimeout);
  EXPECT_TRUE(made.failure->detail.starts_with("no address within ")) << made.failure->detail;
  EXPECT_FALSE(datagrams_.empty());  // it was asked
}

TEST_F(Http3ProberTest, ALiteralAddressIsNotLookedUp) {
  server_.close();
  ProbeRequest request = request_to(server_.port());
  request.pinned.reset();
  request.target.host = "127.0.0.1";
  const Attempt made = attempt(request);
  EXPECT_EQ(made.address, parse_address("127.0.0.1"));
  EXPECT_FALSE(made.times.dns || made.lookup);
}

TEST_F(Http3ServerTest, AProberThatEndsCallsNobody) {
  stay_silent();
  ProbeRequest request = request_to(server_.port());
  request.limits.connect = milliseconds(5);
  prober_->start(request, [](Attempt) { ADD_FAILURE() << "called back"; });
  prober_.reset();
  ASSERT_TRUE(loop_.after(milliseconds(20), [this]() -> Result<> {
    loop_.stop();
    return {};
  }));
  EXPECT_TRUE(loop_.run());
}

TEST_F(Http3ProberTest, AProberMayEndWhenItCallsBack) {
  server_.close();
  prober_->start(request_to(server_.port()), [this](Attempt) {
    prober_.reset();
    loop_.stop();
  });
  EXPECT_TRUE(loop_.run());
  EXPECT_FALSE(prober_);
}

TEST_F(Http3ProberTest, ManyAttemptsRunAtOnceAndEachEndsOnce) {
  server_.close();
  int left = 50;
  for (int i = 0; i < 50; ++i)
    prober_->start(request_to(server_.port()), [&](Attempt made) {
      EXPECT_EQ(made.failure->kind, FailureKind::ConnectRefused);
      if (--left == 0) loop_.stop();
    });
  EXPECT_TRUE(loop_.run());
  EXPECT_EQ(left, 0);
}

#else

TEST_F(Http3ProberTest, ABuildWithoutItSaysWhatItNeeds) {
  const Failure failure = failure_of(request_to(server_.port()));
  EXPECT_EQ(failure.kind, FailureKind::Unsupported);
  EXPECT_EQ(failure.detail, Http3Prober::missing());
  EXPECT_TRUE(failure.detail.starts_with("built without HTTP/3: needs "));
}

#endif

}  // namespace
}  // namespace netsonde
