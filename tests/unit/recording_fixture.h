// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/store_fixture.h"
#include "user/model/recording/recording.h"
#include "user/sinks/recorder.h"
#include "user/sinks/recording_file.h"

namespace netsonde::recording {

using Bytes = std::vector<std::byte>;

template <typename T>
std::span<const std::byte> bytes_of(const T& record) {
  return std::as_bytes(std::span(&record, 1));
}

// The bytes of a record of that kind, random but for its header, with so many behind it.
Bytes random_record(std::mt19937& random, const RecordLayout& layout, std::size_t tail);

// What decoding gives back, record by record.
struct Decoded {
  std::uint16_t kind = 0;
  Bytes bytes;
  bool operator==(const Decoded&) const = default;
};
std::vector<Decoded> all_of(Records records);

Origin origin(std::string run = "run", std::uint64_t number = 1, std::int64_t began_ns = 0);

// A file in memory, or one that the real writer has made.
Input input_of(std::string name, std::shared_ptr<const Bytes> bytes);

// Writes files where nobody sees them and gives their bytes.
class TestFile {
 public:
  explicit TestFile(const Origin& origin);
  ~TestFile();
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;

  // A frame with one tick per time given, in seconds since the epoch.
  void ticks(const std::vector<std::int64_t>& seconds, FrameKind kind = FrameKind::Data,
             std::uint16_t flags = 0);
  void add(const Batch& batch, FrameKind kind, std::uint16_t flags = 0);
  void finish();
  Bytes bytes() const;
  std::shared_ptr<const Bytes> shared() const { return std::make_shared<const Bytes>(bytes()); }
  Segment segment(bool salvage = false) const;
  // Where the frames behind Begin start.
  const std::vector<std::uint64_t>& places() const { return places_; }

 private:
  std::string path_;
  RecordingFile file_;
  FrameWriter frames_;
  std::vector<std::uint64_t> places_;
};

// The seconds of all ticks that can be read, and whether reading ended with an error.
struct Reading {
  std::vector<std::int64_t> seconds;
  std::string error;
};
Reading read_all(Segment& segment);

// Two of them, a checkpoint in front: small enough for every byte to be tried.
void write_small(TestFile& file);

// Where a recorder's frames go in tests.
class KeptFrames : public FrameOutput {
 public:
  bool offer(std::vector<FrameJob> jobs) override;
  bool wants_checkpoint() const override { return wanted; }
  std::uint64_t dropped() const override { return 0; }

  std::vector<FrameJob> jobs;
  bool wanted = false;
  bool full = false;
};

// All records of these frames.
std::vector<Decoded> records_of(const std::vector<FrameJob>& jobs);

}  // namespace netsonde::recording
