// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "probes/responsiveness.h"
#include "user/capture/route.h"
#include "user/capture/value_list.h"

namespace netsonde {

// What waits in the queueing disciplines of this network namespace.
class HostQueues {
 public:
  // Each device with the longest backlog of its disciplines: those of a class are part of their
  // parent's. Empty where the kernel does not tell.
  std::vector<DeviceQueue> read();

 private:
  std::optional<RouteNetlink> netlink_{};
  ValueList values_{};
};

}  // namespace netsonde
