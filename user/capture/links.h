// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/capture/netlink.h"

namespace netsonde {

struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::string address{};           // of the hardware: "02:00:5e:10:00:01"; empty: it has none
  std::uint32_t queue_length = 0;  // "txqueuelen", in packets

  bool operator==(const Link&) const = default;
};

struct RootQdisc {
  std::string kind;
  std::uint32_t handle = 0;            // 0: the kernel has attached it by itself
  std::uint64_t bytes_per_s = 0;       // of a tbf
  std::uint32_t burst = 0, limit = 0;  // of a tbf, in bytes; the burst is about so much when read

  bool has_peak = false;  // of a tbf: a second rate

  bool operator==(const RootQdisc&) const = default;
};

// The network devices of one network namespace, to be set up.
class Links {
 public:
  // In the namespace that the thread has now.
  static Result<Links> open();

  Result<std::vector<Link>> all();
  // By the name that the kernel shows, no other; absent: there is none.
  Result<std::optional<Link>> find(const std::string& name);
  Result<std::optional<Link>> at(std::uint32_t index);
  Result<> set_queue_length(const Link& link, std::uint32_t packets);

  // Absent: it has none that shows, as a device that was never up.
  Result<std::optional<RootQdisc>> root_qdisc(const Link& link);
  // With the parameters that the kernel gives it. Fails, and leaves what is there, for a kind that
  // this kernel lacks; and when there is one that somebody has attached, unless that is to go.
  Result<> attach_qdisc(const Link& link, const RootQdisc& qdisc, bool in_place_of_another);
  // Only the one of this handle: the kernel then attaches its own.
  Result<> remove_qdisc(const Link& link, std::uint32_t handle);

 private:
  explicit Links(NetlinkSocket socket) : socket_(std::move(socket)) {}

  NetlinkSocket socket_;
};

}  // namespace netsonde
