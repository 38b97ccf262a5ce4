// SPDX-License-Identifier: Apache-2.0
#include "probes/http3.h"

#include <poll.h>

#include <map>

#include "tests/bpf/http3_fixture.h"
#include "tests/bpf/path.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;

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

// With no round trip known, the library would pace by one of a third of a second: 24 ms a packet.
TEST_F(Http3Test, TheRequestIsNotHeldBack) {
  ProbeRequest request = request_for("/hello?held-back");
  request.http.headers = {{"X-Large", std::string(1000, 'x')}};  // so it needs a packet of its own
  EXPECT_TRUE(wait_until([&] {
    const PhaseTimes times = attempt(request).times;
    return times.tls && times.request && *times.tls + *times.request < milliseconds(20);
  }));
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
  Attempt resumed;
  ASSERT_TRUE(wait_until([&] {  // what is resumed may come after the answer, and so too late
    resumed = attempt(request);
    return resumed.tls && resumed.tls->resumed == true;
  }));
  request.http.resume_tls = false;
  EXPECT_EQ(attempt(request).tls->resumed, false);
  EXPECT_EQ(resumed.tls->chain.at(0).subject, "CN=good");
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

}  // namespace
}  // namespace netsonde::test
