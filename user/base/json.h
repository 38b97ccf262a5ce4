// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace netsonde {

// Keys keep the order in which they were added.
using Json = nlohmann::ordered_json;

// One line of ASCII: everything else is escaped, so that no terminal obeys what a name contains.
// Bytes that are no UTF-8 become U+FFFD.
inline std::string to_line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace netsonde
