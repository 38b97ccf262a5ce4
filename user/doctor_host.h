// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/base/json.h"
#include "user/base/result.h"
#include "user/model/host_value.h"

namespace netsonde {

// How this host's network devices are set up, and what stands ready for packets that bypass the
// kernel's network stack (XDP, AF_XDP, DPDK). Of the thread's network namespace.
Result<HostSetup> examine_devices();

// {"devices": {"eth0": {"device.driver": "virtio_net", "offload.tso": 1, ...}}, "host": {...}}:
// each under its own name, what is unknown absent.
Json to_json(const HostSetup& setup);
// A line per device, then one on the bypass.
std::string to_text(const HostSetup& setup);

}  // namespace netsonde
