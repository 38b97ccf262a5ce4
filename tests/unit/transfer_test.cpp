// SPDX-License-Identifier: Apache-2.0
#include "probes/transfer.h"

#include <gmock/gmock.h>

#include "tests/unit/http_fixture.h"

namespace netsonde::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class TransferTest : public HttpTest {
 protected:
  Attempt ask(const ProbeRequest& request) {
    Attempt ended;
    transfers->start(request, HttpServer::address(), [&](const Transferred& transferred) {
      ended = transferred.attempt;
      loop.stop();
    });
    run();
    return ended;
  }

  ProbeRequest kept(const std::string& path = "/") const {
    ProbeRequest request = server.request(path);
    request.http.fresh = false;
    return request;
  }

  HttpServer server{loop, [](std::string_view head) {
                      if (head.starts_with("GET /busy"))
                        return http_answer("503 Busy", "not now", "Retry-After: 7\r\n");
                      return http_answer("200 OK", std::string(1000, 'x'), "Server: here\r\n");
                    }};
  std::unique_ptr<Transfers> transfers = Transfers::open(loop, {}).value();
};

TEST_F(TransferTest, ALeanRequestOnAKeptConnectionLearnsTimesStatusAndBytesAlone) {
  ProbeRequest lean = kept();
  lean.lean = true;
  const Attempt first = ask(lean), second = ask(lean);
  EXPECT_TRUE(first.kernel && first.times.connect) << "its connection was new";
  ASSERT_TRUE(second.http);
  EXPECT_TRUE(second.reused);
  EXPECT_EQ(second.http->status, 200);
  EXPECT_EQ(second.http->wire_bytes, 1000U);
  EXPECT_TRUE(second.times.ttfb && second.times.transfer);
  EXPECT_FALSE(second.kernel);
  EXPECT_EQ(second.http->server, "");
  EXPECT_EQ(second.http->bandwidth_mbps, std::nullopt);
}

TEST_F(TransferTest, AnyOtherRequestOnAKeptConnectionLearnsAll) {
  ask(kept());
  const Attempt second = ask(kept());
  EXPECT_TRUE(second.reused);
  EXPECT_TRUE(second.kernel);
  EXPECT_EQ(second.http->server, "here");
}

TEST_F(TransferTest, ARequestKnowsNothingOfTheOneBeforeIt) {
  const Attempt busy = ask(kept("/busy"));
  EXPECT_EQ(busy.failure.value().kind, FailureKind::HttpStatus);
  const Attempt again = ask(kept("/busy"));
  EXPECT_EQ(again.http->wire_bytes, 7U);
  EXPECT_EQ(again.http->body_bytes, 7U);
  const Attempt good = ask(kept());
  EXPECT_FALSE(good.failure);
  EXPECT_EQ(good.http->wire_bytes, 1000U);
  EXPECT_EQ(good.http->retry_after_s, std::nullopt);
  EXPECT_EQ(server.accepted, 1U);
}

TEST_F(TransferTest, ARequestThatDiffersIsSentAsItIs) {
  ask(kept());
  ProbeRequest other = kept();
  other.http.headers = {{"X-Mine", "yes"}};
  ask(other);
  ask(kept());
  ASSERT_EQ(server.heads.size(), 3U);
  EXPECT_THAT(server.heads[0], Not(HasSubstr("X-Mine")));
  EXPECT_THAT(server.heads[1], HasSubstr("X-Mine: yes"));
  EXPECT_EQ(server.heads[2], server.heads[0]);
}

TEST_F(TransferTest, LimitsAreThoseOfTheRequestItself) {
  ask(kept());
  ProbeRequest limited = kept();
  limited.limits.body_bytes = 10;
  EXPECT_EQ(ask(limited).failure.value().kind, FailureKind::TooLarge);
  EXPECT_FALSE(ask(kept()).failure);
}

TEST_F(TransferTest, AnInterimAnswerIsNotTheAnswer) {
  HttpServer hinting(loop, [](std::string_view) {
    return "HTTP/1.1 103 Early Hints\r\nServer: hint\r\n\r\n" +
           http_answer("200 OK", "bye", "Retry-After: 7\r\n");
  });
  const Attempt attempt = ask(hinting.request());
  EXPECT_FALSE(attempt.failure);
  EXPECT_EQ(attempt.http.value().status, 200);
  EXPECT_EQ(attempt.http->server, "");
  EXPECT_EQ(attempt.http->retry_after_s, 7U);
}

TEST_F(TransferTest, HeadersWithoutEndAreTooLarge) {
  HttpServer talking(loop, [](std::string_view) {
    std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
    for (int i = 0; i < 30'000; ++i) answer += "X-Trailer: " + std::string(80, 'y') + "\r\n";
    return answer;
  });
  const Attempt attempt = ask(talking.request());
  EXPECT_EQ(attempt.failure.value().kind, FailureKind::TooLarge);
  EXPECT_THAT(attempt.failure->detail, HasSubstr("1.0MiB"));
}

TEST_F(TransferTest, ABudgetEndsWhatExceedsIt) {
  std::uint64_t left = 2500;
  transfers = Transfers::open(loop, {.allows =
                                         [&left](std::uint64_t bytes) {
                                           return std::exchange(
                                                      left, left - std::min(left, bytes)) >= bytes;
                                         }})
                  .value();
  EXPECT_FALSE(ask(kept()).failure);
  EXPECT_FALSE(ask(kept()).failure);
  EXPECT_EQ(ask(kept()).failure.value().kind, FailureKind::TooLarge);
}

TEST_F(TransferTest, AConnectionThatTheServerClosedIsReplaced) {
  HttpServer closing(
      loop, [](std::string_view) { return http_answer("200 OK", "bye", "Connection: close\r\n"); });
  ProbeRequest request = closing.request();
  request.http.fresh = false;
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(ask(request).failure);
  EXPECT_EQ(closing.accepted, 3U);
}

TEST_F(TransferTest, BytesAreCountedOverAllRequests) {
  ask(kept());
  ask(kept());
  ProbeRequest sending = kept();
  sending.http.method = "POST";
  sending.http.send_bytes = 5000;
  ask(sending);
  EXPECT_EQ(transfers->received_bytes(), 3000U);
  EXPECT_EQ(transfers->sent_bytes(), 5000U);
  EXPECT_EQ(server.body_bytes, 5000U);
}

TEST_F(TransferTest, OpenConnectionsTellWhatTheKernelSaysOfThem) {
  EXPECT_TRUE(transfers->connections().empty());
  ask(kept());
  ASSERT_EQ(transfers->connections().size(), 1U);
  EXPECT_TRUE(transfers->connections().front().min_rtt);
}

}  // namespace
}  // namespace netsonde::test
