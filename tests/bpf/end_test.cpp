// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/bpf/capture.h"
#include "tests/bpf/path.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

class EndTest : public testing::Test {
 protected:
  // Starts like every connection that ends badly later: 1000 bytes there, 500 back.
  Pair talking() {
    Pair pair = connected_pair(listener_);
    exchange(pair.client, pair.server, 1000, 500);
    client_ = pair.client.cookie();
    server_ = pair.server.cookie();
    return pair;
  }

  std::string_view end_of(std::uint64_t cookie) { return end_name(capture_.close(cookie)); }

  void expect_ends(std::string_view client, std::string_view server) {
    EXPECT_EQ(end_of(client_), client);
    EXPECT_EQ(end_of(server_), server);
  }

  void expect_bytes(std::uint64_t cookie, std::uint64_t sent, std::uint64_t received) {
    EXPECT_EQ(capture_.close(cookie).tx_bytes, sent);
    EXPECT_EQ(capture_.close(cookie).rx_bytes, received);
  }

  // What one sent, the other received.
  void expect_payload(std::uint64_t there, std::uint64_t back) {
    expect_bytes(client_, there, back);
    expect_bytes(server_, back, there);
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on();
  Capture capture_;
  std::uint64_t client_ = 0, server_ = 0;
};

TEST_F(EndTest, AnOrderlyEndIsFinOnBothSides) {
  Pair pair = talking();
  close_in_order(pair);
  expect_ends("fin", "fin");
  expect_payload(1000, 500);
}

TEST_F(EndTest, BothFinsAreSeenAndAcknowledged) {
  Pair pair = talking();
  close_in_order(pair);
  const int kAll = EV_END_FIN_SENT | EV_END_FIN_ACKED | EV_END_FIN_RECEIVED;
  EXPECT_EQ(capture_.close(client_).end & kAll, kAll);
  EXPECT_EQ(capture_.close(server_).end & kAll, kAll);
}

TEST_F(EndTest, DataAfterTheOtherSidesFinCounts) {
  Pair pair = talking();
  pair.client.shut_down();
  pair.server.receive_all();
  pair.server.send(std::string(30'000, 'l'));
  pair.server.close();
  EXPECT_EQ(pair.client.receive_all(), 30'000U);
  pair.client.close();
  EXPECT_EQ(end_of(client_), "fin");
  expect_payload(1000, 30'500);
}

TEST_F(EndTest, AnAbortIsResetSentHereAndReceivedThere) {
  Pair pair = talking();
  pair.client.reset();
  EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  expect_ends("reset_sent", "reset_received");
  expect_payload(1000, 500);
}

TEST_F(EndTest, AnAbortWithDataOnTheWayCountsWhatArrived) {
  Pair pair = talking();
  pair.server.send(std::string(300, 'u'));
  ASSERT_TRUE(wait_until_acknowledged(pair.server));
  pair.client.reset();
  EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  expect_payload(1000, 800);
}

TEST_F(EndTest, AClosedPortRefuses) {
  const Socket client = Socket::make();
  const std::uint16_t port = Socket(listen_on()).port();
  EXPECT_EQ(client.try_connect({.port = port}), ECONNREFUSED);
  EXPECT_EQ(end_of(client.cookie()), "refused");
  EXPECT_EQ(capture_.close(client.cookie()).established_ns, 0U);
  expect_bytes(client.cookie(), 0, 0);
}

TEST_F(EndTest, ClosingWithUnreadDataResets) {
  Pair pair = talking();
  pair.client.send(std::string(700, 'u'));
  ASSERT_TRUE(wait_until_acknowledged(pair.client));
  pair.server.close();
  EXPECT_EQ(pair.client.wait_for_end(), ECONNRESET);
  expect_ends("reset_received", "reset_sent");
  expect_payload(1700, 500);
}

TEST_F(EndTest, AnUnansweredSynTimesOut) {
  const Rule rule(space_, "input", packets_to(listener_));
  const Socket client = Socket::make();
  client.set(IPPROTO_TCP, TCP_SYNCNT, 1);
  client.set(IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
  EXPECT_EQ(client.try_connect({.port = listener_.port()}), ETIMEDOUT);
  EXPECT_EQ(end_of(client.cookie()), "timeout");
  EXPECT_EQ(capture_.close(client.cookie()).retransmits_syn, rule.packets() - 1);
  expect_bytes(client.cookie(), 0, 0);
}

TEST_F(EndTest, UnansweredDataTimesOut) {
  Pair pair = talking();
  const Rule rule(space_, "input", packets_to(listener_));
  pair.client.set(IPPROTO_TCP, TCP_USER_TIMEOUT, 100);
  pair.client.send(std::string(300, 'x'));
  EXPECT_EQ(pair.client.wait_for_end(), ETIMEDOUT);
  EXPECT_EQ(end_of(client_), "timeout");
  expect_bytes(client_, 1000, 500);
}

TEST_F(EndTest, AnUnreachableHostIsUnreachable) {
  const Rule rule(space_, "input", packets_to(listener_), "reject with icmp type host-unreachable");
  const Socket client = Socket::make();
  EXPECT_EQ(client.try_connect({.port = listener_.port()}), EHOSTUNREACH);
  EXPECT_EQ(end_of(client.cookie()), "unreachable");
}

TEST_F(EndTest, GivingUpBeforeTheHandshakeIsAborted) {
  const Rule rule(space_, "input", packets_to(listener_));
  Socket client = Socket::make();
  client.make_nonblocking();
  EXPECT_EQ(client.try_connect({.port = listener_.port()}), EINPROGRESS);
  const std::uint64_t cookie = client.cookie();
  client.close();
  EXPECT_EQ(end_of(cookie), "aborted");
}

TEST_F(EndTest, GivingUpAfterARejectionIsWhatWasAnswered) {
  const std::pair<const char*, const char*> answers[] = {{"port-unreachable", "refused"},
                                                         {"host-unreachable", "unreachable"}};
  for (const auto& [answer, end] : answers) {
    // The answer comes while connect() still holds the socket.
    const Rule rule(space_, "input", packets_to(listener_),
                    std::string("reject with icmp type ") + answer);
    Socket client = Socket::make();
    client.make_nonblocking();
    EXPECT_EQ(client.try_connect({.port = listener_.port()}), EINPROGRESS);
    const std::uint64_t cookie = client.cookie();
    client.close();
    EXPECT_EQ(end_of(cookie), end);
  }
}

TEST_F(EndTest, BothEndsClosingAtOnceIsFin) {
  Pair pair = talking();
  pair.client.shut_down();
  pair.server.shut_down();
  pair.client.close();
  pair.server.close();
  expect_ends("fin", "fin");
  expect_payload(1000, 500);
}

TEST_F(EndTest, BytesSentTwiceCountOnce) {
  Pair pair;
  {
    const Rule rule(space_, "input", packets_to(listener_) + " numgen inc mod 5 == 3");
    pair = talking();
    for (int i = 0; i < 15; ++i) exchange(pair.client, pair.server, 3000, 1);
  }
  close_in_order(pair);
  EXPECT_GT(capture_.close(client_).retransmitted_bytes, 0U);
  EXPECT_GT(kernel_counter("TcpRetransSegs"), 0U);
  expect_payload(46'000, 515);
}

}  // namespace
}  // namespace netsonde::test
