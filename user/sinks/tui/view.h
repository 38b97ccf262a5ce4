// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "user/model/filter.h"
#include "user/model/snapshot.h"

namespace netsonde {

enum class GroupBy : std::uint8_t {
  Connection,
  Process,
  RemoteHost,
  RemoteSubnet,
  Listener,
  Cgroup
};
inline constexpr int kGroupings = 6;
std::string_view group_name(GroupBy by);

// What the rows of one group have in common.
struct GroupKey {
  std::uint64_t number = 0;
  Address address;
  auto operator<=>(const GroupKey&) const = default;
};

GroupKey group_key(GroupBy by, const Row& row);
// For a person; any row of the group will do. Not yet safe to print.
std::string group_text(GroupBy by, const Row& row);

// A group that was opened: only its connections are shown.
struct OpenGroup {
  GroupBy by = GroupBy::Connection;
  GroupKey key;
  std::string text;
};

enum class Show : std::uint8_t { Connections, All, Listeners };

// By a field, or without one worst first: retransmissions per second, drops, bytes per second.
struct Sort {
  const Field* field = nullptr;
  bool descending = true;
};

// What the user chose to see.
struct View {
  Filter filter;
  Sort sort;
  GroupBy group = GroupBy::Connection;
  std::optional<OpenGroup> open_group;
  Show show = Show::All;
  bool faults_only = false;
  bool closed = true;
};

// Something went wrong on the row since it began: retransmissions, drops on this host, connections
// that a listener had to refuse, or an end other than by FIN.
bool has_fault(const Connection& connection);

}  // namespace netsonde
