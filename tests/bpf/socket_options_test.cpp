// SPDX-License-Identifier: Apache-2.0
#include "user/capture/socket_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

constexpr std::uint64_t kSpace = 1;

// What the program that owns the socket sees.
std::string congestion_of(const Socket& socket) {
  char name[16] = {};
  socklen_t size = sizeof(name);
  must(!getsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, name, &size), "read TCP_CONGESTION");
  return name;
}

std::uint64_t pacing_of(const Socket& socket) {
  std::uint64_t rate = 0;
  socklen_t size = sizeof(rate);
  must(!getsockopt(socket.fd(), SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &size),
       "read SO_MAX_PACING_RATE");
  return rate;
}

opt_request asking(const Socket& socket, opt_name option = OPT_NONE, std::uint32_t number = 0) {
  opt_request request{};
  request.cookie = socket.cookie();
  request.option = option;
  request.number = number;
  return request;
}

opt_request asking_for(const Socket& socket, const char* congestion) {
  opt_request request = asking(socket, OPT_CONGESTION);
  std::strncpy(request.name, congestion, sizeof(request.name) - 1);
  return request;
}

class SocketOptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    set_ipv4("tcp_congestion_control", "reno");
    auto opened = SocketWalk::open();
    ASSERT_TRUE(opened) << opened.error().message();
    walk_ = std::make_unique<SocketWalk>(std::move(opened).value());
    listener_ = listen_on();
    for (Pair& pair : pairs_) pair = connected_pair(listener_);
  }

  // Absent: it is not there.
  std::optional<opt_answer> visit(const opt_request& request) {
    auto answer = walk_->visit(kSpace, request);
    must(static_cast<bool>(answer), answer ? "" : answer.error().message());
    return answer.value();
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  std::unique_ptr<SocketWalk> walk_;
  Socket listener_;
  Pair pairs_[20];
};

TEST_F(SocketOptionsTest, ListsConnectionsAndNoListener) {
  pairs_[0].client.set(SOL_SOCKET, SO_MAX_PACING_RATE, 1'000'000);
  const auto list = walk_->list();
  ASSERT_TRUE(list);
  std::set<std::uint64_t> expected, found;
  for (const Pair& pair : pairs_) expected.insert({pair.client.cookie(), pair.server.cookie()});
  for (const opt_values& one : list.value()) {
    found.insert(one.cookie);
    const bool paced = one.cookie == pairs_[0].client.cookie();
    EXPECT_EQ(one.max_pacing_rate, paced ? 1'000'000 : ~0ULL);
    EXPECT_STREQ(one.congestion, "reno");
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(list.value().size(), expected.size());
}

TEST_F(SocketOptionsTest, ReadsWhatTheOwnerReads) {
  const Socket& client = pairs_[3].client;
  client.set(IPPROTO_TCP, TCP_WINDOW_CLAMP, 50'000);
  const auto answer = visit(asking(client));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->values.window_clamp, 50'000U);
  EXPECT_EQ(answer->values.cookie, client.cookie());
  EXPECT_EQ(answer->values.max_pacing_rate, pacing_of(client));
}

TEST_F(SocketOptionsTest, SetsTheCongestionControlOfOneAlone) {
  const auto answer = visit(asking_for(pairs_[5].client, "cubic"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error, 0);
  EXPECT_STREQ(answer->values.congestion, "cubic");
  for (const Pair& pair : pairs_) {
    EXPECT_EQ(congestion_of(pair.client), &pair == &pairs_[5] ? "cubic" : "reno");
    EXPECT_EQ(congestion_of(pair.server), "reno");
  }
}

TEST_F(SocketOptionsTest, SetsTheMostThatIsSentAndTakesItBack) {
  const Socket& client = pairs_[7].client;
  EXPECT_EQ(visit(asking(client, OPT_MAX_PACING_RATE, 123'456))->values.max_pacing_rate, 123'456U);
  EXPECT_EQ(pacing_of(client), 123'456U);
  visit(asking(client, OPT_MAX_PACING_RATE, ~0U));
  EXPECT_EQ(pacing_of(client), ~0ULL);
}

TEST_F(SocketOptionsTest, SetsTheWindowClampAndTakesItBack) {
  const Socket& client = pairs_[7].client;
  const std::uint32_t before = visit(asking(client))->values.window_clamp;
  visit(asking(client, OPT_WINDOW_CLAMP, 20'000));
  EXPECT_EQ(client.option(IPPROTO_TCP, TCP_WINDOW_CLAMP), 20'000);
  visit(asking(client, OPT_WINDOW_CLAMP, before));
  EXPECT_EQ(client.option(IPPROTO_TCP, TCP_WINDOW_CLAMP), static_cast<int>(before));
}

TEST_F(SocketOptionsTest, AnUnknownCongestionControlIsAnError) {
  const auto answer = visit(asking_for(pairs_[0].client, "none"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->error, -ENOENT);
  EXPECT_STREQ(answer->values.congestion, "reno");
}

TEST_F(SocketOptionsTest, ListenersAndWhatHasClosedAreAbsent) {
  EXPECT_FALSE(visit(asking(listener_)));
  const opt_request request = asking(pairs_[0].client);
  const opt_request change = asking_for(pairs_[1].client, "cubic");
  close_in_order(pairs_[0]);
  EXPECT_FALSE(visit(request));
  pairs_[1].client.reset();
  EXPECT_FALSE(visit(change));
}

// Forwards, backwards, and one several times, while others of the same buckets come and go.
TEST_F(SocketOptionsTest, FindsThemInAnyOrder) {
  auto list = walk_->list().value();
  auto order = list;
  order.insert(order.end(), list.rbegin(), list.rend());
  for (std::size_t i = 0; i < list.size(); ++i) order.push_back(list[i * 7 % list.size()]);
  for (const opt_values& one : order)
    for (int times = 0; times < 2; ++times) {
      opt_request request{};
      request.cookie = one.cookie;
      const auto answer = visit(request);
      ASSERT_TRUE(answer);
      EXPECT_EQ(answer->values.cookie, one.cookie);
      Pair other = connected_pair(listener_);
      other.client.reset();
    }
}

TEST_F(SocketOptionsTest, StaysInTheNamespaceThatItIsIn) {
  const Socket& client = pairs_[0].client;
  const opt_request request = asking_for(client, "cubic");
  EXPECT_TRUE(visit(asking(client)));
  const Namespace other = Namespace::create();
  const Inside inside(other);
  auto elsewhere = walk_->visit(kSpace + 1, request);
  ASSERT_TRUE(elsewhere);
  EXPECT_FALSE(elsewhere.value());
  EXPECT_THAT(walk_->list().value(), testing::IsEmpty());
  EXPECT_EQ(congestion_of(client), "reno");
}

}  // namespace
}  // namespace netsonde::test
