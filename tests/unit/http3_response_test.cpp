// SPDX-License-Identifier: Apache-2.0
#include "probes/http3_response.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;

Http3Response response_of(
    std::initializer_list<std::pair<std::string_view, std::string_view>> headers,
    std::uint64_t most_body_bytes = 1000) {
  Http3Response response(most_body_bytes);
  response.begin_headers();
  for (const auto& [name, value] : headers) EXPECT_FALSE(response.add_header(name, value));
  return response;
}

TEST(Http3Response, HeadersBecomeFacts) {
  const HttpFacts facts = response_of({{":status", "203"},
                                       {"content-type", "text/html"},
                                       {"content-encoding", "br"},
                                       {"age", "17"},
                                       {"x-cache", "HIT"},
                                       {"retry-after", "3"}})
                              .facts(kNow);
  EXPECT_EQ(facts.version, "3");
  EXPECT_EQ(facts.status, 203);
  EXPECT_EQ(facts.content_type, "text/html");
  EXPECT_EQ(facts.encoding, "br");
  EXPECT_EQ(facts.age_s, 17U);
  EXPECT_EQ(facts.cache, "x-cache: HIT");
  EXPECT_EQ(facts.retry_after_s, 3U);
}

TEST(Http3Response, HeadersCountAsHttp1WouldSendThem) {
  EXPECT_EQ(response_of({{":status", "200"}, {"age", "1"}}).facts(kNow).header_bytes,
            std::string_view(":status: 200\r\nage: 1\r\n").size());
}

TEST(Http3Response, WhatAnInterimResponseSaidIsForgotten) {
  Http3Response response = response_of({{":status", "103"}, {"age", "1"}});
  EXPECT_FALSE(response.has_status());
  response.begin_headers();
  response.add_header(":status", "200");
  EXPECT_TRUE(response.has_status());
  EXPECT_EQ(response.facts(kNow).age_s, std::nullopt);
}

TEST(Http3Response, AStatusThatIsNoNumberIsNone) {
  for (const char* status : {"", "2x0", "99999999999", " 200"}) {
    const Http3Response response = response_of({{":status", status}});
    EXPECT_FALSE(response.has_status()) << status;
    ASSERT_TRUE(response.fault());
    EXPECT_EQ(response.fault()->kind, FailureKind::HttpMalformed);
  }
}

TEST(Http3Response, AnErrorStatusIsAFault) {
  EXPECT_FALSE(response_of({{":status", "399"}}).fault());
  const auto fault = response_of({{":status", "400"}}).fault();
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FailureKind::HttpStatus);
  EXPECT_EQ(fault->detail, "status 400");
}

TEST(Http3Response, ABodyBeyondTheLimitIsTooLarge) {
  Http3Response response = response_of({{":status", "200"}}, 2048);
  EXPECT_FALSE(response.add_body(2048));
  const auto failure = response.add_body(1);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, FailureKind::TooLarge);
  EXPECT_EQ(failure->detail, "the answer is longer than 2.0KiB");
}

TEST(Http3Response, TheBodyIsComparedWithWhatWasAnnounced) {
  Http3Response response = response_of({{":status", "200"}, {"content-length", "30"}});
  response.add_body(29);
  EXPECT_TRUE(response.is_short());
  EXPECT_EQ(response.progress(), "29 of 30 bytes");
  response.add_body(1);
  EXPECT_FALSE(response.is_short());
  EXPECT_EQ(response.facts(kNow).wire_bytes, 30U);
}

TEST(Http3Response, WithoutALengthNothingIsMissing) {
  Http3Response response = response_of({{":status", "200"}, {"content-length", "-1"}});
  EXPECT_FALSE(response.is_short());
  EXPECT_EQ(response.progress(), "0 bytes");
}

TEST(Http3Response, ManySmallHeadersAreTooLarge) {
  Http3Response response(1000);
  std::size_t taken = 0;
  while (!response.add_header("a", "")) ++taken;
  EXPECT_EQ(taken, Http3Response::kMostHeaders);
}

TEST(Http3Response, AFewLargeHeadersAreTooLarge) {
  Http3Response response(1000);
  const std::string large(Http3Response::kMostHeaderBytes / 2, 'x');
  EXPECT_FALSE(response.add_header("a", large));
  const auto failure = response.add_header("b", large);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, FailureKind::TooLarge);
}

TEST(Http3Response, TheLimitOfHeadersIsThatOfOneBlock) {
  Http3Response response(1000);
  for (int block = 0; block < 3; ++block) {
    response.begin_headers();
    for (std::size_t i = 0; i < Http3Response::kMostHeaders; ++i)
      ASSERT_FALSE(response.add_header("a", ""));
  }
}

}  // namespace
}  // namespace netsonde
