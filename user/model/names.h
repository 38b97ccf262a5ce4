// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace netsonde {

// The numbers stand in recordings.
enum class NameKind : std::uint8_t {
  Host = 0,
  DropReason = 1,
  ResetReason = 2,
  Symbol = 3,
  Cgroup = 4
};

// What one number means; the host has none (0).
struct Name {
  NameKind kind = NameKind::Host;
  std::uint64_t number = 0;
  std::string_view text;
};

// What the observed host calls things: numbers in events mean nothing without it. Filled by capture
// from the running kernel; a recording carries its own.
class Names {
 public:
  std::string host;

  // Everything but the host, in the order in which it was learned; at(i) for i < count().
  std::size_t count() const { return learned_.size(); }
  Name at(std::size_t index) const;
  // As a recording tells it.
  void learn(const Name& name);

  // By number; the index is the running kernel's value. Without an entry: "#17".
  std::string drop_reason(std::uint32_t reason) const;
  std::string reset_reason(std::uint32_t reason) const;
  void set_drop_reasons(const std::map<std::uint32_t, std::string>& names);
  void set_reset_reasons(const std::map<std::uint32_t, std::string>& names);
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
  std::vector<std::pair<NameKind, std::uint64_t>> learned_;
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
