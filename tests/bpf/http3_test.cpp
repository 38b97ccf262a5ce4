// SPDX-License-Identifier: Apache-2.0
#include "probes/http3.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <map>
#include <optional>

#include "tests/bpf/long_path.h"
#include "tests/bpf/path.h"
#include "tests/bpf/web_server.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Asks a server at the address, from within the namespace.
class Http3Fixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string missing = Http3Prober::missing();
    if (missing.empty()) missing = WebServer::missing();
    if (!missing.empty()) GTEST_SKIP() << missing;
    begin();
  }
  virtual void begin() = 0;
  virtual WebServer& server() = 0;

  void open_prober() {
    lookup_ = Lookup::open(loop_, {.servers = {"127.0.0.1:9"}, .hosts_file = server().hosts_file()})
                  .value();
    prober_ = std::make_unique<Http3Prober>(loop_, *lookup_);
  }

  ProbeRequest request_for(const std::string& uri, std::uint16_t port = WebServer::kPort) {
    ProbeRequest request;
    request.target = Target::parse("h3://name.test:" + std::to_string(port) + uri).value();
    request.limits.total = kDeadline;
    request.http.ca_file = server().ca_file();
    return request;
  }

  Attempt attempt(const ProbeRequest& request) {
    std::optional<Attempt> made;
    prober_->start(request, [&](Attempt attempt) {
      made = std::move(attempt);
      loop_.stop();
    });
    EXPECT_TRUE(loop_.run());
    return made.value();
  }

  // With a failure, which is said.
  Failure failure_of(const ProbeRequest& request) {
    return attempt(request).failure.value_or(Failure{.detail = "it went well"});
  }

  Loop loop_ = std::move(Loop::open()).value();
  std::unique_ptr<Lookup> lookup_;
  std::unique_ptr<Http3Prober> prober_;
};

// The server is that of all tests, each of which asks for a URI of its own.
class Http3Test : public Http3Fixture {
 protected:
  struct Stage {
    Namespace space = Namespace::create();
    WebServer server{space, "127.0.0.1"};
  };

  static void TearDownTestSuite() { stage().reset(); }
  static std::unique_ptr<Stage>& stage() {
    static std::unique_ptr<Stage> made;
    return made;
  }

  void begin() override {
    if (!stage()) stage() = std::make_unique<Stage>();
    inside_.emplace(space());
    open_prober();
  }
  WebServer& server() override { return stage()->server; }
  const Namespace& space() { return stage()->space; }

  std::optional<Inside> inside_;
};

TEST_F(Http3Test, AnAnswerIsWhatTheServerSent) {
  const Attempt made = attempt(request_for("/hello?answer"));
  ASSERT_FALSE(made.failure) << made.failure->detail;
  const Json logged = server().logged("/hello?answer");
  EXPECT_EQ(logged["request"]["proto"], "HTTP/3.0");
  EXPECT_EQ(logged["request"]["method"], "GET");
  EXPECT_EQ(logged["request"]["host"], "name.test:4433");
  ASSERT_TRUE(made.http);
  EXPECT_EQ(made.http->version, "3");
  EXPECT_EQ(made.http->status, logged["status"].get<int>());
  EXPECT_EQ(made.http->wire_bytes, logged["size"].get<std::uint64_t>());
  EXPECT_EQ(made.http->body_bytes, 5U);
  EXPECT_EQ(made.http->server, "Caddy");
  EXPECT_EQ(made.http->cache_control, "max-age=5");
  EXPECT_EQ(made.http->age_s, 17U);
  EXPECT_EQ(made.http->via, "1.1 cache.test");
  EXPECT_EQ(made.http->cache, "x-cache: HIT");
  EXPECT_FALSE(made.http->bandwidth_mbps);  // the body came with the headers
}

TEST_F(Http3Test, WhereItWentIsWhatTheNameSays) {
  const Attempt made = attempt(request_for("/hello?where"));
  EXPECT_EQ(made.target, "h3://name.test:4433/hello?where");
  EXPECT_EQ(made.address, parse_address("127.0.0.1"));
  EXPECT_EQ(made.port, WebServer::kPort);
  ASSERT_TRUE(made.lookup);
  EXPECT_EQ(made.lookup->addresses.size(), 1U);
  EXPECT_FALSE(made.reused);
}

TEST_F(Http3Test, TheHandshakeIsDescribed) {
  const Attempt made = attempt(request_for("/hello?tls"));
  ASSERT_TRUE(made.tls);
  EXPECT_EQ(made.tls->version, "TLSv1.3");
  EXPECT_TRUE(made.tls->cipher.starts_with("TLS_")) << made.tls->cipher;
  EXPECT_EQ(made.tls->alpn, "h3");
  EXPECT_EQ(made.tls->resumed, false);
  EXPECT_TRUE(made.tls->days_left == 9 || made.tls->days_left == 10);  // within the same second
  ASSERT_EQ(made.tls->chain.size(), 1U);
  EXPECT_EQ(made.tls->chain[0].subject, "CN=good");
  EXPECT_EQ(made.tls->chain[0].issuer, "CN=ca-authority");
}

TEST_F(Http3Test, PhasesFollowEachOtherAndTheTransportHasNoneOfItsOwn) {
  const Attempt made = attempt(request_for("/big?phases"));
  ASSERT_FALSE(made.failure) << made.failure->detail;
  const PhaseTimes& times = made.times;
  EXPECT_FALSE(times.connect);
  ASSERT_TRUE(times.dns && times.tls && times.request && times.ttfb && times.transfer);
  EXPECT_GT(*times.tls, Nanos(0));
  EXPECT_LE(*times.dns + *times.tls + *times.request + *times.ttfb + *times.transfer, times.total);
  EXPECT_EQ(made.http->wire_bytes, WebServer::kBigBytes);
  EXPECT_GT(made.http->bandwidth_mbps, 0.0);
}

TEST_F(Http3Test, TheLibraryStandsInForTheKernel) {
  ProbeRequest request = request_for("/big?library");
  request.socket.congestion = "reno";
  request.socket.dscp = 10;
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.kernel);
  const KernelFacts& kernel = *made.kernel;
  EXPECT_EQ(kernel.congestion_control, "quic reno");
  EXPECT_EQ(kernel.dscp, 10);
  EXPECT_NE(kernel.cookie, 0U);
  ASSERT_TRUE(kernel.min_rtt && kernel.srtt);
  EXPECT_LE(*kernel.min_rtt, *made.times.tls);
  EXPECT_GE(*kernel.srtt, *kernel.min_rtt);
  EXPECT_GE(kernel.cwnd_segments, 10U);
  EXPECT_FALSE(kernel.syn_rtt || kernel.retransmitted_segments);
}

TEST_F(Http3Test, EveryDatagramIsCountedAndMarked) {
  const Rule marked(space(), "output", "udp dport 4433 ip dscp 10", "accept");
  ProbeRequest request = request_for("/hello?count");
  request.socket.dscp = 10;
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.kernel && made.kernel->segments_sent);
  // The last one, which closes the connection, is sent when all has been measured.
  EXPECT_EQ(*made.kernel->segments_sent + 1, marked.packets());
}

TEST_F(Http3Test, ALoopThatComesLateIsTheProbersDelay) {
  Attempt made;
  ASSERT_TRUE(wait_until([&] {  // the kernel may not note arrivals yet
    EXPECT_TRUE(loop_.after(Nanos(1), []() -> Result<> {
      poll(nullptr, 0, 500);
      return {};
    }));
    made = attempt(request_for("/hello?late"));
    return made.kernel && made.kernel->prober_delay;
  }));
  EXPECT_GE(*made.kernel->prober_delay, milliseconds(100));
  EXPECT_LE(*made.kernel->prober_delay, *made.times.tls);
}

TEST_F(Http3Test, AnErrorStatusFails) {
  const Attempt made = attempt(request_for("/missing?status"));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->kind, FailureKind::HttpStatus);
  EXPECT_EQ(made.failure->detail, "status 404");
  EXPECT_EQ(server().logged("/missing?status")["status"], 404);
}

TEST_F(Http3Test, ARedirectIsNotFollowed) {
  const Attempt made = attempt(request_for("/moved"));
  EXPECT_FALSE(made.failure);
  EXPECT_EQ(made.http->status, 301);
  EXPECT_TRUE(made.hops.empty());
}

TEST_F(Http3Test, AHeadHasALengthAndNoBody) {
  ProbeRequest request = request_for("/big?head");
  request.http.method = "HEAD";
  const Attempt made = attempt(request);
  ASSERT_FALSE(made.failure) << made.failure->detail;
  EXPECT_EQ(made.http->wire_bytes, 0U);
  EXPECT_EQ(server().logged("/big?head")["request"]["method"], "HEAD");
}

TEST_F(Http3Test, HeadersOfTheRequestArrive) {
  ProbeRequest request = request_for("/hello?headers");
  request.http.headers = {{"X-Mine", "1"}, {"User-Agent", "other/2"}, {"Host", "virtual.test"}};
  request.http.encoding = "gzip";
  ASSERT_FALSE(attempt(request).failure);
  const Json logged = server().logged("/hello?headers")["request"];
  EXPECT_EQ(logged["headers"]["X-Mine"][0], "1");
  EXPECT_EQ(logged["headers"]["User-Agent"].dump(), "[\"other/2\"]");
  EXPECT_EQ(logged["headers"]["Accept-Encoding"][0], "gzip");
  EXPECT_EQ(logged["host"], "virtual.test");
}

TEST_F(Http3Test, AHeaderThatCannotBeSentIsNot) {
  ProbeRequest request = request_for("/hello?bad-header");
  request.http.headers = {{"X-Mine", "1\r\nX-Other: 2"}};
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::Unsupported);
  EXPECT_EQ(failure.detail, "HTTP/3 has no header 'x-mine: 1\\x0d\\x0aX-Other: 2'");
}

TEST_F(Http3Test, ABodyOfOursArrives) {
  ProbeRequest request = request_for("/origin/count");
  request.http.method = "POST";
  request.http.send_bytes = 2'000'000;
  const Attempt made = attempt(request);
  ASSERT_FALSE(made.failure) << made.failure->detail;
  EXPECT_EQ(made.http->sent_bytes, 2'000'000U);
  EXPECT_EQ(made.http->wire_bytes, std::string("2000000").size());  // what came back counts them
}

TEST_F(Http3Test, ASessionIsResumedWhereThatIsWanted) {
  ProbeRequest request = request_for("/hello?resume");
  EXPECT_EQ(attempt(request).tls->resumed, false);
  EXPECT_EQ(attempt(request).tls->resumed, false);
  request.http.resume_tls = true;
  EXPECT_EQ(attempt(request).tls->resumed, false);
  const Attempt resumed = attempt(request);
  EXPECT_EQ(resumed.tls->resumed, true);
  EXPECT_EQ(resumed.tls->chain.at(0).subject, "CN=good");
}

TEST_F(Http3Test, ASessionThatWasNotVerifiedIsNoneToTrust) {
  ProbeRequest request = request_for("/hello?trust");
  request.http.resume_tls = true;
  request.http.ca_file = server().other_ca_file();
  request.http.verify = false;
  ASSERT_FALSE(attempt(request).failure);
  request.http.verify = true;
  EXPECT_EQ(failure_of(request).kind, FailureKind::TlsCertificate);
}

TEST_F(Http3Test, ACertificateOfNobodyKnownIsRefused) {
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

TEST_F(Http3Test, TheSystemKnowsNothingOfATestAuthority) {
  ProbeRequest request = request_for("/hello?system");
  request.http.ca_file.clear();
  EXPECT_EQ(failure_of(request).kind, FailureKind::TlsCertificate);
}

TEST_F(Http3Test, ARefusedServerNeverSeesTheRequest) {
  ProbeRequest request = request_for("/hello?refused");
  request.http.ca_file = server().other_ca_file();
  failure_of(request);
  attempt(request_for("/hello?after"));  // what was asked before has been logged then
  server().logged("/hello?after");
  EXPECT_FALSE(server().has_logged("/hello?refused"));
}

TEST_F(Http3Test, AnExpiredCertificateIsRefusedWithItsDay) {
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

TEST_F(Http3Test, ACertificateForAnotherNameIsRefused) {
  ProbeRequest request = request_for("/hello?name");
  request.target.host = "other.test";
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::TlsCertificate);
  EXPECT_EQ(failure.detail, "for name.test, 127.0.0.1, not other.test");
}

TEST_F(Http3Test, ACertificateMayBeForAnAddress) {
  ProbeRequest request = request_for("/hello?address");
  request.target.host = "127.0.0.1";
  EXPECT_FALSE(attempt(request).failure);
}

TEST_F(Http3Test, ABodyOverTheLimitIsGivenUp) {
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

TEST_F(Http3Test, ABodyThatEndsEarlyIsTruncated) {
  const Attempt made = attempt(request_for("/origin/cut"));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Transfer);
  EXPECT_EQ(made.failure->kind, FailureKind::HttpTruncated);
  EXPECT_NE(made.failure->detail.find("1000 of 5000 bytes"), std::string::npos)
      << made.failure->detail;
  EXPECT_EQ(made.http->wire_bytes, 1000U);
}

TEST_F(Http3Test, AnAnswerThatDoesNotComeIsATimeout) {
  ProbeRequest request = request_for("/origin/never");
  request.limits.response = milliseconds(100);
  const Attempt made = attempt(request);
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Response);
  EXPECT_EQ(made.failure->kind, FailureKind::HttpTimeout);
  EXPECT_TRUE(made.times.tls && made.times.request);
  EXPECT_FALSE(made.times.ttfb || made.http);
}

TEST_F(Http3Test, AClosedPortIsToldByTheKernelAsItCounts) {
  const std::uint64_t before = kernel_counter("UdpNoPorts");
  const Attempt made = attempt(request_for("/", 4));
  ASSERT_TRUE(made.failure);
  EXPECT_EQ(made.failure->phase, ProbePhase::Connect);
  EXPECT_EQ(made.failure->kind, FailureKind::ConnectRefused);
  EXPECT_EQ(kernel_counter("UdpNoPorts"), before + 1);
  EXPECT_LT(made.times.total, seconds(1));
}

TEST_F(Http3Test, AHostThatARouterDoesNotReachIsUnreachable) {
  const Rule rule(space(), "input", "udp dport 4433", "reject with icmp type host-unreachable");
  const Failure failure = failure_of(request_for("/hello?unreachable"));
  EXPECT_EQ(failure.phase, ProbePhase::Connect);
  EXPECT_EQ(failure.kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure.detail, "No route to host (ICMP from 127.0.0.1)");
  EXPECT_EQ(rule.packets(), 1U);
}

TEST_F(Http3Test, ARouteThatIsNoneIsUnreachable) {
  ProbeRequest request = request_for("/");
  request.pinned = parse_address("192.0.2.1");
  const Failure failure = failure_of(request);
  EXPECT_EQ(failure.kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure.detail, "Network is unreachable");
}

TEST_F(Http3Test, WhatThisHostForbidsIsLocal) {
  const Rule rule(space(), "output", "udp dport 4433", "drop");
  const Failure failure = failure_of(request_for("/hello?forbidden"));
  EXPECT_EQ(failure.kind, FailureKind::ConnectLocal);
  EXPECT_EQ(failure.detail, "Operation not permitted");
}

TEST_F(Http3Test, SilenceCountsTheInitialPacketsThatWereSent) {
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

TEST_F(Http3Test, ALinkTooSmallForQuicIsTold) {
  run("/sbin/ip link set lo mtu 1000");
  const Failure failure = failure_of(request_for("/hello?small"));
  run("/sbin/ip link set lo mtu 65536");
  EXPECT_EQ(failure.kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure.detail,
            "the way there does not carry datagrams of 1200 bytes, which QUIC needs");
}

TEST_F(Http3Test, ManyAtOnceAreToldApart) {
  constexpr int kMany = 50;
  std::map<std::string, Attempt> made;
  for (int i = 0; i < kMany; ++i)
    prober_->start(request_for("/hello?many" + std::to_string(i)), [&](Attempt attempt) {
      made[attempt.target] = std::move(attempt);
      if (made.size() == kMany) loop_.stop();
    });
  ASSERT_TRUE(loop_.run());
  for (const auto& [target, attempt] : made) EXPECT_FALSE(attempt.failure) << target;
  for (int i = 0; i < kMany; ++i) server().logged("/hello?many" + std::to_string(i));
}

// The server is at the far end of a path, and ends with the test.
class Http3PathTest : public Http3Fixture {
 protected:
  struct Stage {
    LongPath path;
    WebServer server{path.far(), LongPath::kFar};
    Inside inside{path.near()};
  };

  void begin() override {
    stage_.emplace();
    open_prober();
  }
  WebServer& server() override { return stage_->server; }
  PathShape& shape() { return stage_->path.shape(); }

  std::optional<Stage> stage_;
};

TEST_F(Http3PathTest, TheWayIsTheRoundTripAndNotTheProbersDelay) {
  shape().delay_us = 50'000;
  const Attempt made = attempt(request_for("/hello"));
  ASSERT_FALSE(made.failure) << made.failure->detail;
  ASSERT_TRUE(made.kernel && made.kernel->min_rtt);
  EXPECT_GE(*made.kernel->min_rtt, milliseconds(100));
  EXPECT_GE(*made.times.tls, milliseconds(100));
  EXPECT_GE(*made.times.ttfb, milliseconds(100));
  EXPECT_LT(made.kernel->prober_delay.value_or(Nanos(0)), milliseconds(100));
}

TEST_F(Http3PathTest, WhatIsLostIsSentAgain) {
  shape().delay_us = 5'000;
  shape().lost_per_mille = 200;
  ProbeRequest request = request_for("/origin/count");
  request.http.method = "POST";
  request.http.send_bytes = 100'000;
  const Attempt made = attempt(request);
  ASSERT_FALSE(made.failure) << made.failure->detail;
  EXPECT_EQ(made.http->wire_bytes, std::string("100000").size());
  EXPECT_EQ(made.http->sent_bytes, 100'000U);
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
