// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/base/json.h"
#include "user/base/result.h"

namespace netsonde::recording {

// A member of a record that is no struct itself: "header.time_ns", "conn.local".
struct FieldLayout {
  std::string name;
  std::uint32_t offset = 0;  // bytes
  std::uint32_t width = 0;   // of one element, bytes
  std::uint32_t count = 1;   // elements

  bool operator==(const FieldLayout&) const = default;
};

// How the bytes of one kind of record are laid out.
struct RecordLayout {
  std::string name;         // "close", "host_news"
  std::uint16_t kind = 0;   // enum ev_kind or RecordKind
  std::uint32_t size = 0;   // bytes; of a record with something behind it: what comes before that
  bool open_ended = false;  // something of any length follows
  std::vector<FieldLayout> fields;

  bool operator==(const RecordLayout&) const = default;
};

// As this program writes records: every kind there is.
std::span<const RecordLayout> own_layouts();
const RecordLayout* own_layout(std::uint16_t kind);

// As the Begin frame tells them. Whatever the text claims, what comes back is sound: fields lie
// within their record, and no record is larger than a frame can hold.
Json to_json(std::span<const RecordLayout> layouts);
Result<std::vector<RecordLayout>> layouts_from(const Json& json);

// Turns records of a file into ours, by the names of their kinds and fields.
class Translation {
 public:
  Translation() = default;  // nothing is known
  static Translation of(std::span<const RecordLayout> theirs);

  struct Move {
    std::uint32_t from, to, bytes;
  };
  struct Kind {
    std::uint16_t ours = 0;  // 0: this program does not know it
    std::uint32_t their_size = 0;
    std::uint32_t our_size = 0;
    bool open_ended = false;
    bool same = false;  // nothing to move
    std::vector<Move> moves;
  };
  // nullptr: the file does not describe it.
  const Kind* find(std::uint16_t their_kind) const;
  // One record of ours, its header's kind and size included; open ends are kept. The record has at
  // least their_size bytes. Valid until the next call.
  static std::span<const std::byte> apply(const Kind& kind, std::span<const std::byte> record,
                                          std::vector<std::byte>& space);

 private:
  std::map<std::uint16_t, Kind> kinds_;
};

}  // namespace netsonde::recording
