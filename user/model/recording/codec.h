// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bpf/events.h"
#include "user/base/result.h"
#include "user/model/recording/layout.h"

namespace netsonde::recording {

// Records on their way into a frame, in their order.
class Batch {
 public:
  // A record of ours, and what follows it where its kind has an open end. Bytes of one of these
  // kinds, header included.
  void add(std::span<const std::byte> record, std::span<const std::byte> tail = {});

  std::uint32_t count() const { return count_; }
  std::size_t bytes() const { return bytes_.size(); }
  bool empty() const { return count_ == 0; }
  // Kernel times of the first and the last record.
  std::uint64_t first_ns() const { return first_ns_; }
  std::uint64_t last_ns() const { return last_ns_; }
  // By kind.
  const std::map<std::uint16_t, std::uint64_t>& counts() const { return counts_; }

  // What a frame holds, not yet compressed (format.h).
  std::vector<std::byte> encode() const;

 private:
  std::vector<std::byte> bytes_;  // of each: its length (32 bits), then itself
  std::uint32_t count_ = 0;
  std::map<std::uint16_t, std::uint64_t> counts_;
  std::uint64_t first_ns_ = 0, last_ns_ = 0;
};

// The records of a frame's payload, in their order and translated into ours; those of kinds that
// this program does not know are passed over and counted. Never looks beyond the payload, and never
// needs much more memory than a frame may have, whatever it claims.
class Records {
 public:
  // The translation outlives them.
  static Result<Records> decode(std::span<const std::byte> payload, const Translation& translation);
  static Result<Records> decode(std::span<const std::byte>, const Translation&&) = delete;

  struct Record {
    std::uint16_t kind = 0;            // of ours
    std::span<const std::byte> bytes;  // until the next one is asked for; at least its kind's size
  };
  // One after the other; nothing behind the last.
  std::optional<Record> next();
  std::uint32_t count() const { return static_cast<std::uint32_t>(order_.size()); }
  std::uint32_t unknown() const { return unknown_; }
  // By kind, as the file numbers them.
  const std::map<std::uint16_t, std::uint64_t>& counts() const { return counts_; }

 private:
  struct Kind {
    const Translation::Kind* translation = nullptr;
    std::uint32_t size = 0;  // 0: it differs
    std::uint32_t count = 0;
    std::vector<std::byte> bytes;
    std::vector<std::uint32_t> lengths;
    std::size_t next_record = 0, next_byte = 0;
  };
  class Payload;

  Result<> decode_fixed(Payload& payload, Kind& kind);
  Result<> decode_open(Payload& payload, Kind& kind);

  std::vector<Kind> kinds_;
  std::map<std::uint16_t, std::uint64_t> counts_;
  std::vector<std::uint8_t> order_;
  std::size_t at_ = 0;  // in that order
  std::vector<std::byte> space_;
  std::uint32_t unknown_ = 0;
};

}  // namespace netsonde::recording
