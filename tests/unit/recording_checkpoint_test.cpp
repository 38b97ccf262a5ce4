// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/recording_fixture.h"
#include "user/model/fields.h"
#include "user/model/recording/checkpoint.h"
#include "user/model/recording/format.h"

namespace netsonde::recording {
namespace {

// Everything that a table can show, a line per row.
std::vector<std::string> rows_of(const Store& store) {
  const Snapshot snapshot(store);
  const unsigned all = Snapshot::Connections | Snapshot::Listeners | Snapshot::Closed;
  std::vector<std::string> rows;
  for (const Connection* connection : snapshot.select(all)) {
    std::string row;
    for (const Field& field : fields())
      row += human(field.get(snapshot.row(*connection)), field.unit) + " ";
    rows.push_back(row);
  }
  std::ranges::sort(rows);
  return rows;
}

class RecordingCheckpointTest : public StoreTest {
 protected:
  RecordingCheckpointTest() {
    names_.host = "host";
    names_.learn({.kind = NameKind::Symbol, .number = 0x1234, .text = "tcp_v4_rcv"});
    names_.learn({.kind = NameKind::Cgroup, .number = 9, .text = "/a\xff"});
    names_.learn({.kind = NameKind::DropReason, .number = 2, .text = "NETFILTER_DROP"});
  }

  void live(Store& store, double seconds) {
    for (std::uint64_t i = 1; i <= 50; ++i) {
      ev_sample s = sample(seconds, i == 7 ? EV_CLOSE : EV_SAMPLE);
      s.conn.cookie = i + (i == 7 ? static_cast<std::uint64_t>(1000 * seconds) : 0);
      s.conn.cgroup = 9;
      s.tx_bytes = static_cast<std::uint64_t>(seconds * 1000) * i;
      s.segs_out = static_cast<std::uint32_t>(seconds * 10) * static_cast<std::uint32_t>(i);
      s.retransmitted = static_cast<std::uint32_t>(seconds) * static_cast<std::uint32_t>(i % 3);
      s.srtt_us = static_cast<std::uint32_t>(100 + i);
      if (i % 2 || seconds < 2) store.apply(s);
    }
    store.apply(listener(seconds, static_cast<std::uint32_t>(seconds)));
    auto drops = event<ev_drop_count>(EV_DROP_COUNT, seconds);
    drops.key = {.location = 0x1234, .reason = 2, .netns = 1, .protocol = 0x800, .pad = {}};
    drops.count = static_cast<std::uint64_t>(seconds * 3);
    store.apply(drops);
    auto tick = event<ev_tick>(EV_TICK, seconds + 0.5);
    tick.sampled = 1;
    tick.realtime_offset_ns = 77;
    store.apply(tick);
  }

  // What a reader knows who begins with that checkpoint.
  void restore_into(Names& names, Store& store, const Keep& keep) const {
    const Translation same = Translation::of(own_layouts());
    for (const Batch& part : checkpoint_of(store_, keep)) {
      auto records = Records::decode(part.encode(), same).value();
      while (const auto record = records.next()) restore(record->kind, record->bytes, names, store);
    }
  }
  void restore_all() {
    restore_into(other_names_, other_, [](const Connection&) { return true; });
  }

  Names other_names_;
  Store other_{&other_names_};
};

TEST_F(RecordingCheckpointTest, TheRestoredStoreShowsTheSameRows) {
  live(store_, 1);
  live(store_, 2);
  restore_all();
  EXPECT_EQ(rows_of(other_), rows_of(store_));
  EXPECT_GT(rows_of(other_).size(), 40U);
}

TEST_F(RecordingCheckpointTest, AfterTheNextTickRowsAndRatesAreTheSame) {
  live(store_, 1);
  live(store_, 2);
  restore_all();
  for (Store* store : {&store_, &other_}) live(*store, 3);
  EXPECT_EQ(rows_of(other_), rows_of(store_));
}

TEST_F(RecordingCheckpointTest, AfterTheNextTickTotalsAreTheSame) {
  live(store_, 1);
  live(store_, 2);
  restore_all();
  for (Store* store : {&store_, &other_}) live(*store, 3);
  EXPECT_GT(store_.totals().tx_rate, 0);
  EXPECT_GT(store_.totals().drop_rate, 0);
  EXPECT_EQ(other_.totals().tx_rate, store_.totals().tx_rate);
  EXPECT_EQ(other_.totals().drop_rate, store_.totals().drop_rate);
  EXPECT_EQ(other_.totals().rtt_p99_us, store_.totals().rtt_p99_us);
  EXPECT_EQ(other_.totals().by_state, store_.totals().by_state);
  EXPECT_EQ(other_.totals().closed_rate, store_.totals().closed_rate);
  EXPECT_EQ(other_.interval(), store_.interval());
}

TEST_F(RecordingCheckpointTest, AllNamesAreKept) {
  restore_all();
  EXPECT_EQ(other_names_.host, "host");
  EXPECT_EQ(other_names_.symbol(0x1234), "tcp_v4_rcv");
  EXPECT_EQ(other_names_.cgroup(9), "/a\xff");
  EXPECT_EQ(other_names_.drop_reasons(), names_.drop_reasons());
}

TEST_F(RecordingCheckpointTest, WhatIsNotToBeKeptIsLeftOut) {
  live(store_, 1);
  restore_into(other_names_, other_, [](const Connection& c) { return c.last.conn.cookie == 3; });
  EXPECT_EQ(other_.connections().size(), 1U);
  EXPECT_TRUE(other_.closed().empty());
}

TEST_F(RecordingCheckpointTest, AStoreThatKeepsFewerClosedOnesKeepsTheNewest) {
  live(store_, 1);
  live(store_, 2);
  Store small(&other_names_, {.linger_limit = 1});
  restore_into(other_names_, small, [](const Connection&) { return true; });
  ASSERT_EQ(small.closed().size(), 1U);
  EXPECT_EQ(small.closed()[0].last.conn.cookie, store_.closed().back().last.conn.cookie);
}

TEST_F(RecordingCheckpointTest, ALayoutThatDiffersKeepsBothCountsOfRttSamples) {
  ev_sample s = sample(1);
  s.rtt_samples = 11;
  store_.apply(s);
  auto histogram = event<ev_histogram>(EV_HISTOGRAM, 1.1);
  histogram.cookie = kCookie;
  histogram.samples = histogram.buckets[5] = 22;
  store_.apply(histogram);
  tick(2);
  std::vector<RecordLayout> theirs = {own_layouts().begin(), own_layouts().end()};
  auto& state = *std::ranges::find(theirs, std::uint16_t{kConnectionState}, &RecordLayout::kind);
  state.fields.pop_back();
  const Translation translation = Translation::of(theirs);
  for (const Batch& part : checkpoint_of(store_, [](const Connection&) { return true; })) {
    auto records = Records::decode(part.encode(), translation).value();
    while (const auto record = records.next())
      restore(record->kind, record->bytes, other_names_, other_);
  }
  EXPECT_EQ(other_.find(kCookie)->last.rtt_samples, 11U);
  EXPECT_EQ(other_.find(kCookie)->rtt.samples, connection().rtt.samples);
}

}  // namespace
}  // namespace netsonde::recording
