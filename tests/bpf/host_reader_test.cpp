// SPDX-License-Identifier: Apache-2.0
#include "user/capture/host_reader.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "tests/bpf/path.h"
#include "tests/bpf/process.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {
namespace {

template <typename T>
const T* find(const std::vector<T>& list, const std::string& name, const std::string& instance) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const T& item) {
    return item.name == name && item.instance == instance;
  });
  return found == list.end() ? nullptr : &*found;
}

std::optional<std::uint64_t> value_in(const std::vector<HostValue>& values, const std::string& name,
                                      const std::string& instance = "") {
  const HostValue* found = find(values, name, instance);
  return found ? std::optional(found->value) : std::nullopt;
}

// The number behind the label, at or behind the place.
std::uint64_t number_behind(const std::string& text, const std::string& label,
                            const std::string& place = "") {
  const std::size_t begin = text.find(place);
  const std::size_t at = begin == std::string::npos ? begin : text.find(label, begin);
  must(at != std::string::npos, "find " + label + " in " + text);
  return std::stoull(text.substr(at + label.size()));
}

class Datagrams {
 public:
  explicit Datagrams(const std::string& address) : socket_(socket(AF_INET, kKind, 0)) {
    address_.sin_family = AF_INET;
    must(inet_pton(AF_INET, address.c_str(), &address_.sin_addr) == 1, "read an address");
  }

  void bind_with_buffer(int bytes) {
    must(!setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), "set a buffer");
    socklen_t size = sizeof(address_);
    auto* address = reinterpret_cast<sockaddr*>(&address_);
    must(!bind(socket_.get(), address, size) && !getsockname(socket_.get(), address, &size),
         "bind a UDP socket");
  }
  void send_to(const Datagrams& other, int count, std::size_t size) const {
    send(other.address_, count, size);
  }
  // To a port where nobody listens.
  void send_away(int count, std::size_t size) const {
    sockaddr_in away = address_;
    away.sin_port = htons(9);
    send(away, count, size);
  }
  // How many there are to read.
  std::uint64_t drain() const {
    std::array<char, 2048> bytes{};
    std::uint64_t count = 0;
    while (recv(socket_.get(), bytes.data(), bytes.size(), 0) >= 0) ++count;
    return count;
  }

 private:
  static constexpr int kKind = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

  void send(const sockaddr_in& to, int count, std::size_t size) const {
    const std::string bytes(size, 'x');
    for (int i = 0; i < count; ++i)  // a full queue answers ENOBUFS
      sendto(socket_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to),
             sizeof(to));
  }

  UniqueFd socket_;
  sockaddr_in address_ = {};
};

class HostReaderTest : public testing::Test {
 protected:
  std::optional<std::uint64_t> value(const std::string& name, const std::string& instance = "") {
    return value_in(reader_.read(), name, instance);
  }

  Path path_;
  Inside inside_{path_.near()};
  HostReader reader_ = HostReader::open().value();
};

TEST_F(HostReaderTest, AQueueCountsWhatTcCounts) {
  run("/sbin/tc qdisc add dev near root handle 5: tbf rate 1mbit burst 4kb limit 8kb");
  Datagrams(Path::kFar).send_away(200, 1000);
  std::string witness;
  ASSERT_TRUE(wait_until([&] {
    witness = output_of("/sbin/tc -s -j qdisc show dev near");
    return number_behind(witness, "\"backlog\":") == 0;
  }));
  EXPECT_GT(number_behind(witness, "\"drops\":"), 100U);
  EXPECT_EQ(value("qdisc.drops", "near/tbf/5:0"), number_behind(witness, "\"drops\":"));
  EXPECT_EQ(value("qdisc.packets", "near/tbf/5:0"), number_behind(witness, "\"packets\":"));
  EXPECT_EQ(value("qdisc.bytes", "near/tbf/5:0"), number_behind(witness, "\"bytes\":"));
  EXPECT_EQ(value("qdisc.overlimits", "near/tbf/5:0"), number_behind(witness, "\"overlimits\":"));
  EXPECT_EQ(value("qdisc.requeues", "near/tbf/5:0"), number_behind(witness, "\"requeues\":"));
  EXPECT_EQ(value("qdisc.qlen", "near/tbf/5:0"), 0U);
  EXPECT_EQ(reader_.unreadable(), 0U);
}

TEST_F(HostReaderTest, AQueueShowsWhatWaitsInIt) {
  run("/sbin/tc qdisc add dev near root handle 5: tbf rate 8bit burst 1540 limit 3000");
  Datagrams(Path::kFar).send_away(20, 1000);
  const std::string witness = output_of("/sbin/tc -s -j qdisc show dev near");
  EXPECT_GT(value("qdisc.backlog_bytes", "near/tbf/5:0"), 0U);
  EXPECT_EQ(value("qdisc.backlog_bytes", "near/tbf/5:0"), number_behind(witness, "\"backlog\":"));
  EXPECT_EQ(value("qdisc.qlen", "near/tbf/5:0"), number_behind(witness, "\"qlen\":"));
}

TEST_F(HostReaderTest, AQueueWithoutAHandleGoesByItsPlace) {
  EXPECT_TRUE(value("qdisc.drops", "near/noqueue/root").has_value());
}

TEST_F(HostReaderTest, ADeviceCountsWhatIpCounts) {
  Datagrams(Path::kFar).send_away(50, 700);
  const std::string witness = output_of("/sbin/ip -s -j link show dev near");
  EXPECT_GE(number_behind(witness, "\"packets\":", "\"tx\":{"), 50U);
  EXPECT_EQ(value("device.tx_packets", "near"), number_behind(witness, "\"packets\":", "\"tx\":{"));
  EXPECT_EQ(value("device.tx_bytes", "near"), number_behind(witness, "\"bytes\":", "\"tx\":{"));
  EXPECT_EQ(value("device.rx_packets", "near"), number_behind(witness, "\"packets\":", "\"rx\":{"));
  EXPECT_EQ(value("device.rx_bytes", "near"), number_behind(witness, "\"bytes\":", "\"rx\":{"));
  EXPECT_EQ(value("device.mtu", "near"), number_behind(witness, "\"mtu\":"));
  EXPECT_EQ(value("device.txqueuelen", "near"), number_behind(witness, "\"txqlen\":"));
}

TEST_F(HostReaderTest, ADeviceThatGoesDownIsDown) {
  EXPECT_EQ(value("device.up", "near"), 1U);
  const std::uint64_t changes = value("device.carrier_changes", "near").value();
  run("/sbin/ip link set near down");
  EXPECT_EQ(value("device.up", "near"), 0U);
  EXPECT_GT(value("device.carrier_changes", "near"), changes);
}

TEST_F(HostReaderTest, ADeviceComesAndGoes) {
  EXPECT_EQ(value("device.up", "passing"), std::nullopt);
  run("/sbin/ip link add passing type veth peer name other");
  EXPECT_EQ(value("device.up", "passing"), 0U);
  run("/sbin/ip link delete passing");
  for (const HostValue& value : reader_.read())
    EXPECT_EQ(value.instance.find("passing"), std::string::npos) << value.name;
  EXPECT_EQ(reader_.unreadable(), 0U);
}

TEST_F(HostReaderTest, ARenamedDeviceIsKnownByItsNewName) {
  run("/sbin/tc qdisc add dev near root handle 5: tbf rate 1mbit burst 4kb limit 8kb");
  EXPECT_EQ(value("qdisc.drops", "near/tbf/5:0"), 0U);
  run("/sbin/ip link set near down");
  run("/sbin/ip link set near name renamed");
  EXPECT_EQ(value("qdisc.drops", "renamed/tbf/5:0"), 0U);
  EXPECT_EQ(value("qdisc.drops", "near/tbf/5:0"), std::nullopt);
}

TEST_F(HostReaderTest, WhileDevicesComeAndGoTheOthersAreThereOrTheListIsCountedAsUnreadable) {
  run("/sbin/ip link add last type veth peer name other");
  Child busy([] {
    for (;;) {
      run("/sbin/ip link add passing type veth peer name by");
      run("/sbin/ip link delete passing");
    }
  });
  int complete = 0;
  ASSERT_TRUE(wait_until([&] {
    const std::vector<HostValue>& values = reader_.read();
    if (reader_.unreadable() == 0) {
      for (const char* device : {"lo", "near", "last", "other"})
        EXPECT_TRUE(value_in(values, "device.rx_bytes", device)) << device;
      ++complete;
    }
    return complete == 300;
  }));
}

TEST_F(HostReaderTest, ManyDevicesAreAllRead) {
  constexpr int kPairs = 40;  // more than one answer of the kernel holds
  for (int i = 0; i < kPairs; ++i)
    run("/sbin/ip link add a" + std::to_string(i) + " type veth peer name b" + std::to_string(i));
  int found = 0;
  for (const HostValue& value : reader_.read()) found += value.name == "device.rx_bytes";
  EXPECT_EQ(found, 2 * kPairs + 2);  // near and lo
  EXPECT_EQ(reader_.unreadable(), 0U);
}

TEST_F(HostReaderTest, DatagramsThatAFullSocketLosesAreCounted) {
  constexpr std::uint64_t kSent = 300;
  Datagrams receiver("127.0.0.1");
  receiver.bind_with_buffer(4096);
  EXPECT_EQ(value("snmp.Udp.RcvbufErrors"), 0U);
  Datagrams("127.0.0.1").send_to(receiver, kSent, 500);
  const std::uint64_t lost = kSent - receiver.drain();
  EXPECT_GT(lost, 0U);
  EXPECT_EQ(value("snmp.Udp.RcvbufErrors"), lost);
  EXPECT_EQ(value("snmp.Udp.RcvbufErrors"), kernel_counter("UdpRcvbufErrors"));
}

TEST_F(HostReaderTest, EveryCounterOfTheProtocolsIsThere) {
  const Socket listener = listen_on({});
  Pair pair = connected_pair(listener);
  exchange(pair.client, pair.server, 10'000, 10'000);
  close_in_order(pair);
  const auto witness = kernel_counters();
  const std::vector<HostValue>& values = reader_.read();
  std::size_t compared = 0;
  for (const HostValue& value : values) {
    const std::size_t group = value.name.starts_with("snmp.")      ? 5
                              : value.name.starts_with("netstat.") ? 8
                                                                   : 0;
    if (group == 0) continue;
    std::string name = value.name.substr(group);
    name.erase(name.find('.'), 1);
    ASSERT_TRUE(witness.contains(name)) << name;
    EXPECT_EQ(value.value, witness.at(name)) << name;
    ++compared;
  }
  const auto negative = std::count_if(witness.begin(), witness.end(), [](const auto& counter) {
    return static_cast<std::int64_t>(counter.second) < 0;
  });
  EXPECT_EQ(compared + static_cast<std::size_t>(negative), witness.size());
}

TEST_F(HostReaderTest, OnlyTheOwnNamespaceIsRead) {
  Datagrams(Path::kFar).send_away(10, 100);
  const HostSetup setup = reader_.read_slow();
  const std::vector<HostValue>& values = reader_.read();
  EXPECT_EQ(value_in(values, "device.up", "far"), std::nullopt);
  EXPECT_EQ(value_in(values, "snmp.Udp.OutDatagrams"), kernel_counter("UdpOutDatagrams"));
  const auto known = std::count_if(setup.values.begin(), setup.values.end(),
                                   [](const auto& value) { return value.name == "offload.gro"; });
  EXPECT_EQ(known, 2);  // near and lo
  // From a /sys of this namespace, which is not the one below /sys.
  EXPECT_NE(find(setup.texts, "device.rps_cpus", "near/rx-0"), nullptr);
}

TEST_F(HostReaderTest, ADriverTellsItsNameAndItsOffloads) {
  const HostSetup setup = reader_.read_slow();
  const HostText* driver = find(setup.texts, "device.driver", "near");
  ASSERT_NE(driver, nullptr);
  EXPECT_EQ(driver->text, "veth");
  EXPECT_EQ(value_in(setup.values, "device.speed", "near"), 10'000U);
  EXPECT_EQ(value_in(setup.values, "offload.tso", "near"), 1U);
  EXPECT_EQ(value_in(setup.values, "offload.tso.fixed", "near"), 0U);
  EXPECT_EQ(value_in(setup.values, "offload.lro.fixed", "near"), 1U);
  EXPECT_EQ(value_in(setup.values, "bypass.xdp_attached", "near"), 0U);
  EXPECT_EQ(reader_.unreadable(), 0U);
}

TEST_F(HostReaderTest, SettingsAreThoseOfTheNamespace) {
  set_ipv4("tcp_syncookies", "0");
  set_ipv4("ip_local_port_range", "40000 40099");
  EXPECT_EQ(value("setting.tcp_syncookies"), 0U);
  EXPECT_EQ(value("limit.local_ports"), 100U);
  set_ipv4("tcp_syncookies", "2");
  EXPECT_EQ(value("setting.tcp_syncookies"), 2U);
}

}  // namespace
}  // namespace netsonde::test
