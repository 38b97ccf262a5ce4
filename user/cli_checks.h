// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "user/cli.h"

namespace netsonde {

// What single options cannot tell: those that contradict each other, or miss one another.
std::optional<Answer> contradiction(const Options& options);

}  // namespace netsonde
