// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/playback.h"

#include <gtest/gtest.h>

#include <vector>

namespace netsonde {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kClient = 1, kOther = 2, kListener = 3;
constexpr std::uint32_t kFiltered = 1, kFull = 2;

// A host that drops packets, and a view of it: what the live view blames at each tick is what a
// frozen one has to blame.
class PlaybackTest : public ::testing::Test {
 protected:
  PlaybackTest() {
    names_.set_drop_reasons({{kFiltered, "NETFILTER_DROP"}, {kFull, "SOCKET_RCVBUFF"}});
    sample(kClient, EV_OUT);
    sample(kOther, EV_OUT);
    sample(kListener, EV_LISTENER);
    tick();
  }

  void feed(const Event& event) {
    playback_->before_event(event, store_);
    live_.on_event(event, names_);
    store_.apply(event);
    for (const Event& derived : store_.take_derived()) live_.on_event(derived, names_);
  }

  template <typename T>
  T event(ev_kind kind) {
    T event{};
    event.header = {
        .time_ns = ++now_, .kind = static_cast<std::uint16_t>(kind), .size = sizeof(T), .cpu = 0};
    return event;
  }

  void sample(std::uint64_t cookie, std::uint8_t direction, std::uint32_t refused = 0) {
    auto sample = event<ev_sample>(EV_SAMPLE);
    sample.conn.cookie = cookie;
    sample.conn.start_ns = 1;
    sample.conn.state = direction == EV_LISTENER ? 10 : 1;
    sample.conn.direction = direction;
    sample.conn.remote_port = static_cast<std::uint16_t>(cookie);
    sample.sk_drops = refused;
    feed(sample);
  }

  // As the kernel side tells it: each drop, and how many there were since the start.
  void drop(std::uint64_t cookie, std::uint32_t reason, int times) {
    for (int i = 0; i < times; ++i) {
      auto drop = event<ev_drop>(EV_DROP);
      drop.conn.cookie = cookie;
      drop.reason = reason;
      feed(drop);
    }
    auto count = event<ev_drop_count>(EV_DROP_COUNT);
    count.key.reason = reason;
    count.count = dropped_[reason] += static_cast<std::uint64_t>(times);
    feed(count);
  }

  void tick() {
    now_ += kSecond;
    auto tick = event<ev_tick>(EV_TICK);
    tick.sampled = 1;
    feed(tick);
    verdicts_.push_back(text_of(judge(Snapshot(store_), live_.interval())));
  }

  static std::string text_of(const TuiVerdict& verdict) {
    return verdict.figures + "; " + verdict.worst;
  }

  std::string shown() const {
    return text_of(judge(Snapshot(playback_->store(store_)), playback_->blame()));
  }

  std::uint64_t now_ = 100 * kSecond;
  Names names_;
  Store store_{&names_};
  Blame live_;
  std::unique_ptr<Playback> playback_ = std::make_unique<Playback>(std::size_t{4} << 20);
  std::map<std::uint32_t, std::uint64_t> dropped_;
  std::vector<std::string> verdicts_;  // of the live view, at each tick
};

TEST_F(PlaybackTest, AFrozenTickKeepsItsBlameWhileTheHostGoesOn) {
  drop(kClient, kFiltered, 3);
  tick();
  playback_->freeze(store_, live_.interval());
  EXPECT_EQ(playback_->blame().drops.at(kClient), 3U);
  drop(kOther, kFull, 5);
  tick();
  tick();
  EXPECT_EQ(shown(),
            "3.0 drops/s (mostly NETFILTER_DROP); worst: (unknown process) -> *:1, 3 of the drops");
  EXPECT_EQ(playback_->blame().drops.count(kOther), 0U);
}

TEST_F(PlaybackTest, DropsAfterTheTickAreNotBlamedInIt) {
  drop(kClient, kFiltered, 3);
  tick();
  drop(kOther, kFull, 5);
  playback_->freeze(store_, live_.interval());
  EXPECT_EQ(shown(), verdicts_.back());
}

TEST_F(PlaybackTest, ATickWithoutDropsBlamesNobodyForThoseBefore) {
  drop(kClient, kFiltered, 3);
  tick();
  tick();
  playback_->freeze(store_, live_.interval());
  EXPECT_TRUE(playback_->blame().drops.empty());
  EXPECT_TRUE(playback_->blame().kinds.empty());
}

TEST_F(PlaybackTest, EveryStepShowsTheBlameOfItsOwnTick) {
  constexpr int kTicks = 100;  // several spans of the history
  for (int i = 1; i < kTicks; ++i) {
    if (i % 3) drop(i % 2 ? kClient : kOther, i % 2 ? kFiltered : kFull, i % 7 + 1);
    tick();
  }
  playback_->freeze(store_, live_.interval());
  for (int i = kTicks - 1; i > 0; --i) {
    EXPECT_EQ(shown(), verdicts_[static_cast<std::size_t>(i)]) << "back at tick " << i;
    EXPECT_EQ(playback_->step(-1, store_, live_.interval()), "");
  }
  for (int i = 1; i < kTicks; ++i) {
    EXPECT_EQ(playback_->step(1, store_, live_.interval()), "");
    EXPECT_EQ(shown(), verdicts_[static_cast<std::size_t>(i)]) << "forth at tick " << i;
  }
}

TEST_F(PlaybackTest, AFullAcceptQueueIsBlamedOnItsListener) {
  sample(kListener, EV_LISTENER, 4);
  tick();
  tick();
  playback_->step(-1, store_, live_.interval());
  EXPECT_EQ(playback_->blame().overflows.at(kListener), 4U);
  EXPECT_EQ(shown(), verdicts_[1]);
  EXPECT_NE(shown().find("accept queue full 4 times"), std::string::npos) << shown();
}

TEST_F(PlaybackTest, WithoutHistoryTheFrozenTickKeepsTheLiveBlame) {
  playback_ = std::make_unique<Playback>(0);
  drop(kClient, kFiltered, 3);
  tick();
  playback_->freeze(store_, live_.interval());
  drop(kOther, kFull, 5);
  tick();
  EXPECT_EQ(playback_->blame().drops.at(kClient), 3U);
}

TEST_F(PlaybackTest, ABenignDropIsBlamedOnNobody) {
  names_.set_drop_reasons({{kFiltered, "TCP_OLD_DATA"}});
  drop(kClient, kFiltered, 3);
  tick();
  EXPECT_TRUE(live_.interval().drops.empty());
  EXPECT_TRUE(live_.interval().kinds.empty());
}

}  // namespace
}  // namespace netsonde
