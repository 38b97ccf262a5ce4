// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <list>
#include <map>

#include "tests/bpf/capture.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

constexpr std::size_t kRecordHeader = 8;  // of the kernel's ring
constexpr std::size_t kClose = sizeof(ev_sample) + kRecordHeader;
constexpr std::size_t kReset = sizeof(ev_reset) + kRecordHeader;

// A ring that is small and filled by our own namespace alone.
LiveSettings only_here(std::uint32_t bytes, const Namespace& space) {
  LiveSettings settings;
  settings.ring_bytes = bytes;
  settings.filter.any = true;
  settings.filter.conditions.netns = space.inode();
  return settings;
}

class RingTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  // Each connection closes twice, and a reset is sent and received. Nobody drains meanwhile.
  void abort_connections(int count) {
    for (int i = 0; i < count; ++i) {
      Pair pair = connected_pair(listener_);
      pair.client.reset();
      EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
    }
    EXPECT_EQ(kernel_counter("TcpOutRsts"), static_cast<std::uint64_t>(count));
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on();
};

INSTANTIATE_TEST_SUITE_P(Sizes, RingTest, testing::Values(4096, 16384, 65536));

TEST_P(RingTest, RecordsReceivedAndLostAddUpToTheTruth) {
  constexpr int kConnections = 150;
  Capture capture(only_here(GetParam(), space_));
  abort_connections(kConnections);
  capture.pass();
  const std::size_t received = capture.all<ev_sample>(EV_CLOSE).size();
  const std::uint64_t lost = capture.tick().lost[EV_LOST_RECORDS];
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(received + lost, 2U * kConnections);
}

TEST_P(RingTest, EventsGiveWayBeforeRecords) {
  // Past three quarters of the ring with both, and then to its end with records alone.
  const std::uint32_t size = std::max(GetParam(), 8192U);  // so that two records fit into a quarter
  const auto to_limit = size * 3 / 4 / (2 * kClose + 2 * kReset) + 1;
  const auto beyond = size / 5 / (2 * kClose);
  const auto connections = static_cast<int>(to_limit + beyond);
  Capture capture(only_here(size, space_));
  abort_connections(connections);
  capture.pass();
  EXPECT_EQ(capture.all<ev_sample>(EV_CLOSE).size(), 2U * connections);
  EXPECT_EQ(capture.tick().lost[EV_LOST_RECORDS], 0U);
  const std::size_t resets = capture.all<ev_reset>(EV_RESET).size();
  EXPECT_LT(resets, 2U * connections);
  EXPECT_GE(resets + capture.tick().lost[EV_LOST_EVENTS], 2U * connections);
}

TEST_P(RingTest, WhatComesAfterAFullRingIsComplete) {
  Capture capture(only_here(GetParam(), space_));
  abort_connections(150);
  capture.pass();
  const std::uint64_t lost = capture.tick().lost[EV_LOST_RECORDS];
  Pair pair = connected_pair(listener_);
  const std::uint64_t cookie = pair.client.cookie();
  close_in_order(pair);
  EXPECT_EQ(capture.close(cookie).conn.cookie, cookie);
  capture.pass();
  EXPECT_EQ(capture.tick().lost[EV_LOST_RECORDS], lost);
}

TEST_P(RingTest, APassOverMoreSocketsThanTheRingHoldsLosesNoSample) {
  constexpr std::size_t kPairs = 300;
  Capture capture(only_here(GetParam(), space_));
  std::list<Pair> pairs;
  for (std::size_t i = 0; i < kPairs; ++i) pairs.push_back(connected_pair(listener_));
  capture.pass();
  EXPECT_EQ(capture.all<ev_sample>(EV_SAMPLE).size(), 2 * kPairs + 1);  // and the listener
  EXPECT_EQ(capture.tick().lost[EV_LOST_SAMPLES], 0U);
  EXPECT_TRUE(capture.tick().complete);
}

TEST_P(RingTest, APassMeetsEverySocketOnceWhileOthersComeAndGo) {
  constexpr std::size_t kPairs = 300;
  std::list<Pair> pairs;
  for (std::size_t i = 0; i < kPairs; ++i) pairs.push_back(connected_pair(listener_));
  const Namespace other = Namespace::create();
  std::list<Child> crowd;
  for (int i = 0; i < 2; ++i)
    crowd.emplace_back([&] {
      const Inside inside(other);
      const Socket listener = listen_on();
      while (true) connected_pair(listener);
    });
  Capture capture(only_here(GetParam(), space_));
  constexpr std::size_t kPasses = 5;
  std::size_t complete = 0;  // others were cut off, on a machine too slow for the crowd
  for (std::size_t i = 0; i < kPasses; ++i) {
    capture.pass();
    complete += capture.tick().complete;
  }
  for (const Pair& pair : pairs) {
    const std::size_t met = capture.all<ev_sample>(EV_SAMPLE, pair.client.cookie()).size();
    EXPECT_GE(met, complete);
    EXPECT_LE(met, kPasses);
  }
}

// The object without the class around it, so that nothing drains.
class BareRing {
 public:
  BareRing(std::uint32_t bytes, const Namespace& space) : object_(open()) {
    const KernelFeatures features = KernelFeatures::read().value();
    configure(object_, features);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object_->obj) {
      const std::string_view name = bpf_program__name(program);
      bpf_program__set_autoload(program, name == "on_state" || name == "sample_sockets");
    }
    bpf_map__set_max_entries(object_->maps.events, bytes);
    object_->rodata->ring_size = bytes;
    object_->rodata->filtering = true;
    object_->rodata->filter.netns = space.inode();
    must(static_cast<bool>(object_.load()), "load two programs");
    state_.reset(bpf_program__attach(object_->progs.on_state));
    object_->bss->sample_unchanged = true;
    object_->bss->pass_number = 1;
  }

  // Reads the iterator as often as said; whether it got to its end.
  bool sample(int reads) {
    bpf_iter_link_info info = {};
    info.map.map_fd = static_cast<__u32>(bpf_map__fd(object_->maps.states));
    bpf_iter_attach_opts options = {};
    options.sz = sizeof(options);
    options.link_info = &info;
    options.link_info_len = sizeof(info);
    const BpfLink link(bpf_program__attach_iter(object_->progs.sample_sockets, &options));
    const UniqueFd iterator(bpf_iter_create(bpf_link__fd(link.get())));
    std::array<char, 64> nothing{};
    for (int i = 0; i < reads; ++i)
      if (read(iterator.get(), nothing.data(), nothing.size()) == 0) return true;
    return false;
  }

  std::map<int, std::size_t> drain() {
    std::map<int, std::size_t> by_kind;
    auto ring = RingBuffer::open(bpf_map__fd(object_->maps.events), [&](auto bytes) {
      ++by_kind[header_of(decode(bytes).value()).kind];
    });
    EXPECT_TRUE(ring.value().drain(SIZE_MAX));
    return by_kind;
  }

  std::uint64_t lost(ev_loss cause) const { return object_->bss->lost[cause]; }

 private:
  static BpfObject open() { return std::move(BpfObject::open()).value(); }

  BpfObject object_;
  BpfLink state_;
};

TEST_P(RingTest, SamplesLeaveThreeQuartersToTheRest) {
  BareRing ring(GetParam(), space_);
  std::list<Pair> pairs;
  for (int i = 0; i < 150; ++i) pairs.push_back(connected_pair(listener_));
  EXPECT_FALSE(ring.sample(5));
  const std::size_t samples = ring.drain()[EV_SAMPLE];
  EXPECT_GT(samples, 0U);
  EXPECT_LE(samples * kClose, GetParam() / 4 + kClose);
  EXPECT_EQ(ring.lost(EV_LOST_SAMPLES), 0U);
}

TEST_P(RingTest, ARingFullOfSamplesHasRoomForRecords) {
  BareRing ring(GetParam(), space_);
  std::list<Pair> pairs;
  for (int i = 0; i < 150; ++i) pairs.push_back(connected_pair(listener_));
  EXPECT_FALSE(ring.sample(5));
  const std::size_t records = GetParam() / 2 / kClose / 2 * 2;
  for (std::size_t i = 0; i < records / 2; ++i) {
    pairs.front().client.reset();
    EXPECT_EQ(pairs.front().server.wait_for_end(), ECONNRESET);
    pairs.pop_front();
  }
  EXPECT_EQ(ring.lost(EV_LOST_RECORDS), 0U);
  EXPECT_EQ(ring.drain()[EV_CLOSE], records);
}

}  // namespace
}  // namespace netsonde::test
