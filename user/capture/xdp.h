// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "user/capture/route.h"
#include "user/model/host_value.h"

namespace netsonde {

// Adds what each device's driver can do with XDP ("bypass.xdp", "bypass.xdp_redirect",
// "bypass.xsk_zerocopy", 0 or 1) where the kernel tells (6.3), in the thread's namespace. Whether a
// program is attached comes from the devices themselves: "bypass.xdp_attached".
void add_xdp(std::span<const Device> devices, std::vector<HostValue>& values);

}  // namespace netsonde
