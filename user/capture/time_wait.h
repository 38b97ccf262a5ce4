// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "user/base/text.h"
#include "user/base/units.h"
#include "user/capture/host_settings.h"
#include "user/capture/netlink.h"
#include "user/capture/value_list.h"

namespace netsonde {

// A connection in TIME_WAIT: its end here, and where it went.
struct TimeWait {
  std::uint16_t local_port = 0;
  struct Way {
    Address local, remote;
    std::uint16_t remote_port = 0;

    auto operator<=>(const Way&) const = default;
  } way;
};
// One message of the kernel's list; nothing when it makes no sense.
std::optional<TimeWait> time_wait_of(const nlmsghdr& message);

// Where connections in TIME_WAIT hold local ports, of one network namespace.
class TimeWaits {
 public:
  static Result<TimeWaits> open();

  // While at least half as many wait as there are local ports: adds how many of these are held
  // ("time_wait.local_ports", a port counts once for each way), and the ways that hold most, as
  // "time_wait.to" of "10.0.0.1 > 10.0.0.2 port 80".
  //
  // The list takes the kernel milliseconds: it is read every ten seconds, and once more when
  // nine tenths are reached. In between the values stay.
  void add(std::uint64_t waiting, const LocalPorts& ports, Time now, ValueList& values);

 private:
  struct Held {
    TimeWait::Way way;
    std::uint64_t ports = 0;
  };

  explicit TimeWaits(NetlinkSocket socket) : socket_(std::move(socket)) {}
  Result<std::vector<TimeWait::Way>> ask(const LocalPorts& ports, ValueList& values);
  void read(const LocalPorts& ports, ValueList& values);

  NetlinkSocket socket_;
  Time due_{};
  bool was_nearly_all_ = false;              // at the last reading
  std::optional<std::uint64_t> all_held_{};  // nothing: that one failed
  std::vector<Held> most_;
};

}  // namespace netsonde
