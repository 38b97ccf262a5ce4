// SPDX-License-Identifier: Apache-2.0
// A hostile recording through everything that reads one, with and without salvage. Checksums would
// stop nearly every mutation, so the first byte chooses what the rest is: a file as it is, a file
// whose checksums are set right before it is read, or the raw payloads of frames.
#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/fuzz/record_reader.h"
#include "user/model/recording/recording.h"

namespace {

using namespace netsonde;
using namespace netsonde::recording;

using Bytes = std::vector<std::byte>;

Input input_of(std::shared_ptr<const Bytes> bytes) {
  return {.name = "fuzz",
          .size = bytes->size(),
          .read = [bytes](std::uint64_t offset, std::span<std::byte> out) -> Result<> {
            if (offset > bytes->size() || out.size() > bytes->size() - offset) __builtin_trap();
            std::memcpy(out.data(), bytes->data() + offset, out.size());
            return {};
          }};
}

void append(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_begin(Bytes& out, FrameWriter& frames) {
  static const std::string text = [] {
    Origin origin;
    origin.layouts = {own_layouts().begin(), own_layouts().end()};
    return to_line(to_json(origin));
  }();
  append(out, std::as_bytes(std::span(kFileMark)));
  append(out, frames.frame({.kind = FrameKind::Begin}, std::as_bytes(std::span(text))));
}

// Frames of these payloads: of each two bytes of size, a byte of kind, a byte of flags, itself.
Bytes sealed_payloads(std::span<const std::byte> data) {
  FrameWriter frames;
  Bytes file;
  append_begin(file, frames);
  while (data.size() >= 4) {
    std::uint16_t size = 0;
    std::memcpy(&size, data.data(), sizeof(size));
    const auto payload = data.subspan(4, std::min<std::size_t>(size, data.size() - 4));
    const FrameHead head{.kind = static_cast<FrameKind>(static_cast<unsigned>(data[2]) % 6),
                         .flags = static_cast<std::uint16_t>(data[3])};
    append(file, frames.frame(head, payload));
    data = data.subspan(4 + payload.size());
  }
  return file;
}

// What stands where a head could stand gets the checksum that it needs; a payload that is no zstd
// frame of the claimed size becomes one.
Bytes resealed(std::span<const std::byte> data) {
  FrameWriter frames;
  Bytes file;
  append(file, std::as_bytes(std::span(kFileMark)));
  while (data.size() >= sizeof(FrameHead)) {
    FrameHead head;
    std::memcpy(&head, data.data(), sizeof(head));
    data = data.subspan(sizeof(head));
    const auto payload = data.first(std::min<std::size_t>(head.stored_bytes, data.size()));
    append(file, frames.frame(head, payload));
    data = data.subspan(payload.size());
  }
  append(file, data);
  return file;
}

void read_all(std::shared_ptr<const Bytes> bytes, bool salvage) {
  auto segment = Segment::open(input_of(std::move(bytes)), salvage);
  if (!segment) return;
  std::vector<Segment> segments;
  segments.push_back(std::move(segment).value());
  Recording recording(std::move(segments));
  recording.seek(recording.end_ns(), 1);
  recording.seek(0);
  RecordReader reader;
  while (true) {
    auto step = recording.next();
    if (!step || !step.value()) break;
    while (const auto record = step.value()->records.next())
      reader.take(step.value()->state, *record);
  }
  reader.look();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  const unsigned mode = data[0];
  const auto file = std::make_shared<const Bytes>(mode % 4 == 0   ? Bytes(rest.begin(), rest.end())
                                                  : mode % 4 == 1 ? resealed(rest)
                                                                  : sealed_payloads(rest));
  read_all(file, mode & 4);
  return 0;
}
