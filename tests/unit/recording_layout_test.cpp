// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstring>

#include "tests/unit/recording_fixture.h"
#include "user/model/event.h"
#include "user/model/recording/layout.h"
#include "user/model/recording/records.h"

namespace netsonde::recording {
namespace {

std::vector<RecordLayout> copies() {
  return {own_layouts().begin(), own_layouts().end()};
}

RecordLayout& of(std::vector<RecordLayout>& layouts, std::uint16_t kind) {
  return *std::ranges::find(layouts, kind, &RecordLayout::kind);
}

FieldLayout& field(RecordLayout& layout, std::string_view name) {
  return *std::ranges::find(layout.fields, name, &FieldLayout::name);
}

// Our record of bytes that were written with that layout.
template <typename T>
T translated(const std::vector<RecordLayout>& theirs, std::uint16_t kind, const Bytes& bytes) {
  const Translation translation = Translation::of(theirs);
  Bytes space;
  const auto record = Translation::apply(*translation.find(kind), bytes, space);
  T ours;
  EXPECT_EQ(record.size(), sizeof(ours));
  std::memcpy(&ours, record.data(), sizeof(ours));
  return ours;
}

template <typename T>
Bytes copy_of(const T& record) {
  const auto bytes = bytes_of(record);
  return {bytes.begin(), bytes.end()};
}

ev_tick a_tick() {
  ev_tick tick = {};
  tick.header = {.time_ns = 9, .kind = EV_TICK, .size = sizeof(tick), .cpu = 1};
  tick.realtime_offset_ns = 5;
  for (std::uint64_t i = 0; i < EV_LOSSES; ++i) tick.lost[i] = 100 + i;
  tick.cpu_ns = 0x1'2345'6789;
  tick.complete = 1;
  return tick;
}

TEST(RecordingLayoutTest, DescribesEveryByteOfEveryRecordOnce) {
  for (const RecordLayout& layout : own_layouts()) {
    std::vector<int> described(layout.size);
    for (const FieldLayout& field : layout.fields)
      for (std::uint32_t i = 0; i < field.width * field.count; ++i)
        ++described.at(field.offset + i);
    EXPECT_THAT(described, ::testing::Each(1)) << layout.name;
  }
}

TEST(RecordingLayoutTest, NamesEveryFieldOfARecordOnce) {
  for (const RecordLayout& layout : own_layouts()) {
    std::set<std::string> names;
    for (const FieldLayout& field : layout.fields)
      EXPECT_TRUE(names.insert(field.name).second) << layout.name << " " << field.name;
  }
}

TEST(RecordingLayoutTest, KnowsEveryKindOfEventThatIsAnInput) {
  for (int kind = EV_CONNECT; kind <= EV_RTT; ++kind)
    EXPECT_TRUE(own_layout(static_cast<std::uint16_t>(kind))) << kind;
  for (const std::uint16_t kind : {EV_TICK, EV_DROP_COUNT}) EXPECT_TRUE(own_layout(kind)) << kind;
}

TEST(RecordingLayoutTest, ComesBackFromItsDescription) {
  const auto back = layouts_from(Json::parse(to_json(own_layouts()).dump()));
  ASSERT_TRUE(back);
  EXPECT_EQ(back.value(), copies());
}

TEST(RecordingLayoutTest, AFieldThatAnOlderRecordLacksIsZero) {
  auto theirs = copies();
  std::erase_if(of(theirs, EV_TICK).fields, [](const auto& f) { return f.name == "cpu_ns"; });
  const auto ours = translated<ev_tick>(theirs, EV_TICK, copy_of(a_tick()));
  EXPECT_EQ(ours.cpu_ns, 0U);
  EXPECT_EQ(ours.realtime_offset_ns, 5);
}

TEST(RecordingLayoutTest, AShorterArrayFillsTheFirstElements) {
  auto theirs = copies();
  field(of(theirs, EV_TICK), "lost").count = 3;
  const auto ours = translated<ev_tick>(theirs, EV_TICK, copy_of(a_tick()));
  EXPECT_THAT(ours.lost, ::testing::ElementsAre(100, 101, 102, 0, 0, 0, 0, 0, 0, 0));
}

TEST(RecordingLayoutTest, ALongerArrayIsCutShort) {
  auto theirs = copies();
  RecordLayout& layout = of(theirs, EV_CLOSE);
  layout.size += 32;
  field(layout, "first_rtts") = {"first_rtts", sizeof(ev_sample), 4, 8};
  Bytes bytes(layout.size);
  for (std::uint32_t i = 0; i < 8; ++i)
    std::memcpy(bytes.data() + sizeof(ev_sample) + 4 * i, &i, sizeof(i));
  const auto ours = translated<ev_sample>(theirs, EV_CLOSE, bytes);
  EXPECT_THAT(ours.first_rtts, ::testing::ElementsAre(0, 1, 2, 3));
}

TEST(RecordingLayoutTest, ANarrowerNumberIsWidened) {
  auto theirs = copies();
  field(of(theirs, EV_TICK), "cpu_ns").width = 4;
  EXPECT_EQ(translated<ev_tick>(theirs, EV_TICK, copy_of(a_tick())).cpu_ns, 0x2345'6789U);
}

TEST(RecordingLayoutTest, AWiderNumberKeepsItsLowBytes) {
  auto theirs = copies();
  RecordLayout& layout = of(theirs, EV_TICK);
  layout.size += 8;
  field(layout, "complete") = {"complete", sizeof(ev_tick), 8, 1};
  Bytes bytes = copy_of(a_tick());
  bytes.resize(layout.size);
  bytes[sizeof(ev_tick)] = std::byte{7};
  EXPECT_EQ(translated<ev_tick>(theirs, EV_TICK, bytes).complete, 7);
}

TEST(RecordingLayoutTest, FieldsAreFoundWhereverTheyStand) {
  auto theirs = copies();
  RecordLayout& layout = of(theirs, EV_TICK);
  std::swap(field(layout, "cpu_ns").offset, field(layout, "benign_drops").offset);
  const auto ours = translated<ev_tick>(theirs, EV_TICK, copy_of(a_tick()));
  EXPECT_EQ(ours.benign_drops, a_tick().cpu_ns);
  EXPECT_EQ(ours.cpu_ns, a_tick().benign_drops);
}

TEST(RecordingLayoutTest, AKindWithAnotherNumberBecomesOurs) {
  auto theirs = copies();
  of(theirs, EV_TICK).kind = 77;
  const auto ours = translated<ev_tick>(theirs, 77, copy_of(a_tick()));
  EXPECT_EQ(ours.header.kind, EV_TICK);
  EXPECT_EQ(ours.header.size, sizeof(ev_tick));
}

TEST(RecordingLayoutTest, WhatFollowsALongerRecordStaysBehindOurs) {
  auto theirs = copies();
  of(theirs, kName).size += 8;
  Bytes bytes(sizeof(rec_name) + 8);
  for (const char c : std::string("text")) bytes.push_back(static_cast<std::byte>(c));
  const Translation translation = Translation::of(theirs);
  Bytes space;
  const auto record = Translation::apply(*translation.find(kName), bytes, space);
  ASSERT_EQ(record.size(), sizeof(rec_name) + 4);
  EXPECT_EQ(std::memcmp(record.data() + sizeof(rec_name), "text", 4), 0);
}

TEST(RecordingLayoutTest, RecordsOfANewerNetsondeArePassedOverAndCounted) {
  auto theirs = copies();
  of(theirs, EV_RTT).name = "something new";
  std::mt19937 random(1);
  Batch batch;
  for (const std::uint16_t kind : {EV_TICK, EV_RTT, EV_RTT, EV_TICK})
    batch.add(random_record(random, *own_layout(kind), 0));
  const Translation translation = Translation::of(theirs);
  auto records = Records::decode(batch.encode(), translation).value();
  EXPECT_EQ(records.unknown(), 2U);
  EXPECT_EQ(all_of(std::move(records)).size(), 2U);
}

TEST(RecordingLayoutTest, AFieldBeyondItsRecordIsRefused) {
  auto theirs = copies();
  field(of(theirs, EV_TICK), "cpu_ns").offset = 0xffff'fff8;
  EXPECT_FALSE(layouts_from(to_json(theirs)));
}

TEST(RecordingLayoutTest, ImpossibleSizesAreRefused) {
  for (const std::uint32_t size : {0U, 12U, 18U, 1U << 17}) {
    auto theirs = copies();
    of(theirs, kSnapshot) = {.name = "snapshot", .kind = kSnapshot, .size = size, .fields = {}};
    EXPECT_FALSE(layouts_from(to_json(theirs))) << size;
  }
}

TEST(RecordingLayoutTest, WhatIsNoDescriptionIsRefused) {
  for (const char* text : {"1", "\"x\"", "[1]", "[{}]", "{\"a\":[]}", "[[]]"})
    EXPECT_FALSE(layouts_from(Json::parse(text))) << text;
}

}  // namespace
}  // namespace netsonde::recording
