// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace netsonde {

// What the observed host calls things: numbers in events mean nothing without it. Filled by capture
// from the running kernel; a recording carries its own.
class Names {
 public:
  std::string host;

  // By number; the index is the running kernel's value. Without an entry: "#17".
  std::string drop_reason(std::uint32_t reason) const;
  std::string reset_reason(std::uint32_t reason) const;
  void set_drop_reasons(std::map<std::uint32_t, std::string> names) {
    drop_reasons_ = std::move(names);
  }
  void set_reset_reasons(std::map<std::uint32_t, std::string> names) {
    reset_reasons_ = std::move(names);
  }
  const std::map<std::uint32_t, std::string>& drop_reasons() const { return drop_reasons_; }

  using Resolve = std::function<std::string(std::uint64_t)>;

  // The function that holds a kernel address; empty when unknown. Asked for once per address.
  std::string_view symbol(std::uint64_t address) const;
  void learn_symbol(std::uint64_t address, const Resolve& resolve);

  // The path of a cgroup below the root of the hierarchy, "/system.slice/nginx.service"; empty when
  // it is not known (gone before anybody asked).
  std::string_view cgroup(std::uint64_t id) const;
  // Remembers the path while the cgroup still exists; resolve is asked once per id.
  void learn_cgroup(std::uint64_t id, const Resolve& resolve);

 private:
  std::map<std::uint32_t, std::string> drop_reasons_;
  std::map<std::uint32_t, std::string> reset_reasons_;
  std::unordered_map<std::uint64_t, std::string> symbols_;
  std::unordered_map<std::uint64_t, std::string> cgroups_;
};

// The container id (12 hexadecimal digits or more) that runtimes put into a cgroup path, or
// nothing.
std::string_view container_of(std::string_view cgroup_path);

// Why a drop of this kind is no harm; nothing for a drop that hurts, or about which nobody knows.
struct BenignDrop {
  std::string_view reason;    // without SKB_DROP_REASON_
  std::string_view location;  // function, or empty: wherever it happens
  std::string_view why;
};
const BenignDrop* benign_drop(std::string_view reason, std::string_view location);
// Benign wherever it happens: the kernel side may count such a drop without a word.
bool always_benign(std::string_view reason);

}  // namespace netsonde
