// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "user/base/json.h"
#include "user/base/result.h"

namespace netsonde {

// Members of JSON that nobody vouches for: what is missing or of another type is an error that
// names it.

inline Error wrong_member(const char* key, const char* wanted) {
  return Error(fmt::format("\"{}\" is missing or no {}", key, wanted));
}

inline Result<std::string> text_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return wrong_member(key, "text");
  return found->get<std::string>();
}

// Empty where it is missing.
inline Result<std::string> optional_text_member(const Json& object, const char* key) {
  return object.contains(key) ? text_member(object, key) : std::string();
}

template <typename Number>
Result<Number> integer_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return wrong_member(key, "integer");
  const bool fits = found->is_number_unsigned() ? std::in_range<Number>(found->get<std::uint64_t>())
                                                : std::in_range<Number>(found->get<std::int64_t>());
  if (!fits) return Error(fmt::format("\"{}\" is out of range", key));
  return found->get<Number>();
}

inline Result<double> number_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return wrong_member(key, "number");
  return found->get<double>();
}

// The pointer is into the object.
inline Result<const Json*> array_member(const Json& object, const char* key, std::size_t most) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return wrong_member(key, "array");
  if (found->size() > most)
    return Error(fmt::format("\"{}\" has more than {} elements", key, most));
  return &*found;
}

inline Result<const Json*> object_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) return wrong_member(key, "object");
  return &*found;
}

}  // namespace netsonde
