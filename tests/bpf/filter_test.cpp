// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "tests/bpf/capture.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

class FilterTest : public testing::Test {
 protected:
  // Two connections, to one port each, and their ends. What arrives under the filter.
  std::set<std::uint64_t> seen(const ev_filter& conditions) {
    LiveSettings settings = all_events();
    settings.filter = {.any = true, .conditions = conditions};
    Capture capture(settings);
    for (const Socket* listener : {&one_, &two_}) {
      Pair pair = connected_pair(*listener);
      (listener == &one_ ? ends_of_one_ : ends_of_two_) = {pair.client.cookie(),
                                                           pair.server.cookie()};
      exchange(pair.client, pair.server, 10, 10);
      capture.pass();
      pair.client.reset();
      EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
    }
    EXPECT_TRUE(capture.wait_for(EV_CLOSE));
    capture.pass();
    std::set<std::uint64_t> cookies;
    for (const Event& event : capture.events())
      if (connection_of(event) && cookie_of(event) != one_.cookie() &&
          cookie_of(event) != two_.cookie())
        cookies.insert(cookie_of(event));
    return cookies;
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket one_ = listen_on();
  Socket two_ = listen_on();
  std::set<std::uint64_t> ends_of_one_, ends_of_two_;
};

TEST_F(FilterTest, APortLetsBothItsEndsThroughAndNothingElse) {
  ev_filter conditions = {};
  conditions.port = one_.port();
  EXPECT_EQ(seen(conditions), ends_of_one_);
}

TEST_F(FilterTest, ALocalPortLetsOneEndThrough) {
  ev_filter conditions = {};
  conditions.local_port = two_.port();
  const auto cookies = seen(conditions);
  EXPECT_EQ(cookies.size(), 1U);
  EXPECT_TRUE(ends_of_two_.contains(*cookies.begin()));
}

TEST_F(FilterTest, ANetworkThatNobodyIsInLetsNothingThrough) {
  ev_filter conditions = {};
  conditions.port = one_.port();
  const auto all = seen(conditions);
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:10.0.0.0", conditions.remote), 1);
  std::memset(conditions.remote_mask, 0xff, 13);
  LiveSettings settings = all_events();
  settings.filter = {.any = true, .conditions = conditions};
  Capture capture(settings);
  Pair pair = connected_pair(one_);
  close_in_order(pair);
  capture.pass();
  for (const Event& event : capture.events()) EXPECT_EQ(connection_of(event), nullptr);
  EXPECT_EQ(all.size(), 2U);
}

TEST_F(FilterTest, ANetworkLetsItsPeersThrough) {
  ev_filter conditions = {};
  conditions.port = one_.port();
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:127.0.0.0", conditions.remote), 1);
  std::memset(conditions.remote_mask, 0xff, 13);
  EXPECT_EQ(seen(conditions), ends_of_one_);
}

TEST_F(FilterTest, ANamespaceLetsItsConnectionsThroughAndNoOthers) {
  LiveSettings settings = all_events();
  settings.filter.any = true;
  settings.filter.conditions.netns = space_.inode();
  const Namespace other = Namespace::create();
  Capture capture(settings);
  capture.also(other);
  {
    const Inside inside(other);
    const Socket listener = listen_on();
    Pair pair = connected_pair(listener);
    close_in_order(pair);
  }
  Pair pair = connected_pair(one_);
  const std::set<std::uint64_t> ours = {pair.client.cookie(), pair.server.cookie()};
  close_in_order(pair);
  ASSERT_TRUE(capture.wait_for(EV_CLOSE, 0, 2));
  std::set<std::uint64_t> seen;
  for (const Event& event : capture.events())
    if (connection_of(event)) seen.insert(cookie_of(event));
  EXPECT_EQ(seen, ours);
}

TEST_F(FilterTest, AProcessLetsItsOwnConnectionsThrough) {
  ev_filter conditions = {};
  conditions.netns = space_.inode();
  conditions.pid = static_cast<std::uint32_t>(getpid());
  LiveSettings settings = all_events();
  settings.filter = {.any = true, .conditions = conditions};
  Capture capture(settings);
  Shared<std::uint64_t> theirs;
  Child other([&] {
    const Socket client = connect_to({.port = one_.port()});
    *theirs = client.cookie();
  });
  EXPECT_TRUE(other.join());
  const std::uint64_t ours = connect_to({.port = one_.port()}).cookie();
  ASSERT_TRUE(capture.wait_for(EV_CONNECT, ours));
  for (const Event& event : capture.events()) EXPECT_NE(cookie_of(event), *theirs);
}

TEST_F(FilterTest, TheKernelsPartOfAnExpressionDoesTheSame) {
  const auto filter = Filter::parse("port=" + std::to_string(one_.port()));
  ASSERT_TRUE(filter);
  const KernelFilter part = filter.value().kernel_part([](std::string_view) { return 0; });
  ASSERT_TRUE(part.any);
  EXPECT_EQ(seen(part.conditions), ends_of_one_);
}

}  // namespace
}  // namespace netsonde::test
