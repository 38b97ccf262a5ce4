// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/model/recording/recording.h"

namespace netsonde {

struct OpenedRecording {
  recording::Recording recording;
  std::vector<std::string> remarks;  // what is missing of it, a line each
};

// A file, or a directory with all recordings in it. Fails when there is none, or it cannot be read;
// of several those that cannot are passed over with a remark.
Result<OpenedRecording> open_recording(const std::string& path, bool salvage);

}  // namespace netsonde
