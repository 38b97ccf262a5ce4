// SPDX-License-Identifier: Apache-2.0
#include "probes/udp_socket.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "tests/unit/loopback.h"
#include "user/base/loop.h"

namespace netsonde {
namespace {

using test::LoopbackServer;

const Address kLoopback = *parse_address("127.0.0.1");
constexpr int kDeadlineMs = 20'000;

class UdpSocketTest : public testing::Test {
 protected:
  void connect_to_server() {
    ASSERT_TRUE(server_.ok());
    ASSERT_FALSE(socket_.connect(kLoopback, server_.port(), {}));
  }

  void wait_for(short events) const {
    pollfd waited = {.fd = socket_.fd(), .events = events, .revents = 0};
    ASSERT_EQ(poll(&waited, 1, kDeadlineMs), 1);
  }

  // From the server to the socket.
  void answer(std::size_t bytes) const {
    const auto end = socket_.local_end();
    const std::string text(bytes, 'x');
    ASSERT_EQ(sendto(server_.fd(), text.data(), bytes, 0,
                     reinterpret_cast<const sockaddr*>(&end.address), end.size),
              static_cast<ssize_t>(bytes));
  }

  std::int64_t wall_clock_ns() const {
    return kernel_now().time_since_epoch().count() + realtime_offset_ns();
  }

  LoopbackServer server_{SOCK_DGRAM};
  UdpSocket socket_;
  std::array<std::uint8_t, 64> buffer_{};
};

TEST_F(UdpSocketTest, WhatIsSentArrives) {
  connect_to_server();
  const std::array<std::uint8_t, 3> sent = {1, 2, 3};
  EXPECT_FALSE(socket_.send(sent));
  std::array<std::uint8_t, 3> got{};
  EXPECT_EQ(recv(server_.fd(), got.data(), got.size(), 0), 3);
  EXPECT_EQ(got, sent);
}

TEST_F(UdpSocketTest, NothingIsThereUntilItCame) {
  connect_to_server();
  EXPECT_FALSE(socket_.receive(buffer_));
  EXPECT_FALSE(socket_.trouble());
  answer(5);
  wait_for(POLLIN);
  const auto datagram = socket_.receive(buffer_);
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->bytes.size(), 5U);
}

TEST_F(UdpSocketTest, WhatDoesNotFitIsThrownAway) {
  connect_to_server();
  answer(buffer_.size() + 1);
  wait_for(POLLIN);
  const auto datagram = socket_.receive(buffer_);
  ASSERT_TRUE(datagram);
  EXPECT_TRUE(datagram->bytes.empty());
}

// Once the kernel notes arrivals: a moment after the first socket of this host asked for it.
TEST_F(UdpSocketTest, TheKernelNotesTheArrivalNotTheReading) {
  connect_to_server();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
  std::optional<std::int64_t> arrived;
  std::int64_t reading = 0;
  while (!arrived && std::chrono::steady_clock::now() < deadline) {
    answer(1);
    wait_for(POLLIN);
    poll(nullptr, 0, 20);
    reading = wall_clock_ns();
    const auto datagram = socket_.receive(buffer_);
    ASSERT_TRUE(datagram);
    arrived = datagram->arrived_ns;
  }
  ASSERT_TRUE(arrived);
  const std::int64_t read_after = reading - *arrived;
  EXPECT_GE(read_after, 20'000'000);
  EXPECT_LT(read_after, 20'000'000'000);
}

TEST_F(UdpSocketTest, AClosedPortIsToldByIcmp) {
  connect_to_server();
  server_.close();
  EXPECT_FALSE(socket_.send(std::array<std::uint8_t, 1>{}));
  wait_for(0);
  const auto trouble = socket_.trouble();
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->error, ECONNREFUSED);
  EXPECT_EQ(trouble->from, kLoopback);
  EXPECT_EQ(failure_kind_of(*trouble), FailureKind::ConnectRefused);
  EXPECT_EQ(to_text(*trouble), "Connection refused (ICMP from 127.0.0.1)");
  EXPECT_FALSE(socket_.trouble());
}

TEST_F(UdpSocketTest, WhoSendsNextIsToldOfAnIcmpError) {
  connect_to_server();
  server_.close();
  EXPECT_FALSE(socket_.send(std::array<std::uint8_t, 1>{}));
  wait_for(0);
  const auto trouble = socket_.send(std::array<std::uint8_t, 1>{});
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->error, ECONNREFUSED);
  EXPECT_EQ(trouble->from, kLoopback);
}

TEST_F(UdpSocketTest, AnIpv6PeerIsToldByIcmpToo) {
  const Address loopback = *parse_address("::1");
  if (const auto trouble = socket_.connect(loopback, 1, {}))
    GTEST_SKIP() << "no IPv6 here: " << to_text(*trouble);
  EXPECT_FALSE(socket_.send(std::array<std::uint8_t, 1>{}));
  wait_for(0);
  const auto trouble = socket_.trouble();
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->error, ECONNREFUSED);
  EXPECT_EQ(trouble->from, loopback);
}

TEST_F(UdpSocketTest, ADatagramLargerThanTheLinkIsNotSent) {
  connect_to_server();
  const std::vector<std::uint8_t> large(65'500);
  EXPECT_FALSE(socket_.send(large));  // a loopback carries them
  const std::vector<std::uint8_t> too_large(65'508);
  const auto trouble = socket_.send(too_large);
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->error, EMSGSIZE);
}

TEST_F(UdpSocketTest, OptionsAreReadBackFromTheKernel) {
  ASSERT_FALSE(socket_.connect(kLoopback, server_.port(), {.receive_buffer = 50'000, .dscp = 46}));
  EXPECT_EQ(socket_.dscp(), 46);
  EXPECT_EQ(socket_.receive_buffer_bytes(), 100'000U);  // socket(7): twice what was asked for
  EXPECT_NE(socket_.cookie(), 0U);
}

TEST(UdpTrouble, KindsTellThisHostFromTheWay) {
  EXPECT_EQ(failure_kind_of({.error = EHOSTUNREACH}), FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure_kind_of({.error = ENETUNREACH}), FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure_kind_of({.error = EACCES, .from = kLoopback}), FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure_kind_of({.error = EACCES}), FailureKind::ConnectLocal);
  EXPECT_EQ(failure_kind_of({.error = EPERM}), FailureKind::ConnectLocal);
}

}  // namespace
}  // namespace netsonde
