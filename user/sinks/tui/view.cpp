// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/view.h"

#include <fmt/format.h>

#include <array>

namespace netsonde {

namespace {

constexpr std::array<std::string_view, kGroupings> kGroupNames = {
    "connection", "process", "remote host", "remote subnet", "listener", "cgroup"};

const ev_conn& conn(const Row& row) {
  return row.connection.last.conn;
}

Address remote_subnet(const Row& row) {
  const Address remote = Address::from(conn(row).remote);
  return prefix_of(remote, remote.is_ipv4() ? 24 : 64);
}

std::string process_text(const ev_conn& conn) {
  if (!conn.owner) return "(unknown process)";
  return fmt::format("{}[{}]", fixed_string(conn.comm), conn.pid);
}

std::string listener_text(const ev_conn& conn) {
  if (conn.direction == EV_OUT) return "(outgoing)";
  if (conn.direction == EV_DIRECTION_UNKNOWN) return "(unknown)";
  return fmt::format(":{} {}", conn.local_port, fixed_string(conn.comm));
}

}  // namespace

std::string_view group_name(GroupBy by) {
  return kGroupNames[static_cast<std::size_t>(by)];
}

GroupKey group_key(GroupBy by, const Row& row) {
  const ev_conn& c = conn(row);
  switch (by) {
    case GroupBy::Connection: return {.number = c.cookie, .address = {}};
    case GroupBy::Process: return {.number = c.owner ? c.pid : 0, .address = {}};
    case GroupBy::RemoteHost: return {.number = 0, .address = Address::from(c.remote)};
    case GroupBy::RemoteSubnet: return {.number = 0, .address = remote_subnet(row)};
    case GroupBy::Listener:
      if (c.direction != EV_IN && c.direction != EV_LISTENER)
        return {.number = c.direction, .address = {}};
      return {.number = std::uint64_t{c.netns} << 16 | c.local_port, .address = {}};
    case GroupBy::Cgroup: return {.number = c.cgroup, .address = {}};
  }
  return {};
}

std::string group_text(GroupBy by, const Row& row) {
  const Address remote = Address::from(conn(row).remote);
  switch (by) {
    case GroupBy::Connection: return {};
    case GroupBy::Process: return process_text(conn(row));
    case GroupBy::RemoteHost: return to_text(remote);
    case GroupBy::RemoteSubnet:
      return fmt::format("{}/{}", to_text(remote_subnet(row)), remote.is_ipv4() ? 24 : 64);
    case GroupBy::Listener: return listener_text(conn(row));
    case GroupBy::Cgroup: {
      const std::string_view path = row.names.cgroup(conn(row).cgroup);
      return path.empty() ? "(unknown cgroup)" : std::string(path);
    }
  }
  return {};
}

bool has_fault(const Connection& connection) {
  const ev_sample& s = connection.last;
  if (connection.is_listener()) return s.sk_drops > 0;
  return s.retransmitted > 0 || s.drops > 0 || (connection.is_closed() && end_name(s) != "fin");
}

}  // namespace netsonde
