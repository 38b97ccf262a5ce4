// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace netsonde {

// One number that the host tells of itself: dotted lower-case words, the last one or two as the
// kernel spells them ("netstat.TcpExt.ListenOverflows", "device.rx_bytes").
struct HostValue {
  std::string name;
  std::string instance;  // "eth0", "cpu3", "eth0/fq_codel/1:0"; empty when there is only one
  std::uint64_t value = 0;

  bool operator==(const HostValue&) const = default;
};

// Untrusted bytes, as everything that comes with a name.
struct HostText {
  std::string name;
  std::string instance;
  std::string text;

  bool operator==(const HostText&) const = default;
};

// How the host is set up: what changes only when somebody changes it.
struct HostSetup {
  std::vector<HostValue> values;
  std::vector<HostText> texts;
  std::vector<std::string> not_read{};  // what could not be looked at, and why
};

}  // namespace netsonde
