// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "tests/unit/recording_fixture.h"
#include "user/model/recording/frame.h"

namespace netsonde::recording {
namespace {

struct Frame {
  FrameHead head;
  Bytes stored;
};

Frame framed(const Bytes& payload) {
  FrameWriter writer;
  const auto bytes = writer.frame({.first_ns = -5, .last_ns = 7}, payload);
  Frame frame;
  std::memcpy(&frame.head, bytes.data(), sizeof(frame.head));
  frame.stored.assign(bytes.begin() + sizeof(frame.head), bytes.end());
  return frame;
}

Result<FrameHead> reread(const FrameHead& head) {
  return read_head(bytes_of(head).first<sizeof(FrameHead)>());
}

TEST(RecordingFrameTest, APayloadComesBack) {
  for (const std::size_t size : {0, 1, 100'000}) {
    const Bytes payload(size, std::byte{0x5a});
    const Frame frame = framed(payload);
    FrameReader reader;
    const auto back = reader.unpack(reread(frame.head).value(), frame.stored);
    ASSERT_TRUE(back) << size;
    EXPECT_TRUE(std::ranges::equal(back.value(), payload));
  }
}

TEST(RecordingFrameTest, EveryFlippedBitOfAHeadIsNoticed) {
  const FrameHead head = framed(Bytes(10)).head;
  for (std::size_t bit = 0; bit < 8 * sizeof(head); ++bit) {
    FrameHead damaged = head;
    reinterpret_cast<unsigned char*>(&damaged)[bit / 8] ^= 1U << bit % 8;
    EXPECT_FALSE(reread(damaged)) << bit;
  }
}

TEST(RecordingFrameTest, EveryFlippedBitOfAPayloadIsNoticed) {
  Frame frame = framed(Bytes(100, std::byte{1}));
  FrameReader reader;
  for (std::size_t bit = 0; bit < 8 * frame.stored.size(); ++bit) {
    frame.stored[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(reader.unpack(frame.head, frame.stored)) << bit;
    frame.stored[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
  }
}

TEST(RecordingFrameTest, SizesBeyondWhatAFrameMayHaveAreRefused) {
  FrameHead head = framed(Bytes(10)).head;
  head.stored_bytes = kMostFrameBytes + 1;
  seal(head);
  EXPECT_FALSE(reread(head));
  head.stored_bytes = 1;
  head.raw_bytes = kMostFrameBytes + 1;
  seal(head);
  EXPECT_FALSE(reread(head));
}

TEST(RecordingFrameTest, APayloadOfAnotherSizeThanClaimedIsRefused) {
  Frame frame = framed(Bytes(10));
  FrameReader reader;
  for (const std::uint32_t size : {0U, 9U, 11U, kMostFrameBytes}) {
    frame.head.raw_bytes = size;
    EXPECT_FALSE(reader.unpack(frame.head, frame.stored)) << size;
  }
}

}  // namespace
}  // namespace netsonde::recording
