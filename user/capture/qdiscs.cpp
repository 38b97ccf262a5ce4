// SPDX-License-Identifier: Apache-2.0
#include "user/capture/qdiscs.h"

#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace netsonde {

namespace {

constexpr std::string_view kTokenBucket = "tbf", kHierarchy = "htb";
constexpr double kTickNs = 64;  // the clock of disciplines
constexpr std::uint64_t kLargestRate = ~std::uint32_t{0};
constexpr std::uint32_t kOnlyClass = 1;    // its minor number
constexpr std::uint32_t kQuantum = 1'514;  // bytes of a turn: the only class has all turns

tcmsg head_of(std::uint32_t device, std::uint32_t parent, std::uint32_t handle) {
  tcmsg head = {};
  head.tcm_ifindex = static_cast<int>(device);
  head.tcm_parent = parent;
  head.tcm_handle = handle;
  return head;
}

// Counts the bytes of packets, as Ethernet has them, and no more.
bool is_plain(const tc_ratespec& spec) {
  return !spec.overhead && !spec.mpu && spec.linklayer == TC_LINKLAYER_ETHERNET;
}

// Where a rate is too large for the first field it has one of its own.
std::uint64_t rate_of(const tc_ratespec& first, std::uint64_t large) {
  return large ? large : first.rate;
}

std::uint32_t bytes_in(std::uint32_t ticks, std::uint64_t bytes_per_s) {
  const double bytes = ticks * kTickNs / 1e9 * static_cast<double>(bytes_per_s);
  return static_cast<std::uint32_t>(std::min(bytes, 4e9));
}

std::uint32_t ticks_of(std::uint32_t bytes, std::uint64_t bytes_per_s) {
  const double ticks = bytes * 1e9 / kTickNs / static_cast<double>(bytes_per_s);
  return static_cast<std::uint32_t>(std::min(ticks, 4e9));
}

// With a link layer that is named the kernel wants no table of times.
tc_ratespec rate_spec(std::uint64_t bytes_per_s) {
  tc_ratespec spec = {};
  spec.rate = static_cast<std::uint32_t>(std::min(bytes_per_s, kLargestRate));
  spec.linklayer = TC_LINKLAYER_ETHERNET;
  return spec;
}

void take_token_bucket(const nlattr& options, RootQdisc& root) {
  tc_tbf_qopt shaper = {};
  std::uint64_t large = 0;
  each_attribute(options, [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_TBF_PARMS)
      shaper = payload<tc_tbf_qopt>(attribute).value_or(tc_tbf_qopt());
    if (type_of(attribute) == TCA_TBF_RATE64) large = payload<std::uint64_t>(attribute).value_or(0);
  });
  root.bytes_per_s = rate_of(shaper.rate, large);
  root.limit = shaper.limit;
  root.has_more = shaper.peakrate.rate != 0 || !is_plain(shaper.rate);
  root.burst = bytes_in(shaper.buffer, root.bytes_per_s);
}

void take_class(const tcmsg& head, const nlattr& options, RootQdisc& root) {
  tc_htb_opt shaper = {};
  std::uint64_t large = 0, large_ceiling = 0;
  each_attribute(options, [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_HTB_PARMS)
      shaper = payload<tc_htb_opt>(attribute).value_or(tc_htb_opt());
    if (type_of(attribute) == TCA_HTB_RATE64) large = payload<std::uint64_t>(attribute).value_or(0);
    if (type_of(attribute) == TCA_HTB_CEIL64)
      large_ceiling = payload<std::uint64_t>(attribute).value_or(0);
  });
  const bool is_another = root.bytes_per_s != 0;
  root.bytes_per_s = rate_of(shaper.rate, large);
  root.burst = bytes_in(shaper.buffer, root.bytes_per_s);
  root.inner_handle = head.tcm_info;
  if (is_another || head.tcm_handle != (root.handle | kOnlyClass) ||
      rate_of(shaper.ceil, large_ceiling) != root.bytes_per_s || shaper.cbuffer != shaper.buffer ||
      !is_plain(shaper.rate) || !is_plain(shaper.ceil))
    root.has_more = true;
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

std::vector<char> token_bucket_options(const RootQdisc& qdisc) {
  tc_tbf_qopt shaper = {};
  shaper.rate = rate_spec(qdisc.bytes_per_s);
  shaper.limit = qdisc.limit;
  std::vector<char> nest;
  add(nest, TCA_TBF_PARMS, &shaper, sizeof(shaper));
  add(nest, TCA_TBF_BURST, &qdisc.burst, sizeof(qdisc.burst));
  if (qdisc.bytes_per_s >= kLargestRate)
    add(nest, TCA_TBF_RATE64, &qdisc.bytes_per_s, sizeof(qdisc.bytes_per_s));
  return nest;
}

std::vector<char> hierarchy_options() {
  constexpr std::uint32_t kVersion = 3;
  tc_htb_glob all = {};
  all.version = kVersion;
  all.defcls = kOnlyClass;
  std::vector<char> nest;
  add(nest, TCA_HTB_INIT, &all, sizeof(all));
  return nest;
}

std::vector<char> class_options(const RootQdisc& qdisc) {
  tc_htb_opt shaper = {};
  shaper.rate = shaper.ceil = rate_spec(qdisc.bytes_per_s);
  shaper.buffer = shaper.cbuffer = ticks_of(qdisc.burst, qdisc.bytes_per_s);
  shaper.quantum = kQuantum;
  std::vector<char> nest;
  add(nest, TCA_HTB_PARMS, &shaper, sizeof(shaper));
  if (qdisc.bytes_per_s >= kLargestRate)
    for (const std::uint16_t type : {TCA_HTB_RATE64, TCA_HTB_CEIL64})
      add(nest, type, &qdisc.bytes_per_s, sizeof(qdisc.bytes_per_s));
  return nest;
}

// Of a discipline, or of a class.
NetlinkRequest making(std::uint16_t type, std::uint16_t flags, const tcmsg& head,
                      const std::string& kind) {
  NetlinkRequest request(type, flags);
  request.put(head);
  request.put(TCA_KIND, kind.c_str());
  return request;
}

std::optional<RootQdisc> root_in(const nlmsghdr& message, std::uint32_t device) {
  const auto head = fixed_part<tcmsg>(message);
  if (!head || head->tcm_ifindex != static_cast<int>(device) || head->tcm_parent != TC_H_ROOT)
    return std::nullopt;
  RootQdisc root{.handle = head->tcm_handle};
  const nlattr* options = nullptr;
  each_attribute(message, sizeof(*head), [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_KIND) root.kind = text_of(attribute);
    if (type_of(attribute) == TCA_OPTIONS) options = &attribute;
  });
  if (root.kind == kTokenBucket && options) take_token_bucket(*options, root);
  return root;
}

std::string kind_in(const nlmsghdr& message) {
  std::string kind;
  each_attribute(message, sizeof(tcmsg), [&kind](const nlattr& attribute) {
    if (type_of(attribute) == TCA_KIND) kind = text_of(attribute);
  });
  return kind;
}

// Disciplines inside may have classes of their own.
void take_if_class(const nlmsghdr& message, std::uint32_t device, RootQdisc& root) {
  const auto head = fixed_part<tcmsg>(message);
  if (!head || head->tcm_ifindex != static_cast<int>(device) ||
      TC_H_MAJ(head->tcm_handle) != root.handle)
    return;
  each_attribute(message, sizeof(*head), [&](const nlattr& attribute) {
    if (type_of(attribute) == TCA_OPTIONS) take_class(*head, attribute, root);
  });
}

// Somebody may have attached another in the place of the kernel's own, which has no handle.
void take_if_inside(const nlmsghdr& message, std::uint32_t device, RootQdisc& root) {
  const auto head = fixed_part<tcmsg>(message);
  root.has_more |= head && head->tcm_ifindex == static_cast<int>(device) &&
                   TC_H_MAJ(head->tcm_parent) == root.handle && head->tcm_parent != TC_H_ROOT &&
                   head->tcm_handle != 0;
}

}  // namespace

Result<Qdiscs> Qdiscs::open() {
  return Qdiscs(TRY(NetlinkSocket::open(NETLINK_ROUTE)));
}

Result<> Qdiscs::add_all(std::uint16_t type, std::uint32_t device, RootQdisc& root, Take take) {
  NetlinkRequest all(type, NLM_F_DUMP);
  all.put(head_of(device, 0, 0));
  const RootQdisc without = root;
  return socket_.ask(
      all, [&] { root = without; }, [&](const nlmsghdr& message) { take(message, device, root); });
}

// What is inside an htb; nothing when it has just gone.
void Qdiscs::read_inner(std::uint32_t device, RootQdisc& root) {
  NetlinkRequest inner(RTM_GETQDISC, NLM_F_ACK | NLM_F_ECHO);
  inner.put(head_of(device, 0, root.inner_handle));
  (void)socket_.ask(
      inner, [&root] { root.inner.clear(); },
      [&root](const nlmsghdr& message) { root.inner = kind_in(message); });
}

// The kernel tells of a single one as of a change: to us only with NLM_F_ECHO, and not of one that
// it hides or that is not there. Then the list of all, which takes long where there are many,
// decides.
Result<std::optional<RootQdisc>> Qdiscs::root(std::uint32_t device) {
  std::optional<RootQdisc> root;
  const auto begin = [&root] { root.reset(); };
  const auto take = [&](const nlmsghdr& message) {
    if (auto found = root_in(message, device)) root = std::move(found);
  };
  NetlinkRequest one(RTM_GETQDISC, NLM_F_ACK | NLM_F_ECHO);
  one.put(head_of(device, TC_H_ROOT, 0));
  if (!socket_.ask(one, begin, take) || !root) {
    NetlinkRequest list(RTM_GETQDISC, NLM_F_DUMP);
    list.put(tcmsg());
    TRY(socket_.ask(list, begin, take));
  }
  if (root && root->kind == kHierarchy) TRY(add_all(RTM_GETTCLASS, device, *root, take_if_class));
  if (root && root->kind == kTokenBucket) TRY(add_all(RTM_GETQDISC, device, *root, take_if_inside));
  if (root && root->inner_handle) read_inner(device, *root);
  return root;
}

// An htb does not become another: only its class does.
Result<> Qdiscs::attach(std::uint32_t device, const RootQdisc& qdisc,
                        const std::optional<RootQdisc>& there) {
  const bool is_htb = qdisc.kind == kHierarchy;
  const bool replaces = there && there->handle != 0;
  std::vector<NetlinkRequest> requests;
  if (!is_htb || !there || there->handle != qdisc.handle) {
    // Without NLM_F_CREATE only what has that handle still is changed.
    const std::uint16_t how = !replaces                       ? NLM_F_CREATE | NLM_F_EXCL
                              : there->handle == qdisc.handle ? NLM_F_REPLACE
                                                              : NLM_F_CREATE | NLM_F_REPLACE;
    requests.push_back(
        making(RTM_NEWQDISC, how, head_of(device, TC_H_ROOT, qdisc.handle), qdisc.kind));
    if (qdisc.kind == kTokenBucket)
      requests.back().put(TCA_OPTIONS | NLA_F_NESTED, token_bucket_options(qdisc));
    if (is_htb) requests.back().put(TCA_OPTIONS | NLA_F_NESTED, hierarchy_options());
  }
  if (is_htb) {
    const std::uint32_t id = qdisc.handle | kOnlyClass;
    requests.push_back(making(RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_REPLACE,
                              head_of(device, qdisc.handle, id), qdisc.kind));
    requests.back().put(TCA_OPTIONS | NLA_F_NESTED, class_options(qdisc));
    requests.push_back(making(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE,
                              head_of(device, id, qdisc.inner_handle), qdisc.inner));
  }
  auto attached = socket_.tell(requests);
  if (!attached && is_htb && !replaces) (void)remove(device, qdisc.handle);
  return attached;
}

Result<> Qdiscs::remove(std::uint32_t device, std::uint32_t handle) {
  NetlinkRequest request(RTM_DELQDISC, 0);
  request.put(head_of(device, TC_H_ROOT, handle));
  return socket_.tell(request);
}

}  // namespace netsonde
