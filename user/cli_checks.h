// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "user/cli.h"

namespace netsonde {

// What single options cannot tell: those that contradict each other, or miss one another.
std::optional<Answer> contradiction(const Options& options);

// CLI11 names what it could not take from the configuration file, but not where that stands:
// "FILE:LINE: what is wrong". Absent where it came from the words that were given.
std::optional<std::string> place_in_config(const std::string& message, const std::string& path,
                                           const std::vector<std::string>& given);

}  // namespace netsonde
