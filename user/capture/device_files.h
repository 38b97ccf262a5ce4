// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// The files that sysfs has of one network device.
class DeviceFiles {
 public:
  // Below the root of a sysfs, which mount_privately() gives; absent: that shows no such device.
  // The name has been checked: it is one step of a path.
  static Result<std::optional<DeviceFiles>> open(int sys, const std::string& device);

  // Without the line's end; absent: it has none, or the kernel has nothing to say there.
  Result<std::optional<std::string>> read(const std::string& file) const;
  Result<> write(const std::string& file, std::string_view value) const;

  // "queues/rx-0", "queues/rx-1", ... for "rx"; there may be none.
  std::vector<std::string> queues(std::string_view direction) const;

 private:
  DeviceFiles(std::string device, UniqueFd folder)
      : device_(std::move(device)), folder_(std::move(folder)) {}

  std::string device_;
  UniqueFd folder_;
};

}  // namespace netsonde
