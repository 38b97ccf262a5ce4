// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/frame.h"

#include <zlib.h>
#include <zstd.h>

#include <cassert>
#include <cstddef>
#include <cstring>

namespace netsonde::recording {

namespace {

constexpr int kLevel = 1;

std::uint32_t crc(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint32_t crc_of(const FrameHead& head) {
  return crc(std::as_bytes(std::span(&head, 1)).first(offsetof(FrameHead, head_crc)));
}

}  // namespace

struct FrameWriter::Compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { ZSTD_freeCCtx(context); }
};

FrameWriter::FrameWriter() : compressor_(std::make_unique<Compressor>()) {}
FrameWriter::~FrameWriter() = default;

std::span<const std::byte> FrameWriter::frame(FrameHead head, std::span<const std::byte> payload) {
  assert(payload.size() <= kMostFrameBytes);
  const std::size_t most = sizeof(head) + ZSTD_compressBound(payload.size());
  if (frame_.size() < most) frame_.resize(most);
  const std::size_t stored =
      ZSTD_compressCCtx(compressor_->context, frame_.data() + sizeof(head),
                        frame_.size() - sizeof(head), payload.data(), payload.size(), kLevel);
  assert(!ZSTD_isError(stored) && "there is room for it");
  head.stored_bytes = static_cast<std::uint32_t>(stored);
  head.raw_bytes = static_cast<std::uint32_t>(payload.size());
  head.payload_crc = crc(std::span(frame_).subspan(sizeof(head), stored));
  seal(head);
  std::memcpy(frame_.data(), &head, sizeof(head));
  return std::span(frame_).first(sizeof(head) + stored);
}

void seal(FrameHead& head) {
  head.head_crc = crc_of(head);
}

Result<FrameHead> read_head(std::span<const std::byte, sizeof(FrameHead)> bytes) {
  FrameHead head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.mark != kFrameMark) return Error("no frame begins here");
  if (head.head_crc != crc_of(head)) return Error("the head of a frame is damaged");
  if (head.stored_bytes > kMostFrameBytes || head.raw_bytes > kMostFrameBytes)
    return Error("a frame claims to be larger than frames are");
  return head;
}

struct FrameReader::Decompressor {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  Decompressor() = default;
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { ZSTD_freeDCtx(context); }
};

FrameReader::FrameReader() : decompressor_(std::make_unique<Decompressor>()) {}
FrameReader::~FrameReader() = default;
FrameReader::FrameReader(FrameReader&&) noexcept = default;
FrameReader& FrameReader::operator=(FrameReader&&) noexcept = default;

Result<std::span<const std::byte>> FrameReader::unpack(const FrameHead& head,
                                                       std::span<const std::byte> stored) {
  if (stored.size() != head.stored_bytes || crc(stored) != head.payload_crc)
    return Error("a frame is damaged");
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != head.raw_bytes)
    return Error("a frame is not as large as it claims");
  if (payload_.size() < head.raw_bytes) payload_.resize(head.raw_bytes);
  const std::size_t size = ZSTD_decompressDCtx(decompressor_->context, payload_.data(),
                                               head.raw_bytes, stored.data(), stored.size());
  if (ZSTD_isError(size) || size != head.raw_bytes) return Error("a frame does not unpack");
  return std::span<const std::byte>(payload_).first(size);
}

}  // namespace netsonde::recording
