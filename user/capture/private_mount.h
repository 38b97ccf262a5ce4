// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// The root directory of a filesystem of the kernel ("cgroup2", "sysfs"), reached without a mount
// that anybody else can see; it goes with the descriptor. sysfs shows the network devices of the
// namespace that the thread has now, unlike /sys, which shows those of whoever mounted it.
Result<UniqueFd> mount_privately(const char* type);

}  // namespace netsonde
