// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "user/base/result.h"
#include "user/capture/links.h"

namespace netsonde {

// The queueing discipline at the root of a device of the namespace that the thread has, by the
// index of the device: a value of device.qdisc. One that somebody else has attached, and one of
// ours whose rate, queue or classes somebody has changed, reads as no value does: "fq 8001:". So
// does one of the kernel's own that it would not attach again: "default pfifo_fast".
Result<std::string> read_qdisc(std::uint32_t device);
// Only in place of the kernel's own or of ours: the parameters of another could not be restored.
Result<> write_qdisc(const Link& device, std::string_view value);

}  // namespace netsonde
