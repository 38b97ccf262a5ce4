// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace netsonde {

// What /proc/sys/net/ipv4/tcp_available_congestion_control lists: loaded now.
std::vector<std::string> congestion_controls();

// Queueing disciplines built in, loaded, or there as modules of the running kernel; sorted.
std::vector<std::string> available_qdiscs();

// A setting of this host that would hurt netsonde, and what to do about it.
struct Advice {
  std::string setting;
  std::string value;
  std::string text;
};
std::vector<Advice> host_advice();

}  // namespace netsonde
