// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/model/host_value.h"

namespace netsonde {

// What ethtool shows of a device: its driver, speed, offloads, rings and channels. Some drivers
// take their time to answer, so it is asked rarely.
class Ethtool {
 public:
  // In the thread's network namespace.
  static Result<Ethtool> open();

  // Adds what the driver tells; what it does not know is absent.
  void add(const std::string& device, HostSetup& setup) const;

 private:
  bool ask(const std::string& device, void* command) const;
  std::vector<std::string> feature_names(const std::string& device) const;
  void add_driver(const std::string& device, HostSetup& setup) const;
  void add_speed(const std::string& device, HostSetup& setup) const;
  void add_features(const std::string& device, HostSetup& setup) const;
  void add_rings(const std::string& device, HostSetup& setup) const;
  void add_channels(const std::string& device, HostSetup& setup) const;

  UniqueFd socket_;
};

}  // namespace netsonde
