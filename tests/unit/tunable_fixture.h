// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "tuner/tunable.h"

namespace netsonde {

inline const Tunable& tunable(std::string_view key) {
  const Tunable* found = find_tunable(key);
  if (!found) throw std::out_of_range("not in the catalogue: " + std::string(key));
  return *found;
}

// Why the value may not be written; empty when it may.
inline std::string refusal(const Tunable& row, std::string_view value) {
  const auto checked = check_value(row, value);
  return checked ? "" : checked.error().message();
}

inline std::string refusal(std::string_view key, std::string_view value) {
  return refusal(tunable(key), value);
}

}  // namespace netsonde
