// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace netsonde {

// Keys keep the order in which they were added.
using Json = nlohmann::ordered_json;

// One line. Bytes that are no UTF-8 become U+FFFD, control characters are escaped.
inline std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace netsonde
