// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "user/base/result.h"
#include "user/model/snapshot.h"
#include "user/model/value.h"

namespace netsonde {

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
  Value (*get)(const Row&) = nullptr;  // nullptr: a number that is of something else than rows

  bool is_text() const { return unit == Unit::None; }
};

std::span<const Field> fields();
// By id or alias; nullptr when there is none.
const Field* find_field(std::string_view name, std::span<const Field> among = fields());
// The id or alias nearest to a misspelt name, for "did you mean"; empty when nothing is near.
std::string_view nearest_field(std::string_view name, std::span<const Field> among = fields());
// "a,b,c" to fields; the error names the word and what might have been meant.
Result<std::vector<const Field*>> parse_fields(std::string_view list);

// The value of a group of rows.
Value combined(const Field& field, std::span<const Row> rows);

}  // namespace netsonde
