// SPDX-License-Identifier: Apache-2.0
// Whatever bytes a netlink socket answers: everything that reads them ends, and what it does not
// understand it counts. The socket of libmnl is replaced, all else is the program's.
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>

#include "user/capture/links.h"
#include "user/capture/netlink.h"
#include "user/capture/qdiscs.h"
#include "user/capture/route.h"
#include "user/capture/route_table.h"
#include "user/capture/time_wait.h"
#include "user/capture/xdp.h"

namespace {

using namespace netsonde;

// The kernel's side: what is left to answer, and the number of the question.
struct Kernel {
  std::span<const std::uint8_t> answers;
  std::uint32_t sequence = 0;
};
Kernel kernel;

constexpr std::array<std::uint16_t, 4> kTypes = {NLMSG_DONE, NLMSG_ERROR, RTM_NEWLINK, NLMSG_NOOP};

void require(bool condition) {
  if (!condition) std::abort();
}

// One answer: a byte that chooses what it is, one that says how many bytes of it follow (in fours),
// the bytes. Behind a header of the kernel's, or without one.
std::size_t next_answer(std::span<std::uint8_t> buffer) {
  const std::uint8_t choice = kernel.answers[0];
  const std::size_t length =
      std::min<std::size_t>(kernel.answers[1] * 4U, kernel.answers.size() - 2);
  const std::size_t type = choice & 7U, head = type < kTypes.size() ? NLMSG_HDRLEN : 0;
  require(head + length <= buffer.size());
  std::memcpy(buffer.data() + head, kernel.answers.data() + 2, length);
  kernel.answers = kernel.answers.subspan(2 + length);
  if (!head) return length;
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<std::uint32_t>(head + length);
  header.nlmsg_type = kTypes[type];
  header.nlmsg_flags = choice & 8U ? NLM_F_DUMP_INTR : NLM_F_MULTI;
  header.nlmsg_seq = kernel.sequence;
  std::memcpy(buffer.data(), &header, sizeof(header));
  return head + length;
}

void check(std::span<const HostValue> values) {
  for (const HostValue& value : values) require(!value.name.empty() && !value.instance.empty());
}

void read_everything() {
  ValueList values;
  values.restart();
  auto route = RouteNetlink::open();
  (void)route.value().read_devices(values);
  (void)route.value().read_qdiscs(values);
  const auto& devices = route.value().devices();
  for (const Device& device : devices) require(!device.name.empty());
  require(std::ranges::is_sorted(devices, {}, &Device::index));
  check(values.finish());
  std::vector<HostValue> setup;
  add_xdp(devices, setup);
  check(setup);
}

void read_time_waits() {
  ValueList values;
  values.restart();
  LocalPorts ports;
  ports.set(0).set(257);
  auto waits = TimeWaits::open();
  waits.value().add(2, ports, Time(std::chrono::hours(1)), values);
  std::uint64_t shown = 0;
  for (const HostValue& value : values.finish())
    if (value.name == "time_wait.to") shown += value.value;
  require(shown <= values.value("time_wait.local_ports").value_or(0));
}

void read_links() {
  auto links = Links::open();
  (void)links.value().set_queue_length({.index = 2, .name = "eth0"}, 1000);
  const auto all = links.value().all();
  if (all)
    for (const Link& link : all.value()) require(!link.name.empty());
}

void read_disciplines() {
  auto qdiscs = Qdiscs::open();
  (void)qdiscs.value().root(2);
  const RootQdisc wanted = {.kind = "htb", .handle = 0x10000, .bytes_per_s = 1, .inner = "fq"};
  (void)qdiscs.value().attach(2, wanted, std::nullopt);
}

// What is sent back is the route that it was, but for one metric.
void read_routes() {
  auto table = RouteTable::open();
  const auto all = table.value().all();
  if (!all) return;
  for (const Route& route : all.value()) {
    NetlinkRequest request = replacement_of(route, {.type = RTAX_INITCWND, .number = 7});
    const auto again = route_in(*request.header());
    require(again && again->destination == route.destination);
    require(again->metrics.at(RTAX_INITCWND) == 7);
  }
}

}  // namespace

extern "C" {

mnl_socket* mnl_socket_open2(int, int) {
  return reinterpret_cast<mnl_socket*>(&kernel);
}
int mnl_socket_bind(mnl_socket*, unsigned int, pid_t) {
  return 0;
}
int mnl_socket_setsockopt(const mnl_socket*, int, void*, socklen_t) {
  return 0;
}
int mnl_socket_close(mnl_socket*) {
  return 0;
}
ssize_t mnl_socket_sendto(const mnl_socket*, const void* message, size_t length) {
  kernel.sequence = static_cast<const nlmsghdr*>(message)->nlmsg_seq;
  return static_cast<ssize_t>(length);
}
ssize_t mnl_socket_recvfrom(const mnl_socket*, void* buffer, size_t size) {
  if (kernel.answers.size() >= 2)
    return static_cast<ssize_t>(next_answer({static_cast<std::uint8_t*>(buffer), size}));
  errno = ENODATA;
  return -1;
}

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto& reads = {read_everything, read_time_waits, read_links, read_disciplines, read_routes};
  for (const auto read : reads) {
    kernel = {.answers = {data, size}};
    read();
  }
  return 0;
}

}  // extern "C"
