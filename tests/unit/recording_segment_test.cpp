// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstring>

#include "tests/unit/recording_fixture.h"
#include "user/model/recording/segment.h"

namespace netsonde::recording {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<Segment> opened(const Bytes& bytes, bool salvage = false) {
  return Segment::open(input_of("file", std::make_shared<const Bytes>(bytes)), salvage);
}

class RecordingSegmentTest : public ::testing::Test {
 protected:
  RecordingSegmentTest() { write_small(file_); }

  // The ticks of those frames that are whole in so many bytes.
  std::vector<std::int64_t> whole_in(std::size_t size) const {
    const std::vector<std::vector<std::int64_t>> ticks = {{1}, {2, 3}, {4}};
    std::vector<std::int64_t> whole;
    for (std::size_t i = 0; i < ticks.size(); ++i)
      if (file_.places()[i + 1] <= size)
        whole.insert(whole.end(), ticks[i].begin(), ticks[i].end());
    return whole;
  }
  bool ends_between_frames(std::size_t size) const {
    return size == file_.bytes().size() || std::ranges::count(file_.places(), size) ||
           size == end_of_end();
  }
  std::size_t end_of_end() const { return file_.bytes().size() - 16; }

  TestFile file_{origin()};
};

TEST_F(RecordingSegmentTest, AWholeFileIsReadToItsEnd) {
  Segment segment = file_.segment();
  EXPECT_THAT(read_all(segment).seconds, ElementsAre(1, 2, 3, 4));
  ASSERT_TRUE(segment.ending());
  EXPECT_EQ(segment.ending()->records.at(EV_TICK), 3U);
  EXPECT_EQ(segment.last_ns(), static_cast<std::int64_t>(4 * kSecond));
  ASSERT_EQ(segment.checkpoints().size(), 1U);
  EXPECT_EQ(segment.checkpoints()[0].offset, file_.places()[0]);
}

TEST_F(RecordingSegmentTest, CutAnywhereAllCompleteFramesCanBeRead) {
  const Bytes whole = file_.bytes();
  for (std::size_t size = file_.places()[0]; size < whole.size(); ++size) {
    auto segment = opened({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    ASSERT_TRUE(segment) << size;
    const Reading reading = read_all(segment.value());
    EXPECT_EQ(reading.error, "") << size;
    EXPECT_EQ(reading.seconds, whole_in(size)) << size;
    EXPECT_FALSE(segment.value().ending()) << size;
  }
}

TEST_F(RecordingSegmentTest, CutInsideAFrameItTellsWhere) {
  const Bytes whole = file_.bytes();
  for (std::size_t size = file_.places()[0]; size < end_of_end(); ++size) {
    auto segment = opened({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    ASSERT_TRUE(segment) << size;
    EXPECT_EQ(segment.value().cut_at().has_value(), !ends_between_frames(size)) << size;
    const auto cut_at = segment.value().cut_at();
    EXPECT_TRUE(!cut_at || std::ranges::count(file_.places(), *cut_at)) << size;
  }
}

TEST_F(RecordingSegmentTest, CutInsideItsBeginItIsRefused) {
  const Bytes whole = file_.bytes();
  for (std::size_t size = 0; size < file_.places()[0]; ++size) {
    const auto segment = opened({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    ASSERT_FALSE(segment) << size;
    EXPECT_THAT(segment.error().message(), HasSubstr("file: ")) << size;
  }
}

TEST_F(RecordingSegmentTest, AnyFlippedByteIsAnErrorOrChangesNothing) {
  const Bytes whole = file_.bytes();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes bytes = whole;
    bytes[i] ^= std::byte{0x10};
    auto segment = opened(bytes);
    if (!segment) continue;
    const Reading reading = read_all(segment.value());
    if (reading.error.empty()) {
      EXPECT_THAT(reading.seconds, ElementsAre(1, 2, 3, 4)) << i;
    } else {
      EXPECT_THAT(reading.error, HasSubstr("--salvage")) << i;
    }
  }
}

TEST_F(RecordingSegmentTest, SalvageLosesOnlyTheFrameWithTheFlippedByte) {
  const Bytes whole = file_.bytes();
  for (std::size_t i = file_.places()[1]; i < file_.places()[2]; ++i) {
    Bytes bytes = whole;
    bytes[i] ^= std::byte{0x10};
    auto segment = opened(bytes, true);
    ASSERT_TRUE(segment) << i;
    EXPECT_THAT(read_all(segment.value()).seconds, ElementsAre(1, 4)) << i;
    EXPECT_EQ(segment.value().damaged_frames(), 1U) << i;
    EXPECT_EQ(segment.value().damaged_bytes(), file_.places()[2] - file_.places()[1]) << i;
  }
}

TEST_F(RecordingSegmentTest, DamageThatIsMetAgainCountsOnce) {
  Bytes bytes = file_.bytes();
  bytes[file_.places()[1] + 60] ^= std::byte{1};
  Segment segment = opened(bytes, true).value();
  for (int reading = 0; reading < 3; ++reading) {
    segment.rewind();
    EXPECT_THAT(read_all(segment).seconds, ElementsAre(1, 4));
  }
  EXPECT_EQ(segment.damaged_frames(), 1U);
  EXPECT_EQ(segment.damaged_bytes(), file_.places()[2] - file_.places()[1]);
}

TEST_F(RecordingSegmentTest, SalvageSaysWhatComesBehindDamage) {
  Bytes bytes = file_.bytes();
  bytes[file_.places()[1] + 60] ^= std::byte{1};
  Segment segment = opened(bytes, true).value();
  EXPECT_FALSE(segment.next().value()->after_damage);
  EXPECT_TRUE(segment.next().value()->after_damage);
}

TEST_F(RecordingSegmentTest, SalvageFindsCheckpointsBehindDamageWithoutAnEnd) {
  TestFile file(origin());
  file.ticks({1});
  file.ticks({2});
  file.ticks({3}, FrameKind::Checkpoint);
  Bytes bytes = file.bytes();
  bytes[file.places()[1]] ^= std::byte{1};
  EXPECT_EQ(opened(bytes, true).value().checkpoints().size(), 1U);
  EXPECT_TRUE(opened(bytes).value().checkpoints().empty());
}

TEST_F(RecordingSegmentTest, ZerosBehindTheLastFrameAreACutNotDamage) {
  Bytes bytes = file_.bytes();
  bytes.resize(file_.places()[2]);
  bytes.resize(file_.places()[2] + 10'000);
  Segment segment = opened(bytes).value();
  const Reading reading = read_all(segment);
  EXPECT_EQ(reading.error, "");
  EXPECT_THAT(reading.seconds, ElementsAre(1, 2, 3));
  EXPECT_EQ(segment.cut_at(), file_.places()[2]);
}

TEST_F(RecordingSegmentTest, AKindOfFrameOfANewerNetsondeIsPassedOver) {
  TestFile file(origin());
  file.ticks({1});
  file.ticks({2}, static_cast<FrameKind>(99));
  file.ticks({3});
  Segment segment = file.segment();
  EXPECT_THAT(read_all(segment).seconds, ElementsAre(1, 3));
}

TEST_F(RecordingSegmentTest, ANewerFormatSaysSo) {
  Origin newer = origin();
  newer.format = kFormat + 1;
  const TestFile file(newer);
  const auto refused = opened(file.bytes());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("newer than this netsonde"));
}

TEST_F(RecordingSegmentTest, TextThatIsNoUtf8InItsBeginDoesNotPreventAFile) {
  Origin odd = origin();
  odd.host = "h\xff";
  odd.filter = "comm = \"\xc3(\"";
  const TestFile file(odd);
  EXPECT_TRUE(opened(file.bytes()));
}

// --- several files ---

Recording recording_of(std::vector<Segment> segments) {
  return Recording(std::move(segments));
}

std::vector<std::int64_t> seconds_of(Recording& recording) {
  std::vector<std::int64_t> seconds;
  while (auto step = recording.next().value())
    for (const Decoded& record : all_of(std::move(step->records))) {
      ev_header header;
      std::memcpy(&header, record.bytes.data(), sizeof(header));
      seconds.push_back(static_cast<std::int64_t>(header.time_ns / kSecond));
    }
  return seconds;
}

Segment one_file(const std::string& run, std::uint64_t number, std::int64_t second) {
  TestFile file(origin(run, number, second * static_cast<std::int64_t>(kSecond)));
  file.ticks({second}, FrameKind::Checkpoint);
  file.ticks({second + 1});
  file.finish();
  return file.segment();
}

std::vector<Segment> files(Segment a, Segment b) {
  std::vector<Segment> all;
  all.push_back(std::move(a));
  all.push_back(std::move(b));
  return all;
}

TEST(RecordingTest, FilesOfOneRunAreReadOnWithoutTheSecondCheckpoint) {
  Recording recording = recording_of(files(one_file("run", 2, 20), one_file("run", 1, 10)));
  EXPECT_THAT(seconds_of(recording), ElementsAre(10, 11, 21));
}

TEST(RecordingTest, AnotherRunBeginsWithItsCheckpoint) {
  Recording recording = recording_of(files(one_file("a", 1, 10), one_file("b", 1, 20)));
  EXPECT_THAT(seconds_of(recording), ElementsAre(10, 11, 20, 21));
}

TEST(RecordingTest, AFileThatIsMissingBetweenTwoIsARestart) {
  Recording recording = recording_of(files(one_file("a", 1, 10), one_file("a", 3, 30)));
  EXPECT_THAT(seconds_of(recording), ElementsAre(10, 11, 30, 31));
}

TEST(RecordingTest, SeekingBeginsWithTheLastCheckpointBefore) {
  Recording recording = recording_of(files(one_file("a", 1, 10), one_file("a", 2, 20)));
  EXPECT_TRUE(recording.seek(25 * static_cast<std::int64_t>(kSecond)));
  EXPECT_THAT(seconds_of(recording), ElementsAre(20, 21));
}

TEST(RecordingTest, SeekingBeforeTheBeginBeginsThere) {
  Recording recording = recording_of(files(one_file("a", 1, 10), one_file("a", 2, 20)));
  EXPECT_FALSE(recording.seek(0));
  EXPECT_THAT(seconds_of(recording), ElementsAre(10, 11, 21));
}

}  // namespace
}  // namespace netsonde::recording
