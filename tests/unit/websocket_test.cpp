// SPDX-License-Identifier: Apache-2.0
#include "probes/websocket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netsonde {
namespace {

using testing::HasSubstr;

// The example of RFC 6455 1.3.
TEST(WebSocket, TheAcceptIsMadeOfTheKey) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocket, AKeyIsSixteenBytesOfWhichNoTwoAreAlike) {
  EXPECT_EQ(new_websocket_key().size(), 24U);
  EXPECT_TRUE(new_websocket_key().ends_with("=="));
  EXPECT_NE(new_websocket_key(), new_websocket_key());
}

TEST(WebSocket, TheRequestAsksForAnUpgrade) {
  const Target target = {
      .scheme = Scheme::Ws, .host = "example.test", .port = 8080, .path = "/chat?a=b"};
  const std::string request = upgrade_request(target, "KEY", {{"Origin", "https://a.test"}});
  EXPECT_TRUE(request.starts_with("GET /chat?a=b HTTP/1.1\r\nHost: example.test:8080\r\n"));
  for (const char* line : {"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: KEY",
                           "Sec-WebSocket-Version: 13", "Origin: https://a.test"})
    EXPECT_THAT(request, HasSubstr("\r\n" + std::string(line) + "\r\n"));
  EXPECT_TRUE(request.ends_with("\r\n\r\n"));
}

TEST(WebSocket, ThePortOfTheSchemeIsNotNamed) {
  EXPECT_THAT(upgrade_request({.scheme = Scheme::Wss, .host = "a.test", .port = 443}, "KEY", {}),
              testing::StartsWith("GET / HTTP/1.1\r\nHost: a.test\r\n"));
  EXPECT_THAT(upgrade_request({.scheme = Scheme::Wss, .host = "::1", .port = 80}, "KEY", {}),
              HasSubstr("Host: [::1]:80\r\n"));
}

UpgradeAnswer answer_of(std::string_view head) {
  auto answer = parse_upgrade(head);
  EXPECT_TRUE(answer) << answer.error().message();
  return answer ? std::move(answer).value() : UpgradeAnswer{};
}

TEST(WebSocket, AnAnswerIsReadWhateverItsCaseAndBlanks) {
  const UpgradeAnswer answer = answer_of(
      "HTTP/1.1 101 Switching Protocols\r\nUPGRADE:WebSocket\r\nconnection:  keep-alive , upgrade"
      "\r\nSec-WebSocket-ACCEPT: \tabc= \r\nServer: x");
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.version, "1.1");
  EXPECT_TRUE(answer.upgrades);
  EXPECT_EQ(answer.accept, "abc=");
  EXPECT_THAT(answer.lines, testing::Contains("Server: x"));
}

TEST(WebSocket, AnAnswerUpgradesOnlyWithBothHeaders) {
  EXPECT_FALSE(answer_of("HTTP/1.1 101 x\r\nUpgrade: websocket").upgrades);
  EXPECT_FALSE(answer_of("HTTP/1.1 101 x\r\nConnection: upgrade").upgrades);
  EXPECT_FALSE(answer_of("HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade").upgrades);
  EXPECT_FALSE(answer_of("HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgraded").upgrades);
}

TEST(WebSocket, AStatusNeedsNoWordsAndNoHeaders) {
  EXPECT_EQ(answer_of("HTTP/1.0 403").status, 403);
  EXPECT_EQ(answer_of("HTTP/1.1 200 OK\n\n\r\n::\r\nx").status, 200);
}

TEST(WebSocket, WhatIsNoAnswerIsAnError) {
  for (const char* head :
       {"", "\r\n", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 10", "HTTP/1.1 1a1", "HTTP/1.1 -11 ",
        "HTTP/1.1 099", "HTTP/2 101", "HTTP/1.12 101", "ICY 200 OK", "SSH-2.0-OpenSSH_9.2"})
    EXPECT_FALSE(parse_upgrade(head)) << head;
}

TEST(WebSocket, AControlFrameOfTheClientIsMasked) {
  const std::string frame = control_frame(WebSocketOp::Ping, "Hello");
  ASSERT_EQ(frame.size(), 11U);
  EXPECT_EQ(static_cast<unsigned char>(frame[0]), 0x89);
  EXPECT_EQ(static_cast<unsigned char>(frame[1]), 0x85);
  std::string payload;
  for (std::size_t i = 0; i < 5; ++i)
    payload += static_cast<char>(static_cast<unsigned char>(frame[6 + i]) ^
                                 static_cast<unsigned char>(frame[2 + i % 4]));
  EXPECT_EQ(payload, "Hello");
  EXPECT_NE(frame.substr(2, 4), control_frame(WebSocketOp::Ping, "Hello").substr(2, 4));
}

using Header = std::optional<FrameHeader>;

Header header_of(std::string_view bytes) {
  const auto header = parse_frame_header(bytes);
  EXPECT_TRUE(header) << header.error().message();
  return header ? header.value() : std::nullopt;
}

std::string bytes(std::initializer_list<unsigned char> values) {
  return {values.begin(), values.end()};
}

// RFC 6455 5.7 and 5.2.
TEST(WebSocket, AFrameIsAsLongAsItSays) {
  const Header small = header_of(bytes({0x8a, 0x05, 'H'}));
  EXPECT_EQ(small.value().op, WebSocketOp::Pong);
  EXPECT_EQ(small->header_bytes, 2U);
  EXPECT_EQ(small->payload_bytes, 5U);
  const Header medium = header_of(bytes({0x82, 0x7e, 0x01, 0x00}));
  EXPECT_EQ(medium.value().header_bytes, 4U);
  EXPECT_EQ(medium->payload_bytes, 256U);
  const Header large = header_of(bytes({0x01, 0x7f, 0, 0, 0, 0, 0, 1, 0, 2}));
  EXPECT_EQ(large.value().header_bytes, 10U);
  EXPECT_EQ(large->payload_bytes, 65'538U);
}

TEST(WebSocket, AFrameThatIsCutIsWaitedFor) {
  EXPECT_FALSE(header_of(""));
  EXPECT_FALSE(header_of(bytes({0x8a})));
  EXPECT_FALSE(header_of(bytes({0x82, 0x7e, 0x01})));
  EXPECT_FALSE(header_of(bytes({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0})));
}

TEST(WebSocket, AFrameThatNoServerMaySendIsAnError) {
  EXPECT_FALSE(parse_frame_header(bytes({0xca, 0x00})));  // reserved
  EXPECT_FALSE(parse_frame_header(bytes({0x8a, 0x80})));  // masked
  EXPECT_FALSE(parse_frame_header(bytes({0x83, 0x00})));
  EXPECT_FALSE(parse_frame_header(bytes({0x8b, 0x00})));
  EXPECT_FALSE(parse_frame_header(bytes({0x8a, 0x7e})));  // a long pong
  EXPECT_FALSE(parse_frame_header(bytes({0x0a, 0x00})));  // a piece of one
}

TEST(WebSocket, ACloseMayHaveAStatus) {
  EXPECT_EQ(close_status(bytes({0x03, 0xe9, 'x'})), 1001U);
  EXPECT_EQ(close_status(""), 1005U);
  EXPECT_EQ(close_status("x"), 1005U);
}

}  // namespace
}  // namespace netsonde
