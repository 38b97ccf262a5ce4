// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/bpf/capture.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

class ResetTest : public testing::Test {
 protected:
  ev_reset reset(bool sent) {
    EXPECT_TRUE(capture_.wait([&] { return count(sent) > 0; }));
    for (const ev_reset& event : capture_.all<ev_reset>(EV_RESET))
      if (event.sent == sent) return event;
    return {};
  }

  std::size_t count(bool sent) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        capture_.all<ev_reset>(EV_RESET), [&](const auto& e) { return e.sent == sent; }));
  }

  // Nothing where the kernel gives no reasons (before 6.10).
  void expect_reason(const ev_reset& event, std::string_view reason) {
    if (!KernelFeatures::read().value().send_reset_has_reason)
      EXPECT_EQ(event.reason, EV_NO_REASON);
    else
      EXPECT_EQ(capture_.names().reset_reason(event.reason), reason);
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on();
  Capture capture_;
};

TEST_F(ResetTest, AnAbortIsSentByOneSideAndReceivedByTheOther) {
  Pair pair = connected_pair(listener_);
  const std::uint64_t client = pair.client.cookie();
  pair.client.reset();
  EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  EXPECT_EQ(reset(true).conn.cookie, client);
  EXPECT_EQ(reset(false).conn.cookie, pair.server.cookie());
  EXPECT_EQ(kernel_counter("TcpOutRsts"), 1U);
  EXPECT_EQ(kernel_counter("TcpEstabResets"), 2U);
}

TEST_F(ResetTest, AnAbortHasTheReasonOfItsCall) {
  Pair pair = connected_pair(listener_);
  pair.client.reset();
  EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  expect_reason(reset(true), "TCP_STATE");
}

TEST_F(ResetTest, UnreadDataIsAReason) {
  Pair pair = connected_pair(listener_);
  pair.client.send("nobody reads this");
  ASSERT_TRUE(wait_until_acknowledged(pair.client));
  pair.server.close();
  EXPECT_EQ(pair.client.wait_for_end(), ECONNRESET);
  expect_reason(reset(true), "TCP_ABORT_ON_CLOSE");
}

TEST_F(ResetTest, ADisconnectIsAReason) {
  const Pair pair = connected_pair(listener_);
  pair.server.send("nobody reads this");
  const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
  ASSERT_EQ(connect(pair.client.fd(), &nobody, sizeof(nobody)), 0);
  EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  expect_reason(reset(true), "TCP_STATE");
}

TEST_F(ResetTest, AClosedPortAnswersWithoutASocket) {
  if (!KernelFeatures::read().value().send_reset_has_reason)
    GTEST_SKIP() << "this kernel (before 6.10) tells only of resets that a socket sends";
  const std::uint16_t port = Socket(listen_on()).port();
  const Socket client = Socket::make();
  EXPECT_EQ(client.try_connect({.port = port}), ECONNREFUSED);
  const ev_reset sent = reset(true);
  EXPECT_EQ(sent.conn.cookie, 0U);
  EXPECT_EQ(sent.conn.local_port, port);
  EXPECT_EQ(sent.conn.netns, space_.inode());
  expect_reason(sent, "NO_SOCKET");
}

TEST_F(ResetTest, ARefusedClientReceivesTheReset) {
  const std::uint16_t port = Socket(listen_on()).port();
  const Socket client = Socket::make();
  EXPECT_EQ(client.try_connect({.port = port}), ECONNREFUSED);
  EXPECT_EQ(reset(false).conn.cookie, client.cookie());
  EXPECT_EQ(reset(false).conn.remote_port, port);
}

TEST_F(ResetTest, DataForAClosedConnectionIsAnsweredWithAReset) {
  Pair pair = connected_pair(listener_);
  // Else what is left of it may be a time-wait socket, whose resets not every kernel tells of.
  pair.server.set(IPPROTO_TCP, TCP_LINGER2, 100);
  pair.server.close();
  ASSERT_TRUE(wait_until([&] { return pair.client.info().tcpi_state != kEstablished; }));
  pair.client.send("too late");
  pair.client.wait_for_end();
  const ev_reset sent = reset(true);
  EXPECT_EQ(sent.conn.local_port, listener_.port());
  EXPECT_EQ(sent.conn.remote_port, pair.client.port());
  // The kernel also takes the abort for a reset that the closed side has received.
  EXPECT_TRUE(capture_.wait([&] {
    return std::ranges::any_of(capture_.all<ev_reset>(EV_RESET), [&](const ev_reset& event) {
      return !event.sent && event.conn.cookie == pair.client.cookie();
    });
  }));
}

TEST_F(ResetTest, EachResetIsOneEvent) {
  for (int i = 0; i < 30; ++i) {
    Pair pair = connected_pair(listener_);
    pair.client.reset();
    EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  }
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, 0, 60));
  EXPECT_EQ(count(true), kernel_counter("TcpOutRsts"));
  EXPECT_EQ(count(false), 30U);
}

}  // namespace
}  // namespace netsonde::test
