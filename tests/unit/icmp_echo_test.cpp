// SPDX-License-Identifier: Apache-2.0
#include "probes/icmp_echo.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::byte operator""_b(unsigned long long value) {
  return static_cast<std::byte>(value);
}

// With every number of its own.
IcmpEcho echo(bool ipv6 = false) {
  IcmpEcho echo{.ipv6 = ipv6, .sequence = 0x0102, .identifier = 0x0304};
  for (std::size_t i = 0; i < echo.cookie.size(); ++i) echo.cookie[i] = static_cast<std::byte>(i);
  return echo;
}

Bytes request_of(const IcmpEcho& echo) {
  const auto bytes = echo.bytes();
  return {bytes.begin(), bytes.end()};
}

Bytes reply_to(const IcmpEcho& echo) {
  Bytes bytes = request_of(echo);
  bytes[0] = echo.ipv6 ? 129_b : 0_b;
  return bytes;
}

TEST(IcmpEchoTest, TheRequestIsAsItsRfcSays) {
  const Bytes bytes = request_of(echo());
  EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + 2), (Bytes{8_b, 0_b}));
  EXPECT_EQ(Bytes(bytes.begin() + 4, bytes.begin() + 8), (Bytes{3_b, 4_b, 1_b, 2_b}));
  EXPECT_EQ(request_of(echo(true))[0], 128_b);
}

// RFC 1071: the sum of all words, the checksum among them, is all ones.
TEST(IcmpEchoTest, TheChecksumMakesTheSumAllOnes) {
  std::uint32_t sum = 0;
  const Bytes bytes = request_of(echo());
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    sum += std::to_integer<std::uint32_t>(bytes[i]) << 8 |
           std::to_integer<std::uint32_t>(bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  EXPECT_EQ(sum, 0xffffU);
}

TEST(IcmpEchoTest, NoTwoAreAlike) {
  const IcmpEcho a = IcmpEcho::make(false), b = IcmpEcho::make(false);
  EXPECT_NE(a.cookie, b.cookie);
  EXPECT_NE(a.identifier, 0);
}

TEST(IcmpEchoTest, AReplyIsItsOwnRequestComeBack) {
  EXPECT_TRUE(echo().is_answered_by(reply_to(echo())));
  EXPECT_TRUE(echo(true).is_answered_by(reply_to(echo(true))));
  EXPECT_FALSE(echo().is_answered_by(request_of(echo())));
  EXPECT_FALSE(echo().is_answered_by(reply_to(echo(true))));
}

TEST(IcmpEchoTest, AReplyThatDiffersInAnyByteButTheChecksumIsNotOurs) {
  for (std::size_t i = 0; i < reply_to(echo()).size(); ++i) {
    Bytes reply = reply_to(echo());
    reply[i] ^= 1_b;
    EXPECT_EQ(echo().is_answered_by(reply), i == 2 || i == 3) << i;
  }
}

TEST(IcmpEchoTest, AReplyOfAnotherLengthIsNotOurs) {
  Bytes reply = reply_to(echo());
  reply.push_back(0_b);
  EXPECT_FALSE(echo().is_answered_by(reply));
  for (std::size_t size = 0; size < 24; ++size)
    EXPECT_FALSE(echo().is_answered_by(std::span(reply).first(size))) << size;
}

TEST(IcmpEchoTest, AnIdentifierThatTheKernelChoseIsNotCompared) {
  IcmpEcho of_ping_socket = echo();
  of_ping_socket.identifier = 0;
  EXPECT_TRUE(of_ping_socket.is_answered_by(reply_to(echo())));
}

TEST(IcmpEchoTest, AQuoteMayBeCutBehindTheHeader) {
  const Bytes request = request_of(echo());
  for (std::size_t size = 0; size <= request.size(); ++size)
    EXPECT_EQ(echo().is_quoted_by(std::span(request).first(size)), size >= 8) << size;
}

TEST(IcmpEchoTest, AQuoteOfAnotherRequestIsNotOurs) {
  Bytes request = request_of(echo());
  request.back() ^= 1_b;
  EXPECT_FALSE(echo().is_quoted_by(request));
  EXPECT_FALSE(echo().is_quoted_by(reply_to(echo())));
}

TEST(IcmpEchoTest, TheIpHeaderIsAsLongAsItSays) {
  Bytes packet(32, 0_b);
  packet[0] = 0x45_b;
  EXPECT_EQ(without_ipv4_header(packet).size(), 12U);
  packet[0] = 0x46_b;
  EXPECT_EQ(without_ipv4_header(packet).size(), 8U);
}

TEST(IcmpEchoTest, AnIpHeaderThatMakesNoSenseHasNothingBehindIt) {
  Bytes packet(32, 0_b);
  packet[0] = 0x44_b;
  EXPECT_TRUE(without_ipv4_header(packet).empty());
  packet[0] = 0x4f_b;
  EXPECT_TRUE(without_ipv4_header(packet).empty());
  EXPECT_TRUE(without_ipv4_header(std::span(packet).first(19)).empty());
}

TEST(IcmpEchoTest, ErrorsHaveTheirMeaningPerFamily) {
  EXPECT_EQ(icmp_text(false, 3, 1), "host unreachable");
  EXPECT_EQ(icmp_text(true, 3, 0), "time exceeded");
  EXPECT_EQ(icmp_text(false, 3, 99), "ICMP type 3, code 99");
  EXPECT_EQ(icmp_text(true, 4, 1), "ICMPv6 type 4, code 1");
}

}  // namespace
}  // namespace netsonde
