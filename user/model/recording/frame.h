// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "user/base/result.h"
#include "user/model/recording/format.h"

namespace netsonde::recording {

// Makes frames. Keeps the compressor's memory from one to the next.
class FrameWriter {
 public:
  FrameWriter();
  ~FrameWriter();
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  // The head's kind, flags, records and times are the caller's; the rest is filled in. The bytes
  // are valid until the next call.
  std::span<const std::byte> frame(FrameHead head, std::span<const std::byte> payload);

 private:
  struct Compressor;
  std::unique_ptr<Compressor> compressor_;
  std::vector<std::byte> frame_;
};

// As its own frame is: after a change of the head.
void seal(FrameHead& head);

// Fails where the mark or the checksum are wrong, or the sizes beyond what a frame may have.
Result<FrameHead> read_head(std::span<const std::byte, sizeof(FrameHead)> bytes);

// Takes frames apart again.
class FrameReader {
 public:
  FrameReader();
  ~FrameReader();
  FrameReader(FrameReader&&) noexcept;
  FrameReader& operator=(FrameReader&&) noexcept;

  // The payload as it was before it was compressed; its checksum is verified. Valid until the next
  // call.
  Result<std::span<const std::byte>> unpack(const FrameHead& head,
                                            std::span<const std::byte> stored);

 private:
  struct Decompressor;
  std::unique_ptr<Decompressor> decompressor_;
  std::vector<std::byte> payload_;
};

}  // namespace netsonde::recording
