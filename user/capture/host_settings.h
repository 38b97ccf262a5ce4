// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/capture/kept_file.h"
#include "user/capture/value_list.h"

namespace netsonde {

// Limits and settings of /proc/sys: "limit.somaxconn", "setting.tcp_syncookies". In a network
// namespace the kernel shows some of them only to the first one.
class HostSettings {
 public:
  // The descriptor of /proc is not owned.
  explicit HostSettings(int proc);

  void read(std::string& buffer, ValueList& values);

 private:
  std::vector<KeptFile> files_;  // as the table in host_settings.cpp
};

}  // namespace netsonde
