// SPDX-License-Identifier: Apache-2.0
#include "user/model/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace netsonde {

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

const Field* find_field(std::string_view name, std::span<const Field> among) {
  const auto found = std::ranges::find_if(among, [name](const Field& field) {
    return field.id == name || (!field.alias.empty() && field.alias == name);
  });
  return found == among.end() ? nullptr : &*found;
}

std::string_view nearest_field(std::string_view name, std::span<const Field> among) {
  std::string_view nearest;
  std::size_t best = std::max<std::size_t>(name.size() / 3, 1) + 1;
  for (const Field& field : among) {
    for (const std::string_view candidate : {field.id, field.alias}) {
      if (candidate.empty() || name.size() >= candidate.size() + best) continue;
      const std::size_t distance = edit_distance(name, candidate);
      if (distance >= best) continue;
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

Result<std::vector<const Field*>> parse_fields(std::string_view list) {
  std::vector<const Field*> chosen;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view name = list.substr(0, comma);
    const Field* field = find_field(name);
    if (!field) {
      const std::string_view nearest = nearest_field(name);
      return Error(
          fmt::format("unknown field '{}'{}; netsonde fields lists them", printable(name),
                      nearest.empty() ? "" : fmt::format(", did you mean '{}'?", nearest)));
    }
    chosen.push_back(field);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  if (chosen.empty()) return Error("no field named");
  return chosen;
}

Value combined(const Field& field, std::span<const Row> rows) {
  if (rows.empty()) return {};
  Value result = field.get(rows.front());
  for (const Row& row : rows.subspan(1)) result = combined(result, field.get(row), field.combine);
  return result;
}

}  // namespace netsonde
