// SPDX-License-Identifier: Apache-2.0
// Whatever a user types: no crash, an error of three lines, and a kernel part that lets pass
// whatever the filter accepts.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "user/model/filter.h"

namespace {

using namespace netsonde;

constexpr std::uint64_t kCgroup = 7;

void require(bool condition) {
  if (!condition) std::abort();
}

Names host_names() {
  Names names;
  names.learn_cgroup(kCgroup, [](std::uint64_t) { return "/a"; });
  return names;
}

Connection connection_with(std::uint8_t fill) {
  Connection connection;
  std::memset(&connection.last, fill, sizeof(connection.last));
  connection.last.conn.cgroup = kCgroup;
  connection.sampled = connection.limit_known = fill != 0;
  if (fill) connection.tx_rate = connection.rx_rate = fill;
  return connection;
}

Connection web_server_connection() {
  static constexpr std::uint8_t kAddress[16] = {0, 0, 0,    0,    0,  0, 0, 0,
                                                0, 0, 0xff, 0xff, 10, 0, 0, 1};
  Connection connection = connection_with(1);
  ev_conn& conn = connection.last.conn;
  std::copy(std::begin(kAddress), std::end(kAddress), conn.local);
  std::copy(std::begin(kAddress), std::end(kAddress), conn.remote);
  conn.local_port = 1;
  conn.remote_port = 443;
  conn.pid = conn.netns = 9;
  std::strcpy(conn.comm, "nginx");
  return connection;
}

bool in(const std::uint8_t (&address)[16], const std::uint8_t (&value)[16],
        const std::uint8_t (&mask)[16]) {
  for (int i = 0; i < 16; ++i)
    if ((address[i] & mask[i]) != value[i]) return false;
  return true;
}

// What the kernel does with the conditions.
bool kernel_accepts(const ev_filter& filter, const ev_conn& conn) {
  if (filter.port && filter.port != conn.local_port && filter.port != conn.remote_port)
    return false;
  if (filter.local_port && filter.local_port != conn.local_port) return false;
  if (filter.remote_port && filter.remote_port != conn.remote_port) return false;
  if (filter.netns && filter.netns != conn.netns) return false;
  if (filter.pid && filter.pid != conn.pid) return false;
  if (filter.cgroup && filter.cgroup != conn.cgroup) return false;
  return in(conn.local, filter.local, filter.local_mask) &&
         in(conn.remote, filter.remote, filter.remote_mask);
}

void evaluate(const Filter& filter, const Connection& connection, const Names& names) {
  const KernelFilter part =
      filter.kernel_part([](std::string_view path) { return path == "/a" ? kCgroup : 0; });
  const bool accepted = filter.accepts({connection, names, time_from_ns(1'000'000'000), 0});
  require(!accepted || kernel_accepts(part.conditions, connection.last.conn));
  (void)filter.only_identity();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = Filter::parse(text);
  if (!filter) {
    const std::string& message = filter.error().message();
    require(std::count(message.begin(), message.end(), '\n') == 2 && message.ends_with('^'));
    return 0;
  }
  const Names names = host_names();
  for (const std::uint8_t fill : {0, 1, 3, 0xff})
    evaluate(filter.value(), connection_with(fill), names);
  evaluate(filter.value(), web_server_connection(), names);
  return 0;
}
