// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/bpf/capture.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"
#include "user/base/text.h"

namespace netsonde::test {
namespace {

constexpr std::uint16_t kServerPort = 8080;
constexpr std::uint16_t kClientPort = 40'000;

// A listener and one connection to it, always at the same addresses and ports.
struct Trio {
  Socket listener = listen_on({.port = kServerPort});
  Pair pair;

  Trio() {
    pair.client = Socket::make();
    pair.client.bind_to({.port = kClientPort});
    pair.client.connect_to({.port = kServerPort});
    pair.server = listener.accept();
    exchange(pair.client, pair.server, 1000, 2000);
  }
};

// What the process in the other namespace tells about its sockets.
struct Elsewhere {
  std::uint64_t listener, client, server;
};

class OlderSocketsTest : public testing::Test {
 protected:
  // The same trio in a namespace in which only that process lives.
  void live_elsewhere() {
    const Inside inside(other_);
    const Trio trio;
    *elsewhere_ = {.listener = trio.listener.cookie(),
                   .client = trio.pair.client.cookie(),
                   .server = trio.pair.server.cookie()};
    ready_.raise();
    done_.wait();
  }

  Namespace space_ = Namespace::create();
  Namespace other_ = Namespace::create();
  Inside inside_{space_};
  Shared<Elsewhere> elsewhere_;
  Signal ready_, done_;
  Trio trio_;
};

TEST_F(OlderSocketsTest, AreThereWithTheirCounters) {
  Capture capture(all_events());
  const tcp_info info = trio_.pair.client.info();
  const ev_sample sample = capture.sample(trio_.pair.client.cookie());
  EXPECT_EQ(sample.conn.local_port, kClientPort);
  EXPECT_EQ(sample.conn.remote_port, kServerPort);
  EXPECT_EQ(sample.tx_bytes, 1000U);
  EXPECT_EQ(sample.rx_bytes, 2000U);
  EXPECT_EQ(sample.segs_out, info.tcpi_segs_out);
}

TEST_F(OlderSocketsTest, HaveNoStart) {
  Capture capture(all_events());
  const ev_sample sample = capture.sample(trio_.pair.client.cookie());
  EXPECT_EQ(sample.conn.start_ns, 0U);
  EXPECT_EQ(sample.established_ns, 0U);
}

TEST_F(OlderSocketsTest, HaveTheirDirection) {
  Capture capture(all_events());
  capture.pass();
  EXPECT_EQ(capture.sample(trio_.pair.client.cookie()).conn.direction, EV_OUT);
  EXPECT_EQ(capture.sample(trio_.pair.server.cookie()).conn.direction, EV_IN);
  EXPECT_EQ(capture.sample(trio_.listener.cookie()).conn.direction, EV_LISTENER);
}

TEST_F(OlderSocketsTest, BelongToTheProcessThatHoldsTheFile) {
  Child holder([&] { live_elsewhere(); });
  ready_.wait();
  Capture capture(all_events());
  capture.also(other_);
  const ev_conn conn = capture.sample(elsewhere_->client).conn;
  EXPECT_EQ(conn.owner, EV_OWNER_FILE);
  EXPECT_EQ(conn.pid, static_cast<std::uint32_t>(holder.pid()));
  done_.raise();
}

TEST_F(OlderSocketsTest, InTwoNamespacesWithTheSameAddressesAreToldApart) {
  Child holder([&] { live_elsewhere(); });
  ready_.wait();
  Capture capture(all_events());
  capture.also(other_);
  const ev_conn here = capture.sample(trio_.pair.client.cookie()).conn;
  const ev_conn there = capture.sample(elsewhere_->client).conn;
  EXPECT_EQ(std::memcmp(here.local, there.local, sizeof(here.local)), 0);
  EXPECT_EQ(here.local_port, there.local_port);
  EXPECT_EQ(here.remote_port, there.remote_port);
  EXPECT_EQ(here.netns, space_.inode());
  EXPECT_EQ(there.netns, other_.inode());
  EXPECT_NE(here.cookie, there.cookie);
  done_.raise();
}

TEST_F(OlderSocketsTest, OfAnotherNamespaceHaveTheirDirectionToo) {
  Child holder([&] { live_elsewhere(); });
  ready_.wait();
  Capture capture(all_events());
  capture.also(other_);
  EXPECT_EQ(capture.sample(elsewhere_->client).conn.direction, EV_OUT);
  EXPECT_EQ(capture.sample(elsewhere_->server).conn.direction, EV_IN);
  EXPECT_EQ(capture.sample(elsewhere_->listener).conn.direction, EV_LISTENER);
  done_.raise();
}

TEST_F(OlderSocketsTest, OfANamespaceWithoutProcessesAreFoundThroughTheirFiles) {
  std::uint64_t cookie = 0;
  const auto deserted = std::make_unique<Namespace>(Namespace::create());
  std::unique_ptr<Trio> trio;
  {
    const Inside inside(*deserted);
    trio = std::make_unique<Trio>();
    cookie = trio->pair.client.cookie();
  }
  Capture capture(all_events());
  capture.also(*deserted);
  const ev_conn conn = capture.sample(cookie).conn;
  EXPECT_EQ(conn.netns, deserted->inode());
  EXPECT_EQ(conn.pid, static_cast<std::uint32_t>(getpid()));
}

TEST_F(OlderSocketsTest, OnTheirWayBetweenProcessesAreThereWithoutAnOwner) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd sender(ends[0]), receiver(ends[1]);
  const std::uint64_t cookie = trio_.pair.client.cookie();
  send_descriptor(sender.get(), trio_.pair.client.fd());
  trio_.pair.client.close();
  Capture capture(all_events());
  const ev_conn conn = capture.sample(cookie).conn;
  EXPECT_EQ(conn.owner, EV_OWNER_UNKNOWN);
  EXPECT_EQ(conn.direction, EV_OUT);
}

TEST_F(OlderSocketsTest, CloseLikeAnyOther) {
  const std::uint64_t client = trio_.pair.client.cookie();
  const std::uint64_t server = trio_.pair.server.cookie();
  Capture capture(all_events());
  exchange(trio_.pair.client, trio_.pair.server, 10, 20);
  close_in_order(trio_.pair);
  EXPECT_EQ(capture.close(client).tx_bytes, 1010U);
  EXPECT_EQ(capture.close(client).rx_bytes, 2020U);
  EXPECT_EQ(capture.close(server).tx_bytes, 2020U);
  EXPECT_EQ(capture.close(server).rx_bytes, 1010U);
}

TEST_F(OlderSocketsTest, PassTheirOwnerOnToWhatTheyAcceptNow) {
  Capture capture(all_events());
  const Pair pair = connected_pair(trio_.listener);
  ASSERT_TRUE(capture.wait_for(EV_ESTABLISHED, pair.server.cookie()));
  const ev_conn conn = capture.only<ev_open>(EV_ESTABLISHED, pair.server.cookie()).conn;
  EXPECT_EQ(conn.owner, EV_OWNER_LISTENER);
  EXPECT_EQ(conn.pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(conn.direction, EV_IN);
}

}  // namespace
}  // namespace netsonde::test
