// SPDX-License-Identifier: Apache-2.0
#include "user/model/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

std::string name_or_number(const std::map<std::uint32_t, std::string>& names,
                           std::uint32_t number) {
  const auto found = names.find(number);
  return found == names.end() ? fmt::format("#{}", number) : found->second;
}

constexpr std::array kBenignDrops = {
    BenignDrop{.reason = "QUEUE_PURGE",
               .location = "",
               .why = "what was still queued when the socket closed, most often the peer's FIN"},
    BenignDrop{.reason = "SOCKET_CLOSE",
               .location = "",
               .why = "the application closed without reading what had arrived"},
    BenignDrop{.reason = "TCP_OFOMERGE",
               .location = "",
               .why = "its bytes were already in the out-of-order queue"},
    BenignDrop{.reason = "TCP_OLD_DATA",
               .location = "",
               .why = "a duplicate: its bytes had already arrived"},
    BenignDrop{.reason = "TCP_OLD_SEQUENCE",
               .location = "",
               .why = "a keepalive, a probe of a closed window, or bytes that had already arrived"},
    BenignDrop{
        .reason = "TCP_OLD_ACK", .location = "", .why = "an older ACK than one that had arrived"},
    BenignDrop{.reason = "TCP_RESET",
               .location = "",
               .why = "a reset that did its work; it is reported as a reset"},
    BenignDrop{
        .reason = "TCP_FLAGS",
        .location = "",
        .why = "a segment without ACK to a connection that needs one, usual while it closes"},
    BenignDrop{.reason = "OTHERHOST",
               .location = "",
               .why = "a frame for another host on a promiscuous or bridged interface"},
    BenignDrop{.reason = "UNICAST_IN_L2_MULTICAST",
               .location = "",
               .why = "unicast addresses inside a broadcast frame must be ignored"},
    BenignDrop{.reason = "UNHANDLED_PROTO",
               .location = "",
               .why = "a protocol that nobody on this host has asked for (LLDP, STP, ...)"},
    BenignDrop{.reason = "SOCKET_FILTER",
               .location = "",
               .why = "a filter that an application put on its own socket"},
    BenignDrop{.reason = "TAP_FILTER", .location = "", .why = "a filter set on the TAP device"},
    BenignDrop{.reason = "TAP_TXFILTER", .location = "", .why = "a filter set on the TAP device"},
    BenignDrop{.reason = "UNIX_DISCONNECT",
               .location = "",
               .why = "a local datagram socket was disconnected; not network traffic"},
    BenignDrop{
        .reason = "UNIX_SKIP_OOB", .location = "", .why = "a local socket; not network traffic"},
    BenignDrop{.reason = "TCP_CLOSE",
               .location = "",
               .why = "a segment for a connection that this host has closed"},
    BenignDrop{.reason = "NO_SOCKET",
               .location = "tcp_v4_rcv",
               .why = "nobody listens there; the sender was told by a reset, which is reported"},
    BenignDrop{.reason = "NO_SOCKET",
               .location = "tcp_v6_rcv",
               .why = "nobody listens there; the sender was told by a reset, which is reported"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "tcp_v4_rcv",
               .why = "a segment for a connection in TIME_WAIT"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "tcp_v6_rcv",
               .why = "a segment for a connection in TIME_WAIT"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "ip6_mc_input",
               .why = "IPv6 multicast that nobody on this host has joined"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "sk_stream_kill_queues",
               .why = "what was still queued when the socket closed, most often the peer's FIN"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "inet_sock_destruct",
               .why = "what was still queued when the socket closed, most often the peer's FIN"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "tcp_rcv_state_process",
               .why = "the last segments of a closing connection"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "unix_release_sock",
               .why = "a local socket; not network traffic"},
    BenignDrop{.reason = "NOT_SPECIFIED",
               .location = "netlink_broadcast_filtered",
               .why = "a local message without listeners; not network traffic"},
};

static_assert(std::all_of(kBenignDrops.begin(), kBenignDrops.end(),
                          [](const BenignDrop& row) {
                            return !row.reason.empty() && !row.why.empty();
                          }),
              "every benign drop needs a reason and why it is no harm");

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

Name Names::at(std::size_t index) const {
  const auto [kind, number] = learned_[index];
  const auto reason = static_cast<std::uint32_t>(number);
  switch (kind) {
    case NameKind::Host: break;
    case NameKind::DropReason: return {kind, number, drop_reasons_.at(reason)};
    case NameKind::ResetReason: return {kind, number, reset_reasons_.at(reason)};
    case NameKind::Symbol: return {kind, number, symbols_.at(number)};
    case NameKind::Cgroup: return {kind, number, cgroups_.at(number)};
  }
  return {kind, 0, host};
}

void Names::learn(const Name& name) {
  const auto reason = static_cast<std::uint32_t>(name.number);
  bool is_new = false;
  switch (name.kind) {
    case NameKind::Host: host = name.text; break;
    case NameKind::DropReason:
      is_new = drop_reasons_.insert_or_assign(reason, std::string(name.text)).second;
      break;
    case NameKind::ResetReason:
      is_new = reset_reasons_.insert_or_assign(reason, std::string(name.text)).second;
      break;
    case NameKind::Symbol:
      is_new = symbols_.insert_or_assign(name.number, std::string(name.text)).second;
      break;
    case NameKind::Cgroup:
      is_new = cgroups_.insert_or_assign(name.number, std::string(name.text)).second;
      break;
  }
  if (is_new) learned_.emplace_back(name.kind, name.number);
}

void Names::set_drop_reasons(const std::map<std::uint32_t, std::string>& names) {
  for (const auto& [number, text] : names) learn({NameKind::DropReason, number, text});
}

void Names::set_reset_reasons(const std::map<std::uint32_t, std::string>& names) {
  for (const auto& [number, text] : names) learn({NameKind::ResetReason, number, text});
}

std::string Names::drop_reason(std::uint32_t reason) const {
  return name_or_number(drop_reasons_, reason);
}

std::string Names::reset_reason(std::uint32_t reason) const {
  return name_or_number(reset_reasons_, reason);
}

std::string_view Names::symbol(std::uint64_t address) const {
  const auto found = symbols_.find(address);
  return found == symbols_.end() ? std::string_view() : std::string_view(found->second);
}

void Names::learn_symbol(std::uint64_t address, const Resolve& resolve) {
  if (address && !symbols_.contains(address))
    learn({.kind = NameKind::Symbol, .number = address, .text = resolve(address)});
}

std::string_view Names::cgroup(std::uint64_t id) const {
  const auto found = cgroups_.find(id);
  return found == cgroups_.end() ? std::string_view() : std::string_view(found->second);
}

void Names::learn_cgroup(std::uint64_t id, const Resolve& resolve) {
  if (id && !cgroups_.contains(id))
    learn({.kind = NameKind::Cgroup, .number = id, .text = resolve(id)});
}

std::string_view container_of(std::string_view cgroup_path) {
  constexpr std::size_t kFullId = 64;
  for (std::size_t begin = 0; begin < cgroup_path.size();) {
    std::size_t end = begin;
    while (end < cgroup_path.size() && is_hex(cgroup_path[end])) ++end;
    if (end - begin == kFullId) return cgroup_path.substr(begin, 12);
    begin = end + 1;
  }
  return {};
}

const BenignDrop* benign_drop(std::string_view reason, std::string_view location) {
  const auto found =
      std::find_if(kBenignDrops.begin(), kBenignDrops.end(), [&](const BenignDrop& row) {
        return row.reason == reason && (row.location.empty() || row.location == location);
      });
  return found == kBenignDrops.end() ? nullptr : &*found;
}

bool always_benign(std::string_view reason) {
  const BenignDrop* row = benign_drop(reason, "");
  return row && row->location.empty();
}

}  // namespace netsonde
