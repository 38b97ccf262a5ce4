// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace netsonde {

// Keys keep the order in which they were added.
using Json = nlohmann::ordered_json;

// One line of ASCII: everything else is escaped, so that no terminal obeys what a name contains.
// Bytes that are no UTF-8 become U+FFFD.
inline std::string to_line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

struct Member {
  const char* key;
  Json value;
};

// An object of these, each key once: what an initializer list of JSON's makes too, at a fraction of
// its cost, for nothing is copied and no key looked for.
template <std::size_t count>
Json object_of(Member (&&members)[count]) {
  Json::object_t object;
  object.reserve(count);
  for (Member& member : members) object.emplace_back(member.key, std::move(member.value));
  return object;
}

}  // namespace netsonde
