// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/recording_fixture.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "user/model/recording/records.h"

namespace netsonde::recording {

namespace {

std::string new_path() {
  std::string path = "/tmp/netsonde-recording-test-XXXXXX";
  const int file = mkstemp(path.data());
  EXPECT_GE(file, 0);
  close(file);
  return path;
}

RecordingFile create(const std::string& path, const Origin& origin) {
  return RecordingFile::create(path, origin, true).value();
}

}  // namespace

Bytes random_record(std::mt19937& random, const RecordLayout& layout, std::size_t tail) {
  Bytes bytes(layout.size + tail);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  ev_header header = {.time_ns = random(),
                      .kind = layout.kind,
                      .size = static_cast<std::uint16_t>(layout.size),
                      .cpu = 3};
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

std::vector<Decoded> all_of(Records records) {
  std::vector<Decoded> all;
  while (const auto record = records.next())
    all.push_back({record->kind, Bytes(record->bytes.begin(), record->bytes.end())});
  return all;
}

Origin origin(std::string run, std::uint64_t number, std::int64_t began_ns) {
  return {.program = "netsonde test",
          .host = "host",
          .kernel = "6.1",
          .boot = "boot",
          .run = std::move(run),
          .number = number,
          .began_ns = began_ns,
          .realtime_offset_ns = 0,
          .interval_ns = kSecond,
          .filter = "",
          .layouts = {own_layouts().begin(), own_layouts().end()}};
}

Input input_of(std::string name, std::shared_ptr<const Bytes> bytes) {
  return {.name = std::move(name),
          .size = bytes->size(),
          .read = [bytes](std::uint64_t offset, std::span<std::byte> out) -> Result<> {
            if (offset + out.size() > bytes->size()) return Error("beyond the end");
            std::copy_n(bytes->begin() + static_cast<std::ptrdiff_t>(offset), out.size(),
                        out.begin());
            return {};
          }};
}

TestFile::TestFile(const Origin& origin) : path_(new_path()), file_(create(path_, origin)) {}

TestFile::~TestFile() {
  unlink(path_.c_str());
}

void TestFile::add(const Batch& batch, FrameKind kind, std::uint16_t flags) {
  const FrameHead head{.kind = kind,
                       .flags = flags,
                       .records = batch.count(),
                       .first_ns = static_cast<std::int64_t>(batch.first_ns()),
                       .last_ns = static_cast<std::int64_t>(batch.last_ns())};
  places_.push_back(file_.bytes());
  const auto frame = frames_.frame(head, batch.encode());
  ASSERT_TRUE(file_.append(head, frame, false));
  if (kind == FrameKind::Data) file_.count(batch.counts());
}

void TestFile::ticks(const std::vector<std::int64_t>& seconds, FrameKind kind,
                     std::uint16_t flags) {
  Batch batch;
  for (const std::int64_t second : seconds) {
    ev_tick tick = {};
    tick.header = {.time_ns = static_cast<std::uint64_t>(second) * kSecond,
                   .kind = EV_TICK,
                   .size = sizeof(tick),
                   .cpu = 0};
    batch.add(bytes_of(tick));
  }
  add(batch, kind, flags);
}

void TestFile::finish() {
  places_.push_back(file_.bytes());
  ASSERT_TRUE(file_.finish(0));
}

Bytes TestFile::bytes() const {
  std::ifstream file(path_, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Segment TestFile::segment(bool salvage) const {
  return Segment::open(input_of("test", shared()), salvage).value();
}

Reading read_all(Segment& segment) {
  Reading reading;
  segment.rewind();
  while (true) {
    auto frame = segment.next();
    if (!frame) reading.error = frame.error().message();
    if (!frame || !frame.value()) return reading;
    for (const Decoded& record : all_of(std::move(frame.value()->records))) {
      ev_header header;
      std::memcpy(&header, record.bytes.data(), sizeof(header));
      reading.seconds.push_back(static_cast<std::int64_t>(header.time_ns / kSecond));
    }
  }
}

void write_small(TestFile& file) {
  file.ticks({1}, FrameKind::Checkpoint);
  file.ticks({2, 3});
  file.ticks({4});
  file.finish();
}

bool KeptFrames::offer(std::vector<FrameJob> more) {
  if (full) return false;
  for (FrameJob& job : more) jobs.push_back(std::move(job));
  return true;
}

std::vector<Decoded> records_of(const std::vector<FrameJob>& jobs) {
  const Translation translation = Translation::of(own_layouts());
  std::vector<Decoded> all;
  for (const FrameJob& job : jobs) {
    const Bytes payload = job.batch.encode();
    for (Decoded& record : all_of(Records::decode(payload, translation).value()))
      all.push_back(std::move(record));
  }
  return all;
}

}  // namespace netsonde::recording
