// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/capture/ethtool.h"
#include "user/capture/host_settings.h"
#include "user/capture/kept_file.h"
#include "user/capture/proc_net.h"
#include "user/capture/route.h"
#include "user/capture/time_wait.h"
#include "user/capture/value_list.h"
#include "user/model/host_value.h"

namespace netsonde {

// The host's own network counters, of one network namespace: the one that the thread had in open().
// Later calls come from a thread in the same one, for files are opened again when they fail.
//
// What this kernel does not have is absent. What is there and makes no sense is absent too, and
// counted.
class HostReader {
 public:
  // Below another root, for tests, there are only files: nothing over netlink.
  static Result<HostReader> open(const std::string& root = "");

  // Everything that counts; for each tick. Valid until the next call.
  const std::vector<HostValue>& read();
  // How devices and host are set up. Drivers may take milliseconds to answer.
  HostSetup read_slow();

  // What of the last read() and the last read_slow() could not be understood.
  std::uint64_t unreadable() const { return values_.unreadable() + setup_unreadable_; }

 private:
  using Parse = void (*)(std::string_view text, ValueList& values);
  struct Table {
    KeptFile file;
    Parse parse;
  };

  HostReader(UniqueFd proc, UniqueFd sys, UniqueFd cgroups);
  void open_tables();
  Result<> open_sockets();
  void read_devices();
  void read_time_waits();
  std::vector<std::string> device_names() const;
  void find_irqs();
  void read_irqs();
  void add_texts(HostSetup& setup) const;

  UniqueFd proc_;
  UniqueFd sys_;      // none: what it would show is absent, and HostSetup says so
  UniqueFd cgroups_;  // of version 2, likewise
  std::vector<std::string> not_read_;
  std::vector<Table> tables_;
  KeptFile interrupts_;
  HostSettings settings_;
  std::optional<RouteNetlink> route_;
  std::optional<Ethtool> ethtool_;
  std::optional<TimeWaits> time_waits_;
  std::optional<std::vector<Device>> irqs_of_;  // whose interrupts irqs_ are
  std::vector<DeviceIrq> irqs_;
  ValueList values_;
  std::string buffer_;
  std::uint64_t setup_unreadable_ = 0;
};

}  // namespace netsonde
