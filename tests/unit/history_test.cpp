// SPDX-License-Identifier: Apache-2.0
#include "user/model/history.h"

#include <gtest/gtest.h>

#include <map>

#include "user/model/fields.h"
#include "user/model/snapshot.h"

namespace netsonde {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// Every field of every row as text, so that a difference has a name.
std::map<std::string, std::string> picture(const Store& store) {
  std::map<std::string, std::string> texts;
  const Snapshot snapshot(store);
  for (const Connection* connection :
       snapshot.select(Snapshot::Connections | Snapshot::Listeners | Snapshot::Closed))
    for (const Field& field : fields())
      texts[std::to_string(connection->last.conn.cookie) + "." + std::string(field.id)] =
          human(field.get(snapshot.row(*connection)), field.unit);
  texts["retransmit_rate"] = std::to_string(store.totals().retransmit_rate);
  texts["opened_rate"] = std::to_string(store.totals().opened_rate);
  texts["time"] = std::to_string(store.tick().header.time_ns);
  return texts;
}

// A host whose connections move data, retransmit, open and close; fed to a store and its history
// alike.
class HistoryTest : public ::testing::Test {
 protected:
  void feed(const Event& event) {
    history_->append(event, store_);
    store_.apply(event);
    for (const Event& derived : store_.take_derived()) {
      history_->append(derived, store_);
      store_.apply(derived);
    }
  }

  template <typename T>
  T stamped(ev_kind kind) {
    T event{};
    event.header = {
        .time_ns = ++now_, .kind = static_cast<std::uint16_t>(kind), .size = sizeof(T), .cpu = 0};
    return event;
  }

  ev_sample sample(std::uint64_t cookie, ev_kind kind = EV_SAMPLE) {
    auto event = stamped<ev_sample>(kind);
    event.conn.cookie = cookie;
    event.conn.state = 1;
    event.conn.start_ns = cookie * 1000;
    event.conn.direction = EV_OUT;
    event.tx_bytes = now_ * cookie;
    event.segs_out = static_cast<std::uint32_t>(now_ / kSecond * 10 + cookie);
    event.retransmitted = event.segs_out / 7;
    event.srtt_us = static_cast<std::uint32_t>(100 + now_ / kSecond % 13);
    return event;
  }

  void run_tick() {
    now_ += kSecond;
    for (std::uint64_t cookie = 1; cookie <= connections_; ++cookie) feed(sample(cookie));
    const std::uint64_t brief = 1'000'000 + now_ / kSecond;
    auto open = stamped<ev_open>(EV_CONNECT);
    open.conn.cookie = brief;
    open.conn.start_ns = now_;
    feed(open);
    auto again = stamped<ev_retransmit>(EV_RETRANSMIT);
    again.conn = sample(1).conn;
    feed(again);
    feed(sample(brief, EV_CLOSE));
    auto tick = stamped<ev_tick>(EV_TICK);
    tick.sampled = 1;
    feed(tick);
    live_.emplace(now_, store_);
  }

  std::uint64_t connections_ = 20, now_ = 100 * kSecond;
  Names names_;
  Store store_{&names_};
  std::unique_ptr<History> history_ = std::make_unique<History>(std::size_t{4} << 20);
  std::map<std::uint64_t, Store> live_;  // as it was right after each tick
};

TEST_F(HistoryTest, GivesTheStoreOfEveryTickAsItWasLive) {
  for (int i = 0; i < 40; ++i) run_tick();
  ASSERT_EQ(history_->size(), 40u);
  for (std::size_t i = 0; i < history_->size(); ++i) {
    const auto time = static_cast<std::uint64_t>(history_->tick(i).time_since_epoch().count());
    EXPECT_EQ(picture(history_->at(i)), picture(live_.at(time))) << "tick " << i;
  }
}

TEST_F(HistoryTest, KeepsTheBudgetAndForgetsTheOldestFirst) {
  history_ = std::make_unique<History>(std::size_t{256} << 10);
  for (int i = 0; i < 300; ++i) {
    run_tick();
    ASSERT_LE(history_->bytes(), history_->budget());
  }
  ASSERT_GT(history_->size(), 10u);
  ASSERT_LT(history_->size(), 300u);
  const std::size_t last = history_->size() - 1;
  EXPECT_EQ(history_->tick(last), time_from_ns(now_));
  for (std::size_t i = 0; i < last; ++i)
    EXPECT_EQ(history_->tick(i + 1) - history_->tick(i),
              history_->tick(last) - history_->tick(last - 1));
  EXPECT_EQ(
      picture(history_->at(0)),
      picture(live_.at(static_cast<std::uint64_t>(history_->tick(0).time_since_epoch().count()))));
}

TEST_F(HistoryTest, TakesLessForASampleThanTheSampleItself) {
  connections_ = 500;
  for (int i = 0; i < 20; ++i) run_tick();
  EXPECT_LT(history_->bytes(), 20 * connections_ * sizeof(ev_sample) / 2);
}

TEST_F(HistoryTest, TellsWhatHappenedToOneConnection) {
  for (int i = 0; i < 5; ++i) run_tick();
  const auto events = history_->events_of(1);
  ASSERT_EQ(events.size(), 10u);
  for (std::size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(cookie_of(events[i]), 1u);
    EXPECT_EQ(std::holds_alternative<ev_retransmit>(events[i]), i % 2 == 1);
  }
  EXPECT_TRUE(history_->events_of(4711).empty());
}

TEST_F(HistoryTest, KeepsNothingWhenTheStoreIsTooLargeForTheBudget) {
  history_ = std::make_unique<History>(1000);
  for (int i = 0; i < 5; ++i) run_tick();
  EXPECT_EQ(history_->size(), 0u);
  EXPECT_EQ(history_->bytes(), 0u);
}

}  // namespace
}  // namespace netsonde
