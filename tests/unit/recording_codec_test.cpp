// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstring>

#include "tests/unit/recording_fixture.h"
#include "user/model/recording/codec.h"
#include "user/model/recording/records.h"

namespace netsonde::recording {
namespace {

const Translation kSame = Translation::of(own_layouts());

std::vector<Decoded> random_records(const RecordLayout& layout, std::size_t count) {
  std::mt19937 random(layout.kind);
  std::vector<Decoded> records;
  for (std::size_t i = 0; i < count; ++i)
    records.push_back(
        {layout.kind, random_record(random, layout, layout.open_ended ? random() % 50 : 0)});
  return records;
}

Batch batch_of(const std::vector<Decoded>& records) {
  Batch batch;
  for (const Decoded& record : records) batch.add(record.bytes);
  return batch;
}

std::vector<Decoded> there_and_back(const std::vector<Decoded>& records) {
  const Bytes payload = batch_of(records).encode();
  return all_of(Records::decode(payload, kSame).value());
}

TEST(RecordingCodecTest, EveryKindComesBackAsItWas) {
  for (const RecordLayout& layout : own_layouts())
    for (const std::size_t count : {1, 2, 1000}) {
      const auto records = random_records(layout, count);
      EXPECT_TRUE(there_and_back(records) == records) << layout.name << " x " << count;
    }
}

TEST(RecordingCodecTest, KindsComeBackInTheirOrder) {
  std::mt19937 random(1);
  std::vector<Decoded> records;
  for (int i = 0; i < 500; ++i) {
    const RecordLayout& layout = own_layouts()[random() % own_layouts().size()];
    records.push_back(
        {layout.kind, random_record(random, layout, layout.open_ended ? random() % 9 : 0)});
  }
  EXPECT_TRUE(there_and_back(records) == records);
}

TEST(RecordingCodecTest, EmptyTextComesBack) {
  std::mt19937 random(1);
  const std::vector<Decoded> records = {{kName, random_record(random, *own_layout(kName), 0)}};
  EXPECT_TRUE(there_and_back(records) == records);
}

TEST(RecordingCodecTest, NothingComesBackAsNothing) {
  EXPECT_TRUE(there_and_back({}).empty());
}

TEST(RecordingCodecTest, ABatchKnowsItsFirstAndLastTime) {
  Batch batch;
  for (const std::uint64_t time : {7, 3, 5}) {
    const ev_header mark = {.time_ns = time, .kind = kSnapshot, .size = sizeof(mark), .cpu = 0};
    batch.add(bytes_of(mark));
  }
  EXPECT_EQ(batch.first_ns(), 7U);
  EXPECT_EQ(batch.last_ns(), 5U);
  EXPECT_EQ(batch.counts().at(kSnapshot), 3U);
}

TEST(RecordingCodecTest, APayloadThatIsCutAnywhereIsRefused) {
  std::vector<Decoded> records = random_records(*own_layout(EV_DROP_COUNT), 3);
  const auto names = random_records(*own_layout(kName), 2);
  records.insert(records.end(), names.begin(), names.end());
  const Bytes payload = batch_of(records).encode();
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(Records::decode(std::span(payload).first(size), kSame)) << size;
}

TEST(RecordingCodecTest, APayloadWithSomethingBehindItIsRefused) {
  Bytes payload = batch_of(random_records(*own_layout(EV_TICK), 2)).encode();
  payload.push_back({});
  EXPECT_FALSE(Records::decode(payload, kSame));
}

TEST(RecordingCodecTest, CountsThatNeedMoreMemoryThanAFrameHasAreRefused) {
  Bytes payload = batch_of(random_records(*own_layout(EV_TICK), 1)).encode();
  const std::uint32_t many = 0xffff'ffff;
  std::memcpy(payload.data(), &many, sizeof(many));              // records
  std::memcpy(payload.data() + 4 + 1 + 6, &many, sizeof(many));  // of that kind
  const auto refused = Records::decode(payload, kSame);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("impossible"));
}

TEST(RecordingCodecTest, AWholePayloadIsDamagedByteByByteWithoutHarm) {
  const Bytes whole = batch_of(random_records(*own_layout(kName), 3)).encode();
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const unsigned flip : {1U, 0x80U, 0xffU}) {
      Bytes payload = whole;
      payload[i] ^= static_cast<std::byte>(flip);
      auto records = Records::decode(payload, kSame);
      if (!records) continue;
      for (const Decoded& record : all_of(std::move(records).value()))
        EXPECT_GE(record.bytes.size(), own_layout(record.kind)->size);
    }
}

}  // namespace
}  // namespace netsonde::recording
