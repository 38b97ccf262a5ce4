// SPDX-License-Identifier: Apache-2.0
#include "user/capture/links.h"

#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>

namespace netsonde {

namespace {

std::optional<Link> link_in(const nlmsghdr& message) {
  const auto head = fixed_part<ifinfomsg>(message);
  if (!head) return std::nullopt;
  Link link{.index = static_cast<std::uint32_t>(head->ifi_index), .name = {}};
  each_attribute(message, sizeof(*head), [&link](const nlattr& attribute) {
    if (type_of(attribute) == IFLA_IFNAME) link.name = text_of(attribute);
    if (type_of(attribute) == IFLA_TXQLEN)
      link.queue_length = payload<std::uint32_t>(attribute).value_or(0);
  });
  if (link.name.empty()) return std::nullopt;
  return link;
}

ifinfomsg head_of(const Link& link) {
  ifinfomsg head = {};
  head.ifi_index = static_cast<int>(link.index);
  return head;
}

tcmsg root_of(const Link& link, std::uint32_t handle) {
  tcmsg head = {};
  head.tcm_ifindex = static_cast<int>(link.index);
  head.tcm_parent = TC_H_ROOT;
  head.tcm_handle = handle;
  return head;
}

std::optional<RootQdisc> root_in(const nlmsghdr& message, const Link& link) {
  const auto head = fixed_part<tcmsg>(message);
  if (!head || head->tcm_ifindex != static_cast<int>(link.index) || head->tcm_parent != TC_H_ROOT)
    return std::nullopt;
  RootQdisc root{.kind = {}, .handle = head->tcm_handle};
  each_attribute(message, sizeof(*head), [&root](const nlattr& attribute) {
    if (type_of(attribute) == TCA_KIND) root.kind = text_of(attribute);
  });
  return root;
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

// By its index: a list of all takes long where there are many, and a request by name would also
// find a device that has the name only beside its own.
Result<std::optional<Link>> Links::find(const std::string& name) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0 && errno == ENODEV) return std::optional<Link>();
  if (index == 0) return Error::from_errno("look for the device " + name);
  NetlinkRequest request(RTM_GETLINK, NLM_F_ACK);
  request.put(head_of({.index = index, .name = name}));
  std::optional<Link> link;
  const auto asked = socket_.ask(
      request, [&link] { link.reset(); },
      [&link](const nlmsghdr& message) { link = link_in(message); });
  if (!asked && if_nametoindex(name.c_str()) == index) return asked.error();
  if (link && link->name != name) link.reset();
  return link;
}

Result<> Links::set_queue_length(const Link& link, std::uint32_t packets) {
  NetlinkRequest request(RTM_SETLINK, 0);
  request.put(head_of(link));
  request.put(IFLA_TXQLEN, packets);
  return socket_.tell(request);
}

// The kernel refuses to show one that it hides, and one that is not there; then the list of all of
// them, which takes long where there are many devices, decides.
Result<std::optional<RootQdisc>> Links::root_qdisc(const Link& link) {
  std::optional<RootQdisc> root;
  const auto begin = [&root] { root.reset(); };
  const auto take = [&](const nlmsghdr& message) {
    if (auto found = root_in(message, link)) root = std::move(found);
  };
  NetlinkRequest one(RTM_GETQDISC, NLM_F_ACK);
  one.put(root_of(link, 0));
  if (socket_.ask(one, begin, take) && root) return root;
  NetlinkRequest list(RTM_GETQDISC, NLM_F_DUMP);
  list.put(tcmsg());
  TRY(socket_.ask(list, begin, take));
  return root;
}

Result<> Links::attach_qdisc(const Link& link, const RootQdisc& qdisc, bool in_place_of_another) {
  NetlinkRequest request(RTM_NEWQDISC,
                         NLM_F_CREATE | (in_place_of_another ? NLM_F_REPLACE : NLM_F_EXCL));
  request.put(root_of(link, qdisc.handle));
  request.put(TCA_KIND, qdisc.kind.c_str());
  return socket_.tell(request);
}

Result<> Links::remove_qdisc(const Link& link, std::uint32_t handle) {
  NetlinkRequest request(RTM_DELQDISC, 0);
  request.put(root_of(link, handle));
  return socket_.tell(request);
}

}  // namespace netsonde
