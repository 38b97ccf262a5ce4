// SPDX-License-Identifier: Apache-2.0
#include "user/capture/links.h"

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

namespace netsonde {

namespace {

constexpr std::string_view kShaper = "tbf";
constexpr double kTickNs = 64;  // the clock of disciplines

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

// Where the rate is too large for the first field it has one of its own.
void take_shaper(const nlattr& options, RootQdisc& root) {
  tc_tbf_qopt shaper = {};
  std::uint64_t large = 0;
  each_attribute(options, [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_TBF_PARMS)
      shaper = payload<tc_tbf_qopt>(attribute).value_or(tc_tbf_qopt());
    if (type_of(attribute) == TCA_TBF_RATE64) large = payload<std::uint64_t>(attribute).value_or(0);
  });
  root.bytes_per_s = large ? large : shaper.rate.rate;
  root.limit = shaper.limit;
  root.has_peak = shaper.peakrate.rate != 0;
  const double burst = shaper.buffer * kTickNs / 1e9 * static_cast<double>(root.bytes_per_s);
  root.burst = static_cast<std::uint32_t>(std::min(burst, 4e9));
}

// An attribute inside another.
void add(std::vector<char>& nest, std::uint16_t type, const void* data, std::size_t size) {
  nlattr head = {};
  head.nla_len = static_cast<std::uint16_t>(sizeof(head) + size);
  head.nla_type = type;
  const std::size_t at = nest.size();
  nest.resize(at + MNL_ALIGN(head.nla_len));
  std::memcpy(nest.data() + at, &head, sizeof(head));
  std::memcpy(nest.data() + at + sizeof(head), data, size);
}

// With a link layer that is named the kernel wants no table of times.
std::vector<char> shaper_options(const RootQdisc& qdisc) {
  constexpr std::uint64_t kLargest = ~std::uint32_t{0};
  tc_tbf_qopt shaper = {};
  shaper.rate.rate = static_cast<std::uint32_t>(std::min(qdisc.bytes_per_s, kLargest));
  shaper.rate.linklayer = TC_LINKLAYER_ETHERNET;
  shaper.limit = qdisc.limit;
  std::vector<char> nest;
  add(nest, TCA_TBF_PARMS, &shaper, sizeof(shaper));
  add(nest, TCA_TBF_BURST, &qdisc.burst, sizeof(qdisc.burst));
  if (qdisc.bytes_per_s >= kLargest)
    add(nest, TCA_TBF_RATE64, &qdisc.bytes_per_s, sizeof(qdisc.bytes_per_s));
  return nest;
}

std::optional<RootQdisc> root_in(const nlmsghdr& message, const Link& link) {
  const auto head = fixed_part<tcmsg>(message);
  if (!head || head->tcm_ifindex != static_cast<int>(link.index) || head->tcm_parent != TC_H_ROOT)
    return std::nullopt;
  RootQdisc root{.kind = {}, .handle = head->tcm_handle};
  const nlattr* options = nullptr;
  each_attribute(message, sizeof(*head), [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_KIND) root.kind = text_of(attribute);
    if (type_of(attribute) == TCA_OPTIONS) options = &attribute;
  });
  if (root.kind == kShaper && options) take_shaper(*options, root);
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
  if (qdisc.kind == kShaper) request.put(TCA_OPTIONS | NLA_F_NESTED, shaper_options(qdisc));
  return socket_.tell(request);
}

Result<> Links::remove_qdisc(const Link& link, std::uint32_t handle) {
  NetlinkRequest request(RTM_DELQDISC, 0);
  request.put(root_of(link, handle));
  return socket_.tell(request);
}

}  // namespace netsonde
