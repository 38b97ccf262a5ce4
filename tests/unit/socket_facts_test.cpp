// SPDX-License-Identifier: Apache-2.0
#include "probes/socket_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>

#include "tests/unit/loopback.h"

namespace netsonde::test {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr int kEstablished = 1;  // TCP_ESTABLISHED

UniqueFd new_socket(int family = AF_INET) {
  return UniqueFd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

// A connection over the loopback, and what its client was told of it.
class SocketFactsTest : public testing::Test {
 protected:
  void SetUp() override {
    const sockaddr_in address = loopback_address(server_.port());
    ASSERT_EQ(connect(client_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    peer_ = server_.accept();
    ASSERT_TRUE(peer_);
  }

  void send(int fd, std::size_t size) {
    const std::string bytes(size, 'x');
    ASSERT_EQ(::send(fd, bytes.data(), size, 0), static_cast<ssize_t>(size));
  }
  // Bytes there, and as many back, which acknowledge them.
  void exchange(std::size_t size) {
    std::string bytes(size, '\0');
    send(client_.get(), size);
    ASSERT_EQ(recv(peer_.get(), bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
    send(peer_.get(), size);
    ASSERT_EQ(recv(client_.get(), bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  }
  tcp_info info() const {
    tcp_info info = {};
    socklen_t size = sizeof(info);
    EXPECT_EQ(getsockopt(client_.get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    return info;
  }
  SocketCounters counters() const { return read_counters(client_.get()).value(); }

  LoopbackServer server_;
  UniqueFd client_ = new_socket();
  UniqueFd peer_;
};

TEST_F(SocketFactsTest, TheRoundTripIsTheSynsUntilDataWasSent) {
  const SocketCounters connected = counters();
  EXPECT_EQ(connected.state, kEstablished);
  ASSERT_TRUE(connected.srtt);
  EXPECT_EQ(connected.srtt, connected.min_rtt);
  EXPECT_EQ(*connected.srtt, microseconds(info().tcpi_rtt));
  KernelFacts facts = facts_of(client_.get(), connected);
  note_handshake(facts, connected, milliseconds(5));
  EXPECT_EQ(facts.syn_rtt, connected.srtt);
  EXPECT_EQ(facts.syn_retransmits, 0U);
  EXPECT_EQ(facts.prober_delay, milliseconds(5) - *connected.srtt);
}

TEST_F(SocketFactsTest, OnceDataWasSentTheHandshakeIsNotKnown) {
  exchange(100);
  KernelFacts facts;
  note_handshake(facts, counters(), milliseconds(5));
  EXPECT_FALSE(facts.syn_rtt);
  EXPECT_FALSE(facts.syn_retransmits);
  EXPECT_FALSE(facts.prober_delay);
}

TEST_F(SocketFactsTest, FactsAreWhatTheKernelSaysOfTheSocket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  ASSERT_EQ(getsockopt(client_.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
  int buffer = 0;
  size = sizeof(buffer);
  ASSERT_EQ(getsockopt(client_.get(), SOL_SOCKET, SO_RCVBUF, &buffer, &size), 0);
  std::array<char, 16> congestion{};
  size = congestion.size();
  ASSERT_EQ(getsockopt(client_.get(), IPPROTO_TCP, TCP_CONGESTION, congestion.data(), &size), 0);
  const KernelFacts facts = facts_of(client_.get(), counters());
  EXPECT_EQ(facts.cookie, cookie);
  EXPECT_EQ(facts.receive_buffer_bytes, static_cast<std::uint32_t>(buffer));
  EXPECT_EQ(facts.congestion_control, congestion.data());
  EXPECT_EQ(facts.dscp, 0);
  EXPECT_EQ(facts.cwnd_segments, info().tcpi_snd_cwnd);
}

TEST_F(SocketFactsTest, SegmentsOfAReusedConnectionAreThoseSinceThen) {
  exchange(100);
  const SocketCounters before = counters();
  exchange(100);
  const SocketCounters now = counters();
  EXPECT_EQ(facts_of(client_.get(), now).segments_sent, info().tcpi_segs_out);
  EXPECT_EQ(facts_of(client_.get(), now, before).segments_sent,
            *now.segments_out - *before.segments_out);
  EXPECT_LT(facts_of(client_.get(), now, before).segments_sent, info().tcpi_segs_out);
}

TEST(SocketFacts, WhatIsSentAgainCountsSinceThenToo) {
  const SocketCounters before = {.total_retrans = 3, .segments_out = ~0U};
  const SocketCounters now = {.total_retrans = 5, .segments_out = 9};
  const KernelFacts facts = facts_of(-1, now, before);
  EXPECT_EQ(facts.retransmitted_segments, 2U);
  EXPECT_EQ(facts.segments_sent, 10U);  // the kernel's counter went round
  EXPECT_EQ(facts.loss_percent(), 20.0);
}

TEST(SocketFacts, WhatWasNotMeasuredIsAbsent) {
  const UniqueFd socket = new_socket();
  const SocketCounters counters = read_counters(socket.get()).value();
  EXPECT_FALSE(counters.srtt);
  EXPECT_FALSE(counters.min_rtt);
  EXPECT_FALSE(counters.delivery_bytes_per_s);
}

TEST(SocketFacts, NoTcpSocketHasNoCounters) {
  const UniqueFd udp(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_FALSE(read_counters(udp.get()));
  EXPECT_FALSE(read_counters(-1));
}

TEST(SocketFacts, ASynSentAgainHasNoRoundTrip) {
  KernelFacts facts;
  note_handshake(facts, {.total_retrans = 1, .srtt = milliseconds(1), .data_segments_out = 0U},
                 milliseconds(1002));
  EXPECT_FALSE(facts.syn_rtt);
  EXPECT_FALSE(facts.prober_delay);
  EXPECT_EQ(facts.syn_retransmits, 1U);
}

TEST(SocketFacts, ThePartOfTheProberIsNeverNegative) {
  KernelFacts facts;
  note_handshake(facts, {.srtt = microseconds(12), .data_segments_out = 0U}, microseconds(11));
  EXPECT_EQ(facts.prober_delay, Nanos(0));
}

TEST(SocketOptionsApplied, AreReadBack) {
  const UniqueFd socket = new_socket();
  ASSERT_TRUE(
      apply(socket.get(),
            {.congestion = "reno", .receive_buffer = 20'000, .notsent_lowat = 16'384, .dscp = 46}));
  const KernelFacts facts = facts_of(socket.get(), {});
  EXPECT_EQ(facts.congestion_control, "reno");
  EXPECT_EQ(facts.receive_buffer_bytes, 40'000U);  // the kernel adds as much for its own use
  EXPECT_EQ(facts.dscp, 46);
  int lowat = 0;
  socklen_t size = sizeof(lowat);
  ASSERT_EQ(getsockopt(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, &size), 0);
  EXPECT_EQ(lowat, 16'384);
}

TEST(SocketOptionsApplied, DscpHoldsForIpv6) {
  const UniqueFd socket = new_socket(AF_INET6);
  if (!socket) GTEST_SKIP() << "this host has no IPv6";
  ASSERT_TRUE(apply(socket.get(), {.dscp = 10}));
  EXPECT_EQ(facts_of(socket.get(), {}).dscp, 10);
}

int no_delay(const SocketOptions& options) {
  const UniqueFd socket = new_socket();
  EXPECT_TRUE(apply(socket.get(), options));
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  return value;
}

TEST(SocketOptionsApplied, SmallWritesAreNotHeldBackUnlessAskedFor) {
  EXPECT_EQ(no_delay({}), 1);
  EXPECT_EQ(no_delay({.delay = true}), 0);
}

TEST(SocketOptionsApplied, AnUnknownCongestionControlFailsByName) {
  const UniqueFd socket = new_socket();
  const auto applied = apply(socket.get(), {.congestion = "no\x1bsuch"});
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message(), testing::HasSubstr("'no\\x1bsuch'"));
  EXPECT_THAT(applied.error().message(),
              testing::HasSubstr("net.ipv4.tcp_available_congestion_control"));
}

// A SYN was sent unless told otherwise.
Failure failure(int error, SocketCounters counters = {.segments_out = 1}) {
  return connect_failure({.error = error,
                          .address = *parse_address("192.0.2.1"),
                          .port = 81,
                          .after = microseconds(200),
                          .counters = counters});
}

TEST(ConnectFailure, IsByTheErrorAndWhetherItCameFromOutside) {
  EXPECT_EQ(failure(ECONNREFUSED).kind, FailureKind::ConnectRefused);
  EXPECT_EQ(failure(ETIMEDOUT).kind, FailureKind::ConnectTimeout);
  EXPECT_EQ(failure(ECONNRESET).kind, FailureKind::Reset);
  EXPECT_EQ(failure(EHOSTUNREACH).kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure(EACCES).kind, FailureKind::ConnectUnreachable);
  EXPECT_EQ(failure(EACCES, {.segments_out = 0}).kind, FailureKind::ConnectLocal);
  EXPECT_EQ(failure(EADDRNOTAVAIL, {.segments_out = 0}).kind, FailureKind::ConnectLocal);
  EXPECT_EQ(failure(ENETUNREACH, {.segments_out = 0}).kind, FailureKind::ConnectUnreachable);
}

TEST(ConnectFailure, OfUnknownCountersIsByTheErrorAlone) {
  EXPECT_EQ(connect_failure({.error = EACCES}).kind, FailureKind::ConnectLocal);
  EXPECT_EQ(connect_failure({.error = ETIMEDOUT, .after = milliseconds(500)}).detail,
            "no answer to the SYN within 500ms");
}

TEST(ConnectFailure, DetailsHaveTheFigures) {
  EXPECT_EQ(failure(ECONNREFUSED).detail, "refused by 192.0.2.1:81 after 200us");
  EXPECT_EQ(failure(ETIMEDOUT, {.total_retrans = 2, .segments_out = 3}).detail,
            "no answer to 3 SYNs within 200us");
  EXPECT_EQ(failure(ETIMEDOUT).detail, "no answer to 1 SYN within 200us");
  EXPECT_EQ(failure(ENETUNREACH, {.segments_out = 0}).detail,
            "no route to 192.0.2.1:81: Network is unreachable");
  EXPECT_EQ(failure(EHOSTUNREACH).detail,
            "192.0.2.1:81 is unreachable, known after 200us: No route to host");
  EXPECT_EQ(failure(EADDRNOTAVAIL, {.segments_out = 0}).detail,
            "connect to 192.0.2.1:81: Cannot assign requested address");
}

}  // namespace
}  // namespace netsonde::test
