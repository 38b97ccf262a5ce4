// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "user/base/result.h"

namespace netsonde {

// Whether the file may be made: its directory is there and can be written to, and nothing stands in
// its place but, where it may be replaced, a file. To be asked before work that takes long.
Result<> check_new_file(const std::string& path, bool replace);

// Never leaves half a file under the name: the bytes are written beside it and take the name once
// they are on the disk.
Result<> write_new_file(const std::string& path, std::string_view bytes, bool replace);

}  // namespace netsonde
