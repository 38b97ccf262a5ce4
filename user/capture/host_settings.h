// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <string>
#include <vector>

#include "user/capture/kept_file.h"
#include "user/capture/value_list.h"

namespace netsonde {

// The ports that the kernel gives to connections that ask for none.
using LocalPorts = std::bitset<65536>;

// Limits and settings of /proc/sys: "limit.somaxconn", "setting.tcp_syncookies". In a network
// namespace the kernel shows some of them only to the first one.
class HostSettings {
 public:
  // The descriptor of /proc is not owned.
  explicit HostSettings(int proc);

  void read(std::string& buffer, ValueList& values);

  // As last read; none when they could not be.
  const LocalPorts& local_ports() const { return local_ports_; }

 private:
  void read_local_ports(std::string& buffer, ValueList& values);

  std::vector<KeptFile> files_;  // as the table in host_settings.cpp
  KeptFile port_range_;
  KeptFile reserved_ports_;
  LocalPorts local_ports_;
};

}  // namespace netsonde
