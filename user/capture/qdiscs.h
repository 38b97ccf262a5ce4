// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "user/capture/netlink.h"

namespace netsonde {

// The queueing discipline at the root of a device.
struct RootQdisc {
  std::string kind{};
  std::uint32_t handle = 0;  // 0: the kernel has attached it by itself
  // Of a tbf, of the class 1 of an htb, to which all goes.
  std::uint64_t bytes_per_s = 0;
  std::uint32_t burst = 0;  // bytes, about so many when it is read
  std::uint32_t limit = 0;  // bytes; of a tbf
  std::string inner{};      // the kind of the discipline inside; of an htb
  std::uint32_t inner_handle = 0;
  bool has_more = false;  // read: a second rate, more classes, bytes counted in another way
};

// Those of one network namespace, to be set up.
class Qdiscs {
 public:
  // In the namespace that the thread has now.
  static Result<Qdiscs> open();

  // Of the device of this index. Absent: it has none that shows, as a device that was never up.
  Result<std::optional<RootQdisc>> root(std::uint32_t device);
  // With the parameters that the kernel gives it, in place of what was read there. Fails for a kind
  // that this kernel lacks, and if somebody has attached one where there was none. What was there
  // is then left; but an htb in the place of another discipline may be there half made.
  Result<> attach(std::uint32_t device, const RootQdisc& qdisc,
                  const std::optional<RootQdisc>& there);
  // Only the one of this handle: the kernel then attaches its own.
  Result<> remove(std::uint32_t device, std::uint32_t handle);

 private:
  explicit Qdiscs(NetlinkSocket socket) : socket_(std::move(socket)) {}

  // The rate of an htb, which its classes have.
  using Take = void (*)(const nlmsghdr& message, std::uint32_t device, RootQdisc& root);
  // What the messages of a list of the device's add to it.
  Result<> add_all(std::uint16_t type, std::uint32_t device, RootQdisc& root, Take take);
  void read_inner(std::uint32_t device, RootQdisc& root);

  NetlinkSocket socket_;
};

}  // namespace netsonde
