// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/fsuid.h>

#include "tests/bpf/capture.h"
#include "tests/bpf/sockets.h"
#include "user/base/loop.h"
#include "user/base/text.h"

namespace netsonde::test {
namespace {

class LifecycleTest : public testing::TestWithParam<const char*> {
 protected:
  std::string address() const { return GetParam(); }
  Pair connected() const { return connected_pair(listener_, address()); }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on({.address = address()});
  Capture capture_;
};

INSTANTIATE_TEST_SUITE_P(IPv4, LifecycleTest, testing::Values("127.0.0.1"));
INSTANTIATE_TEST_SUITE_P(IPv6, LifecycleTest, testing::Values("::1"));

TEST_P(LifecycleTest, AClientConnectsIsEstablishedAndCloses) {
  Pair pair = connected();
  const std::uint64_t cookie = pair.client.cookie();
  close_in_order(pair);
  capture_.close(cookie);
  EXPECT_EQ(capture_.story(cookie), "connect established close");
}

TEST_P(LifecycleTest, AServersConnectionIsEstablishedAcceptedAndCloses) {
  Pair pair = connected();
  const std::uint64_t cookie = pair.server.cookie();
  exchange(pair.client, pair.server, 1, 1);
  close_in_order(pair);
  capture_.close(cookie);
  EXPECT_EQ(capture_.story(cookie), "established accept close");
}

TEST_P(LifecycleTest, AListenerListensAndCloses) {
  Socket listener = listen_on({.address = address()});
  const std::uint64_t cookie = listener.cookie();
  listener.close();
  ASSERT_TRUE(capture_.wait_for(EV_LISTEN_CLOSE, cookie));
  EXPECT_EQ(capture_.story(cookie), "listen listen_close");
  EXPECT_EQ(capture_.only<ev_open>(EV_LISTEN, cookie).conn.direction, EV_LISTENER);
}

TEST_P(LifecycleTest, TimesAreInOrderAndBetweenTheCallsThatMadeThem) {
  const Time before = kernel_now();
  Pair pair = connected();
  const Time after = kernel_now();
  const std::uint64_t cookies[] = {pair.client.cookie(), pair.server.cookie()};
  close_in_order(pair);
  const Time closed = kernel_now();
  for (const std::uint64_t cookie : cookies) {
    const ev_sample close = capture_.close(cookie);
    EXPECT_GE(time_from_ns(close.conn.start_ns), before);
    EXPECT_GE(close.established_ns, close.conn.start_ns);
    EXPECT_LE(time_from_ns(close.established_ns), after);
    EXPECT_GE(time_of(close), after);
    EXPECT_LE(time_of(close), closed);
  }
}

TEST_P(LifecycleTest, TheEndThatConnectedGoesOutTheOtherIn) {
  Pair pair = connected();
  const std::uint64_t client = pair.client.cookie();
  const std::uint64_t server = pair.server.cookie();
  close_in_order(pair);
  EXPECT_EQ(capture_.close(client).conn.direction, EV_OUT);
  EXPECT_EQ(capture_.close(server).conn.direction, EV_IN);
}

TEST_P(LifecycleTest, AddressesAndPortsAreThoseOfTheSocket) {
  Pair pair = connected();
  const std::uint64_t cookie = pair.client.cookie();
  const std::uint16_t port = pair.client.port();
  close_in_order(pair);
  const ev_conn conn = capture_.close(cookie).conn;
  EXPECT_EQ(to_text(Address::from(conn.local)), address());
  EXPECT_EQ(to_text(Address::from(conn.remote)), address());
  EXPECT_EQ(conn.local_port, port);
  EXPECT_EQ(conn.remote_port, listener_.port());
  EXPECT_EQ(conn.netns, space_.inode());
}

TEST_P(LifecycleTest, EveryByteOfAnAddressIsInItsPlace) {
  const bool v6 = address() == "::1";
  const std::string all_differ = v6 ? "fd01:203:405:607:809:a0b:c0d:e0f" : "127.1.2.3";
  if (v6) {
    run("/sbin/ip address add " + all_differ + "/128 dev lo nodad");
    // Its route comes a moment later.
    ASSERT_TRUE(wait_until([&] {
      return Socket::make(AF_INET6).try_connect({.address = all_differ, .port = 1}) == ECONNREFUSED;
    }));
  }
  const Socket listener = listen_on({.address = all_differ});
  Pair pair = connected_pair(listener, all_differ);
  const std::uint64_t cookie = pair.client.cookie();
  close_in_order(pair);
  EXPECT_EQ(to_text(Address::from(capture_.close(cookie).conn.remote)), all_differ);
}

TEST_P(LifecycleTest, PayloadIsCountedWithoutSynAndFin) {
  Pair pair = connected();
  const std::uint64_t client = pair.client.cookie();
  const std::uint64_t server = pair.server.cookie();
  exchange(pair.client, pair.server, 100'001, 70'003);
  close_in_order(pair);
  EXPECT_EQ(capture_.close(client).tx_bytes, 100'001U);
  EXPECT_EQ(capture_.close(client).rx_bytes, 70'003U);
  EXPECT_EQ(capture_.close(server).tx_bytes, 70'003U);
  EXPECT_EQ(capture_.close(server).rx_bytes, 100'001U);
}

TEST_P(LifecycleTest, TheUidIsThatOfWhoMadeTheSocket) {
  constexpr uid_t kSomebody = 12345;
  setfsuid(kSomebody);
  const Socket client = Socket::make(address() == "::1" ? AF_INET6 : AF_INET);
  setfsuid(0);
  client.connect_to({.address = address(), .port = listener_.port()});
  ASSERT_TRUE(capture_.wait_for(EV_CONNECT, client.cookie()));
  EXPECT_EQ(capture_.only<ev_open>(EV_CONNECT, client.cookie()).conn.uid, kSomebody);
}

TEST_P(LifecycleTest, AnIPv4PeerOfAnIPv6SocketIsShownAsIPv4) {
  const Socket any = listen_on({.address = "::"});
  Pair pair = connected_pair(any, "127.0.0.1");
  const std::uint64_t cookie = pair.server.cookie();
  close_in_order(pair);
  EXPECT_EQ(to_text(Address::from(capture_.close(cookie).conn.remote)), "127.0.0.1");
}

TEST_P(LifecycleTest, ASocketThatConnectsAgainLivesTwiceUnderItsCookie) {
  const Socket client = Socket::make(address() == "::1" ? AF_INET6 : AF_INET);
  const std::uint64_t cookie = client.cookie();
  for (const std::size_t size : {1000U, 20U}) {
    client.connect_to({.address = address(), .port = listener_.port()});
    const Socket server = listener_.accept();
    exchange(client, server, size, 1);
    const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
    ASSERT_EQ(connect(client.fd(), &nobody, sizeof(nobody)), 0);
  }
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, cookie, 2));
  EXPECT_EQ(capture_.story(cookie),
            "connect established close reset connect established close reset");
  const auto closes = capture_.all<ev_sample>(EV_CLOSE, cookie);
  EXPECT_EQ(closes[0].tx_bytes, 1000U);
  EXPECT_EQ(closes[1].tx_bytes, 20U);
  EXPECT_GT(closes[1].conn.start_ns, closes[0].header.time_ns);
}

TEST_P(LifecycleTest, ASecondLifeBeginsWithoutTheRoundTripsOfTheFirst) {
  const Socket client = Socket::make(address() == "::1" ? AF_INET6 : AF_INET);
  const std::uint64_t cookie = client.cookie();
  for (int life = 0; life < 2; ++life) {
    client.connect_to({.address = address(), .port = listener_.port()});
    const Socket server = listener_.accept();
    for (int round = 0; round < 20; ++round) exchange(client, server, 1, 1);
    const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
    ASSERT_EQ(connect(client.fd(), &nobody, sizeof(nobody)), 0);
  }
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, cookie, 2));
  for (const ev_histogram& histogram : capture_.all<ev_histogram>(EV_HISTOGRAM, cookie))
    EXPECT_EQ(quantiles_of_buckets(histogram.buckets).samples, histogram.samples);
}

}  // namespace
}  // namespace netsonde::test
