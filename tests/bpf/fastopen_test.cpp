// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/bpf/capture.h"
#include "tests/bpf/path.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

// Both ends take data in the SYN, without a cookie.
constexpr const char* kFastOpenBoth = "519";

class FastOpenTest : public testing::Test {
 protected:
  FastOpenTest() {
    set_ipv4("tcp_fastopen", kFastOpenBoth);
    listener_ = listen_on();
    listener_.set(IPPROTO_TCP, TCP_FASTOPEN, 16);
  }

  // Sends the bytes in the SYN.
  Socket open_with(std::string_view bytes, bool block = true) const {
    Socket client = Socket::make();
    if (!block) client.make_nonblocking();
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(listener_.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const ssize_t sent = sendto(client.fd(), bytes.data(), bytes.size(), MSG_FASTOPEN,
                                reinterpret_cast<sockaddr*>(&to), sizeof(to));
    must(sent == static_cast<ssize_t>(bytes.size()) || (!block && errno == EINPROGRESS),
         "send in a SYN");
    return client;
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_;
  Capture capture_;
};

TEST_F(FastOpenTest, DataInTheSynIsCountedOnBothEnds) {
  Pair pair;
  pair.client = open_with("early");
  pair.server = listener_.accept();
  pair.server.receive(5);
  const std::uint64_t client = pair.client.cookie(), server = pair.server.cookie();
  close_in_order(pair);
  EXPECT_EQ(kernel_counter("TcpExtTCPFastOpenPassive"), 1U);
  EXPECT_EQ(capture_.close(client).tx_bytes, 5U);
  EXPECT_EQ(capture_.close(server).rx_bytes, 5U);
}

TEST_F(FastOpenTest, IsAnOptionOfTheClient) {
  const Socket client = open_with("early");
  const Socket server = listener_.accept();
  server.receive(5);
  ASSERT_TRUE(client.info().tcpi_options & TCPI_OPT_SYN_DATA);
  EXPECT_TRUE(capture_.sample(client.cookie()).options & EV_OPT_FASTOPEN);
}

TEST_F(FastOpenTest, BothEndsHaveTheUsualLife) {
  Pair pair;
  pair.client = open_with("early");
  pair.server = listener_.accept();
  pair.server.receive(5);
  const std::uint64_t client = pair.client.cookie(), server = pair.server.cookie();
  close_in_order(pair);
  capture_.close(client);
  capture_.close(server);
  EXPECT_EQ(capture_.story(client), "connect established close");
  EXPECT_EQ(capture_.story(server), "established accept close");
  EXPECT_EQ(capture_.close(server).conn.direction, EV_IN);
}

// The server's process takes and reads the connection while its handshake still waits for the ACK.
TEST_F(FastOpenTest, AConnectionUsedBeforeItsHandshakeKeepsItsOwner) {
  Pair pair;
  Shared<std::uint64_t> cookie;
  Signal read, go_on;
  Child worker([&] {
    const Socket server = listener_.accept();
    *cookie = server.cookie();
    server.receive(5);
    read.raise();
    go_on.wait();
    server.wait_for_end();
  });
  {
    const Rule rule(space_, "input", packets_to(listener_) + " tcp flags & syn != syn");
    pair.client = open_with("early", false);
    read.wait();
    ASSERT_TRUE(capture_.wait_for(EV_ESTABLISHED, pair.client.cookie()));
    EXPECT_TRUE(capture_.all<ev_open>(EV_ESTABLISHED, *cookie).empty());
  }
  ASSERT_TRUE(capture_.wait_for(EV_ESTABLISHED, *cookie));
  go_on.raise();
  pair.client.shut_down();
  const ev_sample close = capture_.close(*cookie);
  EXPECT_EQ(close.conn.pid, static_cast<std::uint32_t>(worker.pid()));
  EXPECT_EQ(close.conn.owner, EV_OWNER_EXACT);
  EXPECT_EQ(close.conn.direction, EV_IN);
  EXPECT_EQ(capture_.all<ev_open>(EV_ACCEPT, *cookie).size(), 1U);
  EXPECT_EQ(close.rx_bytes, 5U);
}

}  // namespace
}  // namespace netsonde::test
