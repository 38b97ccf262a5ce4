// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

// What a recording is, byte by byte. Integers are little-endian.
//
//   file   := kFileMark, frame..., tail
//   tail   := u64 offset of the End frame, kTailMark; only where there is an End frame
//   frame  := FrameHead, payload (stored_bytes of it: one zstd frame that holds raw_bytes)
//
// A file is written from its begin to its end and never changed; a frame is appended whole, at most
// a second after its first record. So whatever interrupts the writer, all complete frames can be
// read. Every frame is understood alone, but for the readings of host counters (below).
//
// The first frame is Begin: JSON that tells who wrote it, where and when, and the layout of every
// record: its name, size, and each field's name, offset, width and count. A reader takes fields by
// their names: what it does not know it leaves out, what the file does not have is zero.
//
// Then come Data frames, and Checkpoint frames wherever as much has been recorded since the last
// one that decoding it takes a while. A checkpoint holds everything that a reader who starts there
// must know: names, host counters, and the store as it was at the tick before it. A long one is
// spread over frames that follow each other (kMore: another part follows; kContinued: not the
// first). A file begins with one. Who reads on without a gap passes over them, unless what
// comes before was recorded by another run of the recorder (kRestart).
//
// The last frame is End: JSON with the number of records by kind, and where the checkpoints are. A
// file without it was cut off, or is still being written.
//
// The payload of Data and Checkpoint frames:
//
//   u32 count                       of records
//   u8 kinds, then for each         u16 kind, u32 size (0: differs), u32 count
//   u8[count]                       the records' order: an index into those kinds
//   for each kind with a size:      size bytes     its first record
//                                   u8[size / 4]   for each 32-bit word of it: how many bytes the
//                                                  differences have, 0 to 4
//                                   bytes          for each word, and each of these bytes, lowest
//                                                  first: that byte of (count - 1) differences
//   for each kind without one:      u32[count]     lengths
//                                   bytes          the records
//
// A difference is a record's word less the one of the record of its kind before it, modulo 2^32, in
// zigzag: 0, -1, 1, -2, ... become 0, 1, 2, 3, ...
namespace netsonde::recording {

inline constexpr std::string_view kFileMark = "netsonde recording\n";
inline constexpr std::uint32_t kFormat = 1;

enum class FrameKind : std::uint16_t { Begin = 1, Data = 2, Checkpoint = 3, End = 4 };
enum FrameFlags : std::uint16_t { kMore = 1, kContinued = 2, kRestart = 4 };

using Mark = std::array<std::uint8_t, 8>;
inline constexpr Mark kFrameMark = {0x89, 'N', 'S', 'F', '\r', '\n', 0x1a, 1};
inline constexpr Mark kTailMark = {0x89, 'N', 'S', 'E', '\r', '\n', 0x1a, 1};

struct FrameHead {
  Mark mark = kFrameMark;
  FrameKind kind = FrameKind::Data;
  std::uint16_t flags = 0;  // enum FrameFlags
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
  std::uint32_t records = 0;
  std::int64_t first_ns = 0;  // times of the first and the last record, since the epoch
  std::int64_t last_ns = 0;
  std::uint32_t payload_crc = 0;  // CRC-32 (as zlib's) of the stored payload
  std::uint32_t head_crc = 0;     // and of what stands before it in this struct
};
static_assert(sizeof(FrameHead) == 48);

// More than that no frame claims, stored or raw.
inline constexpr std::uint32_t kMostFrameBytes = 64U << 20;

// Kinds of records beside those of enum ev_kind. All begin with ev_header.
enum RecordKind : std::uint16_t {
  kName = 200,      // rec_name, then the text
  kHostAll = 201,   // rec_host; then for each value two length-prefixed texts and its number
  kHostNews = 202,  // rec_host; then for each value that changed since the reading before: how many
                    // values were passed over, and the zigzag difference
  kSnapshot = 203,  // ev_header alone: here whoever looked live was given the state
  kStoreState = 210,       // rec_store
  kConnectionState = 211,  // rec_connection
};

}  // namespace netsonde::recording
