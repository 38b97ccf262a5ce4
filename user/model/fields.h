// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "user/base/text.h"
#include "user/model/snapshot.h"

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
};

// How the rows of a group become one value.
enum class Combine : std::uint8_t { Same, Sum, Max, Min };

// One described quantity: at once a column, a JSON key, a word of the filter language and an entry
// of the manual. Adding a row to the table adds all four.
struct Field {
  std::string_view id;     // JSON key, with the unit in its name
  std::string_view alias;  // short name, or empty
  std::string_view title;  // of the column
  std::string_view help;   // one sentence for the manual
  Unit unit = Unit::None;
  int width = 8;  // columns on a screen, at least
  Combine combine = Combine::Same;
  Value (*get)(const Row&) = nullptr;

  bool is_text() const { return unit == Unit::None; }
};

std::span<const Field> fields();
// By id or alias; nullptr when there is none.
const Field* find_field(std::string_view name);
// The id or alias nearest to a misspelt name, for "did you mean"; empty when nothing is near.
std::string_view nearest_field(std::string_view name);
// "a,b,c" to fields; the error names the word and what might have been meant.
Result<std::vector<const Field*>> parse_fields(std::string_view list);

// For a person: "1.25ms", "3.4Mi", "-". Text is made printable.
std::string human(const Value& value, Unit unit);
// Absent values sort last whatever the direction.
bool sorts_before(const Value& a, const Value& b, bool descending);
// The value of a group of rows.
Value combined(const Field& field, std::span<const Row> rows);

}  // namespace netsonde
