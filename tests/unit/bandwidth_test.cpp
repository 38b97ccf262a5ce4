// SPDX-License-Identifier: Apache-2.0
#include "probes/bandwidth.h"

#include <gmock/gmock.h>

#include "tests/unit/http_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using testing::StartsWith;

class BandwidthTest : public HttpTest {
 protected:
  void measure(Bandwidth& bandwidth) {
    ASSERT_TRUE(loop.after(Nanos(1), [&]() -> Result<> {
      bandwidth.start([this] { loop.stop(); });
      return {};
    }));
    run();
  }

  BandwidthResult down(const HttpServer& server, std::uint64_t requests, std::uint64_t bytes) {
    const auto download = Download::open(loop, {.request = server.request(),
                                                .address = HttpServer::address(),
                                                .requests = requests,
                                                .bytes = bytes})
                              .value();
    measure(*download);
    return std::as_const(*download).result();
  }

  BandwidthResult up(const HttpServer& server, std::uint64_t bytes) {
    const auto upload = Upload::open(loop, {.request = server.request(),
                                            .address = HttpServer::address(),
                                            .requests = 8,
                                            .bytes = bytes})
                            .value();
    measure(*upload);
    return std::as_const(*upload).result();
  }
};

std::uint64_t length_of(std::string_view head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string_view::npos ? 0 : std::stoull(std::string(head.substr(at + 16)));
}

TEST_F(BandwidthTest, ADownloadIsRepeatedUntilItsRequestsAreUsedUp) {
  HttpServer server(loop, [](auto) { return http_answer("200 OK", std::string(1 << 20, 'x')); });
  const BandwidthResult result = down(server, 3, 100 << 20);
  EXPECT_EQ(result.requests, 3U);
  EXPECT_EQ(server.accepted, 1U) << "connections";
  EXPECT_GT(result.bytes, 0U) << "what was there with the first byte does not count";
  EXPECT_LE(result.bytes, 3U << 20);
  EXPECT_GT(result.mbps().value(), 0);
  EXPECT_TRUE(result.min_rtt);
  EXPECT_FALSE(result.failure);
}

TEST_F(BandwidthTest, ADownloadStopsWhereItsBytesAreUsedUpAndThatIsNoFailure) {
  HttpServer server(loop, [](auto) { return http_answer("200 OK", std::string(8 << 20, 'x')); });
  const BandwidthResult result = down(server, 3, 4 << 20);
  EXPECT_EQ(result.requests, 1U);
  EXPECT_LE(result.bytes, 5U << 20);
  EXPECT_TRUE(result.mbps());
  EXPECT_FALSE(result.failure);
}

TEST_F(BandwidthTest, ADownloadThatFailsSaysSo) {
  HttpServer server(loop, [](auto) { return http_answer("500 Broken", "no"); });
  const BandwidthResult result = down(server, 3, 4 << 20);
  EXPECT_EQ(result.failure.value().kind, FailureKind::HttpStatus);
  EXPECT_FALSE(result.mbps());
  EXPECT_EQ(result.requests, 1U);
}

TEST_F(BandwidthTest, AnUploadGrowsAndItsFigureIsThatOfTheLongest) {
  HttpServer server(loop, [](auto) { return http_answer("200 OK", ""); });
  const BandwidthResult result = up(server, 2 << 20);
  std::uint64_t longest = 0, with_longest = 0;
  for (const std::string& head : server.heads) longest = std::max(longest, length_of(head));
  for (const std::string& head : server.heads) with_longest += length_of(head) == longest;
  EXPECT_EQ(longest, 1U << 20);
  EXPECT_EQ(result.bytes, longest * with_longest);
  EXPECT_THAT(server.heads.front(), StartsWith("POST / "));
  EXPECT_LE(server.body_bytes, 2U << 20);
}

TEST_F(BandwidthTest, AServerThatTakesNoPostIsAskedToPut) {
  HttpServer server(loop, [](std::string_view head) {
    return http_answer(head.starts_with("PUT") ? "204 No Content" : "405 Not Allowed", "");
  });
  const BandwidthResult result = up(server, 1 << 20);
  EXPECT_THAT(server.heads.back(), StartsWith("PUT / "));
  EXPECT_TRUE(result.mbps());
  EXPECT_FALSE(result.failure);
}

TEST_F(BandwidthTest, WhatIsTooLongForTheServerIsNotSentAgain) {
  HttpServer server(loop, [](std::string_view head) {
    return http_answer(length_of(head) > (100 << 10) ? "413 Too Large" : "200 OK", "");
  });
  const BandwidthResult result = up(server, 4 << 20);
  EXPECT_EQ(length_of(server.heads[1]), 256U << 10);
  for (std::size_t i = 2; i < server.heads.size(); ++i)
    EXPECT_EQ(length_of(server.heads[i]), 64U << 10);
  EXPECT_TRUE(result.mbps());
  EXPECT_FALSE(result.failure);
}

TEST_F(BandwidthTest, AServerThatTakesNoUploadLeavesItUnmeasured) {
  HttpServer server(loop, [](auto) { return http_answer("404 Not Found", ""); });
  const BandwidthResult result = up(server, 4 << 20);
  EXPECT_FALSE(result.mbps());
  EXPECT_EQ(result.failure.value().detail, "status 404");
  EXPECT_EQ(server.heads.size(), 2U);
}

TEST_F(BandwidthTest, ARedirectIsNoUpload) {
  HttpServer server(loop, [](auto) { return http_answer("302 Found", "", "Location: /x\r\n"); });
  EXPECT_THAT(up(server, 4 << 20).failure.value().detail, testing::HasSubstr("no 2xx"));
}

}  // namespace
}  // namespace netsonde::test
