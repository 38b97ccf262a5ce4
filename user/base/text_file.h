// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "user/base/result.h"

namespace netsonde {

// What a regular file holds, or /dev/null; absent where there is no such file. Never waits: neither
// for the other end of a FIFO nor for a terminal. "PATH: larger than 256KiB".
Result<std::optional<std::string>> read_text_file(const std::string& path, std::size_t most_bytes);

// The same of a file that only root, or whoever we are, may have written: "PATH belongs to user
// 1000: it cannot be trusted".
Result<std::optional<std::string>> read_trusted_file(const std::string& path,
                                                     std::size_t most_bytes);

}  // namespace netsonde
