// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "user/base/text.h"

namespace netsonde {

// Nanoseconds since the epoch.
struct Timestamp {
  std::int64_t ns = 0;
  auto operator<=>(const Timestamp&) const = default;
};

// What a field holds for one row; absent when nobody measured it. Texts live as long as the row.
using Value =
    std::variant<std::monostate, bool, std::uint64_t, double, std::string_view, Address, Timestamp>;

inline bool is_absent(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

enum class Unit : std::uint8_t {
  None,
  Count,
  Bytes,
  BytesPerSecond,
  PerSecond,
  Microseconds,
  Milliseconds,
  Seconds,
  Percent,
  Segments,
  MegabitsPerSecond,
};

// "bytes/s", "us", ...; empty for none.
std::string_view unit_name(Unit unit);

// How the values of a group become one.
enum class Combine : std::uint8_t { Same, Sum, Max, Min };

// For a person: "1.25ms", "3.4Mi", "-". Text is made printable.
std::string human(const Value& value, Unit unit);
// Absent values sort last whatever the direction.
bool sorts_before(const Value& a, const Value& b, bool descending);
// Two values of a group as one: numbers of one kind or absent, anything where all must be the same.
Value combined(const Value& a, const Value& b, Combine how);

}  // namespace netsonde
