// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <list>

#include "tests/bpf/capture.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

constexpr int kBacklog = 2;

class ListenTest : public testing::Test {
 protected:
  // Clients that want to connect at once, some of which find the accept queue full.
  std::list<Socket> crowd(const Socket& listener, int clients) {
    std::list<Socket> crowd;
    for (int i = 0; i < clients; ++i) {
      crowd.push_back(Socket::make());
      crowd.back().make_nonblocking();
      crowd.back().try_connect({.port = listener.port()});
    }
    must(wait_until([] { return kernel_counter("TcpExtListenOverflows") > 0; }),
         "fill an accept queue");
    return crowd;
  }

  // A client is connected before the listener has its answer.
  static bool wait_for_queue(const Socket& listener, unsigned length) {
    return wait_until([&] { return listener.info().tcpi_unacked == length; });
  }

  std::uint64_t overflows() const {
    std::uint64_t sum = 0;
    for (const auto& event : capture_->all<ev_listen_overflow>(EV_LISTEN_OVERFLOW))
      sum += event.count;
    return sum;
  }

  // Passes until the kernel's count was the same before and after one.
  void expect_the_kernels_count() {
    std::uint64_t before = 0;
    ASSERT_TRUE(wait_until([&] {
      before = kernel_counter("TcpExtListenDrops");
      capture_->pass();
      return kernel_counter("TcpExtListenDrops") == before;
    }));
    EXPECT_EQ(overflows(), before);
    EXPECT_EQ(kernel_counter("TcpExtListenOverflows"), before);
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  std::unique_ptr<Capture> capture_ = std::make_unique<Capture>();
};

TEST_F(ListenTest, AFullQueueIsToldByTheNextPass) {
  const Socket listener = listen_on({}, kBacklog);
  capture_->pass();
  const auto clients = crowd(listener, 10);
  expect_the_kernels_count();
  const auto events = capture_->all<ev_listen_overflow>(EV_LISTEN_OVERFLOW);
  EXPECT_EQ(events[0].conn.cookie, listener.cookie());
  EXPECT_EQ(events[0].conn.local_port, listener.port());
}

TEST_F(ListenTest, AListenerThatNoPassHasSeenYetTellsAllOfThem) {
  const Socket listener = listen_on({}, kBacklog);
  const auto clients = crowd(listener, 10);
  expect_the_kernels_count();
}

TEST_F(ListenTest, OverflowsBeforeWeLookedAreNotNews) {
  const Socket listener = listen_on({}, kBacklog);
  const auto clients = crowd(listener, 10);
  const std::uint64_t before = kernel_counter("TcpExtListenDrops");
  capture_ = std::make_unique<Capture>(all_events());
  capture_->pass();
  capture_->pass();
  EXPECT_LE(overflows(), kernel_counter("TcpExtListenDrops") - before);
}

TEST_F(ListenTest, QueueAndBacklogAreThoseOfTcpInfo) {
  const Socket listener = listen_on({}, kBacklog);
  const auto clients = crowd(listener, 10);
  ASSERT_TRUE(wait_for_queue(listener, kBacklog + 1));
  const ev_sample sample = capture_->sample(listener.cookie());
  const tcp_info info = listener.info();  // of a listener: its queue, and the limit of that
  EXPECT_EQ(sample.receive_queue, info.tcpi_unacked);
  EXPECT_EQ(sample.backlog, info.tcpi_sacked);
  EXPECT_EQ(sample.backlog, static_cast<std::uint32_t>(kBacklog));
  EXPECT_EQ(sample.receive_queue, kBacklog + 1U);
}

TEST_F(ListenTest, AcceptingEmptiesTheQueue) {
  const Socket listener = listen_on();
  std::list<Socket> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(connect_to({.port = listener.port()}));
  ASSERT_TRUE(wait_for_queue(listener, 3));
  EXPECT_EQ(capture_->sample(listener.cookie()).receive_queue, 3U);
  for (int i = 0; i < 3; ++i) listener.accept();
  EXPECT_EQ(capture_->sample(listener.cookie()).receive_queue, 0U);
  EXPECT_EQ(listener.info().tcpi_unacked, 0U);
}

TEST_F(ListenTest, APassOverListenersAloneTellsOfAFullQueueToo) {
  const Socket listener = listen_on({}, kBacklog);
  const auto clients = crowd(listener, 10);
  std::size_t listeners = 0, others = 0;
  const auto count = [&](const Event& event) {
    const auto* sample = std::get_if<ev_sample>(&event);
    if (sample && header_of(event).kind == EV_SAMPLE)
      ++(sample->conn.direction == EV_LISTENER ? listeners : others);
  };
  ASSERT_TRUE(capture_->live().pass({.connections = false, .complete = true}, count));
  EXPECT_GE(listeners, 1U);
  EXPECT_EQ(others, 0U);
}

}  // namespace
}  // namespace netsonde::test
