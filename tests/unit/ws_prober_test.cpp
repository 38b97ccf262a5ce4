// SPDX-License-Identifier: Apache-2.0
#include "probes/ws_prober.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "tests/unit/prober_fixture.h"
#include "tests/unit/ws_server_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::StartsWith;

constexpr unsigned kText = 0x81, kClose = 0x88, kPing = 0x89, kPong = 0x8a;

// Answers the request, and the ping.
void play_along(ServerStream& stream) {
  stream.write(switching_protocols(stream.read_head()));
  unsigned first = 0;
  stream.write(server_frame(kPong, stream.read_frame(first)));
  stream.read_frame(first);
}

class WsProberTest : public testing::Test {
 protected:
  static ProbeRequest request_to(const ScriptedServer& server, Scheme scheme = Scheme::Ws) {
    return {.target = {.text = "ws://the-target",
                       .scheme = scheme,
                       .host = "127.0.0.1",
                       .port = server.port(),
                       .path = "/live?x=1"}};
  }
  Attempt measure(const ProbeRequest& request) { return fixture_.measure(prober_, request); }
  Attempt measure(ScriptedServer::Script script) {
    ScriptedServer server(std::move(script));
    return measure(request_to(server));
  }
  // With an answer of these bytes to the request.
  Attempt answered_with(const std::string& answer) {
    return measure([answer](ServerStream& stream) {
      stream.read_head();
      stream.write(answer);
      unsigned first = 0;
      stream.read_frame(first);
    });
  }
  // With these frames where the pong should be.
  Attempt ponged_with(const std::string& frames) {
    return measure([frames](ServerStream& stream) {
      stream.write(switching_protocols(stream.read_head()));
      unsigned first = 0;
      stream.read_frame(first);
      stream.write(frames);
      stream.read_frame(first);
    });
  }

  ProberFixture fixture_;
  std::unique_ptr<Transfers> transfers_ = Transfers::open(fixture_.loop(), {}).value();
  WsProber prober_{fixture_.loop(), fixture_.lookup(), *transfers_};
};

TEST_F(WsProberTest, MeasuresTheHandshakeAndAPing) {
  const Attempt attempt = measure(play_along);
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.target, "ws://the-target");
  EXPECT_EQ(attempt.address, parse_address("127.0.0.1"));
  const HttpFacts http = attempt.http.value();
  EXPECT_EQ(http.status, 101);
  EXPECT_EQ(http.version, "1.1");
  EXPECT_EQ(http.server, "scripted");
  EXPECT_GT(http.header_bytes, 100U);
  ASSERT_TRUE(attempt.times.connect && attempt.times.ttfb && attempt.echo);
  EXPECT_FALSE(attempt.times.tls);
  EXPECT_GT(*attempt.echo, Nanos(0));
  EXPECT_GE(attempt.times.total, *attempt.times.connect + *attempt.times.ttfb + *attempt.echo);
}

// Also when it is there before the loop looks again.
TEST_F(WsProberTest, TheEchoIsNeverNegative) {
  for (int i = 0; i < 20; ++i) EXPECT_GT(measure(play_along).echo.value(), Nanos(0));
}

TEST_F(WsProberTest, TheKernelTellsOfTheWholeConnection) {
  const KernelFacts kernel = measure(play_along).kernel.value();
  EXPECT_TRUE(kernel.syn_rtt);
  EXPECT_EQ(kernel.syn_retransmits, 0U);
  EXPECT_GE(kernel.segments_sent, 5U);  // SYN, ACK, request, ping, close
}

TEST_F(WsProberTest, AsksForThePathWithTheHeadersThatAreWanted) {
  std::string head;
  ScriptedServer server([&](ServerStream& stream) { head = stream.read_head(); });
  ProbeRequest request = request_to(server);
  request.http.headers = {{"Origin", "https://a.test"}};
  measure(request);
  server.join();
  EXPECT_THAT(head, StartsWith("GET /live?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" +
                               std::to_string(server.port()) + "\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nOrigin: https://a.test\r\n"));
}

TEST_F(WsProberTest, ClosesAsTheProtocolWantsIt) {
  unsigned first = 0;
  std::string payload;
  ScriptedServer server([&](ServerStream& stream) {
    stream.write(switching_protocols(stream.read_head()));
    stream.write(server_frame(kPong, stream.read_frame(first)));
    payload = stream.read_frame(first);
  });
  measure(request_to(server));
  server.join();
  EXPECT_EQ(first, kClose);
  EXPECT_EQ(close_status(payload), 1000U);
}

TEST_F(WsProberTest, WithTlsItsHandshakeIsAPhaseOfItsOwn) {
  const TestCertificate certificate;
  const std::string path = testing::TempDir() + "ws_prober_test.pem";
  std::ofstream(path) << certificate.pem() << std::flush;
  ScriptedServer server(play_along, &certificate);
  ProbeRequest request = request_to(server, Scheme::Wss);
  request.http.ca_file = path;
  const Attempt attempt = measure(request);
  unlink(path.c_str());
  EXPECT_FALSE(attempt.failure) << attempt.failure->detail;
  EXPECT_TRUE(attempt.echo);
  EXPECT_GT(attempt.times.tls.value(), Nanos(0));
  const TlsFacts tls = attempt.tls.value();
  EXPECT_EQ(tls.version, "TLSv1.3");
  EXPECT_EQ(tls.days_left, 10);
  EXPECT_EQ(tls.chain.at(0).subject, "CN=ws.test");
}

TEST_F(WsProberTest, ACertificateThatNobodyTrustsEndsIt) {
  const TestCertificate certificate;
  ScriptedServer server(play_along, &certificate);
  const Attempt attempt = measure(request_to(server, Scheme::Wss));
  EXPECT_EQ(kind_of(attempt), FailureKind::TlsCertificate);
  EXPECT_TRUE(attempt.times.connect);
  EXPECT_FALSE(attempt.http);
}

TEST_F(WsProberTest, ThePingIsAnsweredAmongWhateverElseIsSent) {
  const Attempt attempt = measure([](ServerStream& stream) {
    // With the answer in one segment, and in pieces.
    stream.write(switching_protocols(stream.read_head()) + server_frame(kText, "hello") +
                 server_frame(kPing, "theirs"));
    unsigned first = 0;
    const std::string ping = stream.read_frame(first);
    const std::string frames = server_frame(kText, std::string(60'000, 'x')) +
                               server_frame(kPong, "unasked") + server_frame(kPong, ping);
    stream.write(frames.substr(0, 3));
    stream.write(frames.substr(3));
    stream.read_frame(first);
  });
  EXPECT_FALSE(attempt.failure) << attempt.failure->detail;
  EXPECT_TRUE(attempt.echo);
}

TEST_F(WsProberTest, TheServersPingIsAnswered) {
  std::string pong;
  unsigned first = 0;
  ScriptedServer server([&](ServerStream& stream) {
    stream.write(switching_protocols(stream.read_head()));
    const std::string ping = stream.read_frame(first);
    stream.write(server_frame(kPing, "theirs"));
    pong = stream.read_frame(first);
    stream.write(server_frame(kPong, ping));
  });
  measure(request_to(server));
  server.join();
  EXPECT_EQ(pong, "theirs");
}

TEST_F(WsProberTest, AnotherStatusIsARefusal) {
  const Attempt attempt = answered_with("HTTP/1.1 403 Forbidden\r\nServer: y\r\n\r\nno");
  EXPECT_EQ(kind_of(attempt), FailureKind::WsRefused);
  EXPECT_EQ(attempt.failure->phase, ProbePhase::Response);
  EXPECT_EQ(attempt.failure->detail, "status 403 instead of 101");
  EXPECT_EQ(attempt.http.value().status, 403);
  EXPECT_EQ(attempt.http->server, "y");
  EXPECT_TRUE(attempt.times.ttfb);
  EXPECT_FALSE(attempt.echo);
}

TEST_F(WsProberTest, AnAcceptOfAnotherKeyIsMalformed) {
  const Attempt attempt = answered_with(switching_protocols("Sec-WebSocket-Key: x\r"));
  EXPECT_EQ(kind_of(attempt), FailureKind::HttpMalformed);
  EXPECT_THAT(attempt.failure->detail, HasSubstr("does not belong to our key"));
}

TEST_F(WsProberTest, WhatIsNoHttpIsMalformed) {
  EXPECT_EQ(kind_of(answered_with("SSH-2.0-x\r\n\r\n")), FailureKind::HttpMalformed);
  EXPECT_EQ(kind_of(answered_with("HTTP/1.1 101 x\r\n\r\n")), FailureKind::HttpMalformed);
  EXPECT_EQ(kind_of(answered_with(std::string(70'000, 'x'))), FailureKind::HttpMalformed);
}

TEST_F(WsProberTest, AnEndWithoutAnAnswerIsSo) {
  const Attempt attempt = measure([](ServerStream& stream) { stream.read_head(); });
  EXPECT_EQ(kind_of(attempt), FailureKind::Closed);
  EXPECT_EQ(attempt.failure->detail, "closed by peer after the request");
}

TEST_F(WsProberTest, AResetIsTold) {
  const Attempt attempt = measure([](ServerStream& stream) {
    stream.write(switching_protocols(stream.read_head()));
    unsigned first = 0;
    stream.read_frame(first);
    stream.reset();
  });
  EXPECT_EQ(kind_of(attempt), FailureKind::Reset);
  EXPECT_EQ(attempt.failure->detail, "reset by peer after the ping");
}

TEST_F(WsProberTest, ACloseInsteadOfAPongTellsItsStatus) {
  const Attempt attempt = ponged_with(server_frame(kClose, "\x03\xf1"));
  EXPECT_EQ(kind_of(attempt), FailureKind::Closed);
  EXPECT_EQ(attempt.failure->detail, "closed with status 1009 before the pong");
}

TEST_F(WsProberTest, FramesThatNoServerMaySendAreMalformed) {
  EXPECT_EQ(kind_of(ponged_with("\xff\xff")), FailureKind::HttpMalformed);
}

TEST_F(WsProberTest, NoAnswerIsATimeout) {
  ScriptedServer server([](ServerStream& stream) {
    stream.read_head();
    stream.read_head();  // until we have gone
  });
  ProbeRequest request = request_to(server);
  request.limits.response = milliseconds(40);
  const Attempt attempt = measure(request);
  EXPECT_EQ(kind_of(attempt), FailureKind::HttpTimeout);
  EXPECT_THAT(attempt.failure->detail, StartsWith("no answer 4"));
}

TEST_F(WsProberTest, NoPongIsATimeoutOfTheEcho) {
  ScriptedServer server([](ServerStream& stream) {
    stream.write(switching_protocols(stream.read_head()));
    unsigned first = 0;
    stream.read_frame(first);
    stream.write(server_frame(kPong, "another"));
    stream.read_frame(first);
  });
  ProbeRequest request = request_to(server);
  request.limits.response = milliseconds(40);
  const Attempt attempt = measure(request);
  EXPECT_EQ(kind_of(attempt), FailureKind::EchoTimeout);
  EXPECT_THAT(attempt.failure->detail, StartsWith("no pong 4"));
  EXPECT_EQ(attempt.http.value().status, 101);
}

TEST_F(WsProberTest, AFloodBeforeThePongIsTooLarge) {
  ScriptedServer server([](ServerStream& stream) {
    stream.write(switching_protocols(stream.read_head()));
    for (int i = 0; i < 4; ++i) stream.write(server_frame(kText, std::string(60'000, 'x')));
    stream.read_head();
  });
  ProbeRequest request = request_to(server);
  request.limits.body_bytes = 100'000;
  EXPECT_EQ(kind_of(measure(request)), FailureKind::TooLarge);
}

TEST_F(WsProberTest, AClosedPortRefusesAsAnyConnection) {
  std::uint16_t port = 0;
  {
    LoopbackServer gone;
    port = gone.port();
  }
  const Attempt attempt = measure(ProbeRequest{
      .target = {.scheme = Scheme::Ws, .host = "127.0.0.1", .port = port, .path = "/"}});
  EXPECT_EQ(kind_of(attempt), FailureKind::ConnectRefused);
  EXPECT_EQ(attempt.failure->phase, ProbePhase::Connect);
}

TEST_F(WsProberTest, SeveralRunAtOnceAndOneAfterTheOther) {
  for (int round = 0; round < 3; ++round) {
    ScriptedServer a(play_along), b(play_along);
    int ended = 0;
    for (const ScriptedServer* server : {&a, &b})
      prober_.start(request_to(*server), [&](const Attempt& attempt) {
        EXPECT_TRUE(attempt.echo);
        if (++ended == 2) fixture_.loop().stop();
      });
    fixture_.run();
    EXPECT_EQ(ended, 2);
  }
}

TEST_F(WsProberTest, WhatRunsWhenTheProberEndsIsNotCalledBack) {
  std::atomic<bool> asked = false;
  ScriptedServer silent([&](ServerStream& stream) {
    stream.read_head();
    asked = true;
    stream.read_head();  // until the prober has gone
  });
  {
    WsProber prober(fixture_.loop(), fixture_.lookup(), *transfers_);
    prober.start(request_to(silent), [](const Attempt&) { FAIL(); });
    const auto timer = fixture_.loop().every(milliseconds(1), [&]() -> Result<> {
      if (asked) fixture_.loop().stop();
      return {};
    });
    ASSERT_TRUE(timer);
    fixture_.run();
    fixture_.loop().forget(timer.value());
  }
  silent.join();
  EXPECT_TRUE(measure(play_along).echo);
}

// As everywhere: the prober first, then what it uses.
TEST_F(WsProberTest, NothingIsLeftOfAConnectionThatIsBeingMade) {
  ScriptedServer silent([](ServerStream& stream) { stream.read_head(); });
  auto transfers = Transfers::open(fixture_.loop(), {}).value();
  {
    WsProber prober(fixture_.loop(), fixture_.lookup(), *transfers);
    prober.start(request_to(silent), [](const Attempt&) { FAIL(); });
  }
  transfers.reset();
  EXPECT_TRUE(measure(play_along).echo);
}

}  // namespace
}  // namespace netsonde::test
