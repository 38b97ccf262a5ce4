// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/model/names.h"

namespace netsonde {

// What the running kernel says of itself in its BTF. Never derived from its version.
struct KernelFeatures {
  std::string release;
  bool kfree_skb_has_socket = false;
  bool send_reset_has_reason = false;
  bool retransmit_skb_has_error = false;
  std::uint32_t ticks_per_second = 250;
  std::map<std::uint32_t, std::string> drop_reasons;   // without SKB_DROP_REASON_
  std::map<std::uint32_t, std::string> reset_reasons;  // without SK_RST_REASON_

  // Fails when the kernel has no BTF.
  static Result<KernelFeatures> read();
};

// The kernel's functions by address. Empty where /proc/kallsyms hides addresses.
class Symbols {
 public:
  // Takes tens of milliseconds and about 3 MB.
  static Symbols read();
  // The function that holds the address; empty when unknown.
  std::string find(std::uint64_t address) const;

 private:
  std::vector<std::pair<std::uint64_t, std::uint32_t>> by_address_;  // offset into names_
  std::string names_;
};

// The cgroup2 hierarchy, reached without a mount that anybody else can see.
class CgroupRoot {
 public:
  // Fails where the kernel has no cgroup2 or will not let us mount it.
  static Result<CgroupRoot> open();

  int fd() const { return root_.get(); }
  // The path below the root of the cgroup with this id ("/" for the root itself); empty when it is
  // gone.
  std::string path_of(std::uint64_t id) const;
  // 0 when there is no such cgroup.
  std::uint64_t id_of(std::string_view path) const;

 private:
  UniqueFd root_;
};

}  // namespace netsonde
