// SPDX-License-Identifier: Apache-2.0
#include "user/capture/time_wait.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace netsonde {

namespace {

constexpr Nanos kReadEvery = std::chrono::seconds(10);
constexpr std::size_t kMostWays = 8;

Address address_of(const __be32 (&raw)[4], std::uint8_t family) {
  Address address;
  if (family == AF_INET6) {
    std::memcpy(address.bytes.data(), raw, sizeof(raw));
  } else {
    address.bytes[10] = address.bytes[11] = 0xff;
    std::memcpy(&address.bytes[12], raw, sizeof(raw[0]));
  }
  return address;
}

}  // namespace

std::optional<TimeWait> time_wait_of(const nlmsghdr& message) {
  const auto socket = fixed_part<inet_diag_msg>(message);
  if (!socket || (socket->idiag_family != AF_INET && socket->idiag_family != AF_INET6))
    return std::nullopt;
  return TimeWait{.local_port = ntohs(socket->id.idiag_sport),
                  .way = {.local = address_of(socket->id.idiag_src, socket->idiag_family),
                          .remote = address_of(socket->id.idiag_dst, socket->idiag_family),
                          .remote_port = ntohs(socket->id.idiag_dport)}};
}

Result<TimeWaits> TimeWaits::open() {
  return TimeWaits(TRY(NetlinkSocket::open(NETLINK_SOCK_DIAG)));
}

void TimeWaits::add(std::uint64_t waiting, const LocalPorts& ports, Time now, ValueList& values) {
  const std::uint64_t all = ports.count();
  if (!all || 2 * waiting < all) return;
  const bool nearly_all = 10 * waiting >= 9 * all;
  if (now >= due_ || (nearly_all && !was_nearly_all_)) {
    due_ = now + kReadEvery;
    was_nearly_all_ = nearly_all;
    read(ports, values);
  }
  if (!all_held_) return;
  values.add("time_wait.local_ports", *all_held_);
  for (const auto& [way, held] : most_)
    values.add({"time_wait.to"},
               {to_text(way.local), " > ", to_text(way.remote), " port ", Digits(way.remote_port)},
               held);
}

void TimeWaits::read(const LocalPorts& ports, ValueList& values) {
  all_held_.reset();
  most_.clear();
  auto asked = ask(ports, values);
  if (!asked) return values.not_understood();
  std::vector<TimeWait::Way>& ways = asked.value();
  all_held_ = ways.size();
  std::sort(ways.begin(), ways.end());
  for (auto first = ways.begin(); first != ways.end();) {
    const auto last = std::upper_bound(first, ways.end(), *first);
    most_.push_back({.way = *first, .ports = static_cast<std::uint64_t>(last - first)});
    first = last;
  }
  const std::size_t kept = std::min(most_.size(), kMostWays);
  std::partial_sort(most_.begin(), most_.begin() + static_cast<std::ptrdiff_t>(kept), most_.end(),
                    [](const Held& a, const Held& b) { return a.ports > b.ports; });
  most_.resize(kept);
  most_.shrink_to_fit();
}

Result<std::vector<TimeWait::Way>> TimeWaits::ask(const LocalPorts& ports, ValueList& values) {
  std::vector<TimeWait::Way> ways;
  for (const std::uint8_t family : {AF_INET, AF_INET6}) {
    NetlinkRequest request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
    inet_diag_req_v2 wanted = {};
    wanted.sdiag_family = family;
    wanted.sdiag_protocol = IPPROTO_TCP;
    wanted.idiag_states = 1U << TCP_TIME_WAIT;
    request.put(wanted);
    const std::size_t before = ways.size();
    TRY(socket_.ask(
        request, [&] { ways.resize(before); },
        [&](const nlmsghdr& message) {
          const auto socket = time_wait_of(message);
          if (!socket) return values.not_understood();
          if (ports.test(socket->local_port)) ways.push_back(socket->way);
        }));
  }
  return ways;
}

}  // namespace netsonde
