// SPDX-License-Identifier: Apache-2.0
#include "user/capture/links.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace netsonde {

namespace {

std::string address_in(const nlattr& attribute) {
  const auto* bytes = static_cast<const unsigned char*>(mnl_attr_get_payload(&attribute));
  const std::span all(bytes, mnl_attr_get_payload_len(&attribute));
  if (std::ranges::all_of(all, [](unsigned char byte) { return byte == 0; })) return {};
  return fmt::format("{:02x}", fmt::join(all, ":"));
}

std::optional<Link> link_in(const nlmsghdr& message) {
  const auto head = fixed_part<ifinfomsg>(message);
  if (!head) return std::nullopt;
  Link link{.index = static_cast<std::uint32_t>(head->ifi_index), .name = {}};
  each_attribute(message, sizeof(*head), [&link](const nlattr& attribute) {
    if (type_of(attribute) == IFLA_IFNAME) link.name = text_of(attribute);
    if (type_of(attribute) == IFLA_ADDRESS) link.address = address_in(attribute);
    if (type_of(attribute) == IFLA_TXQLEN)
      link.queue_length = payload<std::uint32_t>(attribute).value_or(0);
    if (type_of(attribute) == IFLA_MTU) link.mtu = payload<std::uint32_t>(attribute).value_or(0);
  });
  if (link.name.empty()) return std::nullopt;
  return link;
}

ifinfomsg head_of(const Link& link) {
  ifinfomsg head = {};
  head.ifi_index = static_cast<int>(link.index);
  return head;
}

}  // namespace

Result<Links> Links::open() {
  return Links(TRY(NetlinkSocket::open(NETLINK_ROUTE)));
}

Result<std::vector<Link>> Links::all() {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.put(ifinfomsg());
  std::vector<Link> links;
  TRY(socket_.ask(
      request, [&links] { links.clear(); },
      [&links](const nlmsghdr& message) {
        if (auto link = link_in(message)) links.push_back(std::move(*link));
      }));
  return links;
}

// A device that is not there is refused; the reason is not looked at, but whether it is there.
Result<std::optional<Link>> Links::at(std::uint32_t index) {
  NetlinkRequest request(RTM_GETLINK, NLM_F_ACK);
  request.put(head_of({.index = index, .name = {}}));
  std::optional<Link> link;
  const auto asked = socket_.ask(
      request, [&link] { link.reset(); },
      [&link](const nlmsghdr& message) { link = link_in(message); });
  char name[IF_NAMESIZE];
  if (!asked && if_indextoname(index, name)) return asked.error();
  return link;
}

// By its index: a list of all takes long where there are many, and a request by name would also
// find a device that has the name only beside its own.
Result<std::optional<Link>> Links::find(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0 && errno == ENODEV) return std::optional<Link>();
  if (index == 0) return Error::from_errno("look for the device " + name);
  std::optional<Link> link = TRY(at(index));
  if (link && link->name != name) link.reset();
  return link;
}

Result<> Links::set_queue_length(const Link& link, std::uint32_t packets) {
  NetlinkRequest request(RTM_SETLINK, 0);
  request.put(head_of(link));
  request.put(IFLA_TXQLEN, packets);
  return socket_.tell(request);
}

}  // namespace netsonde
