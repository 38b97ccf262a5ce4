// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include <algorithm>

#include "tests/bpf/diagnosis.h"
#include "tests/bpf/path.h"
#include "user/base/loop.h"
#include "user/capture/host_reader.h"

namespace netsonde::test {
namespace {

// The near end's own counters, as netsonde explain reads them there.
class HostTest : public DiagnosisTest {
 protected:
  HostTest() { read(reader_.read()); }

  void read(const std::vector<HostValue>& values) {
    ASSERT_TRUE(observer_.on_host(kernel_now(), values));
    counters_.update(kernel_now(), values);
  }
  std::optional<Finding> on_host(std::string_view id) {
    read(reader_.read());
    return find(id);
  }
  std::optional<Finding> wait_on_host(std::string_view id) {
    std::optional<Finding> finding;
    wait_until([&] {
      look(1);
      finding = on_host(id);
      return finding.has_value();
    });
    return finding;
  }

  HostReader reader_ = HostReader::open().value();
  HostCounters counters_;
};

TEST_F(HostTest, AnOwnShaperThatDropsIsFound) {
  run("/sbin/tc qdisc add dev path root tbf rate 8mbit burst 4kb limit 8kb");
  read(reader_.read());
  flow(send_on, read_on);
  const auto finding = wait_on_host("qdisc-drops");
  ASSERT_TRUE(finding);
  EXPECT_TRUE(finding->subject.part.starts_with("path/tbf/")) << finding->subject.part;
  EXPECT_FALSE(on_host("softnet-drops"));
}

TEST_F(HostTest, AQueueOfOurOwnThatStandsIsTheHosts) {
  run("/sbin/tc qdisc add dev path root tbf rate 20mbit burst 16kb limit 2mb");
  read(reader_.read());
  flow(send_on, read_on, use_cubic);
  std::optional<Finding> finding;
  EXPECT_TRUE(wait_until([&] {
    look(1);
    finding = on_host("bufferbloat");
    return finding && finding->where == Where::Host;
  })) << found();
  EXPECT_FALSE(on_host("qdisc-drops"));
}

TEST_F(HostTest, AQueueFurtherAwayIsTheNetworks) {
  path_.shape().delay_us = 2'000;
  path_.shape().bits_per_second = 20'000'000;
  flow(send_on, read_on, use_cubic);
  const auto finding = wait_on_host("bufferbloat");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Network);
}

TEST_F(HostTest, ADatagramWithoutRoomIsFound) {
  const Socket receiver{UniqueFd(socket(AF_INET, SOCK_DGRAM, 0))};
  receiver.set(SOL_SOCKET, SO_RCVBUF, 4096);
  receiver.bind_to({});
  const Socket sender{UniqueFd(socket(AF_INET, SOCK_DGRAM, 0))};
  sender.connect_to({.port = receiver.port()});
  EXPECT_FALSE(on_host("udp-buffer-errors"));
  for (int i = 0; i < 100; ++i) sender.send(std::string(1000, 'd'));
  EXPECT_TRUE(wait_on_host("udp-buffer-errors"));
}

TEST_F(HostTest, AFloodOfRequestsIsAnsweredWithCookies) {
  const Socket listener = listen_on({.address = LongPath::kNear}, 1);
  const Rule unanswered(path_.near(), "input",
                        "tcp sport " + std::to_string(listener.port()) + " tcp flags ack");
  EXPECT_FALSE(on_host("syn-cookies"));
  std::list<Socket> crowd;
  for (int i = 0; i < 5; ++i) {
    crowd.push_back(Socket::make());
    crowd.back().make_nonblocking();
    crowd.back().try_connect({.address = LongPath::kNear, .port = listener.port()});
  }
  EXPECT_TRUE(wait_on_host("syn-cookies"));
}

TEST_F(HostTest, CookiesForEveryRequestAreNoFlood) {
  set_ipv4("tcp_syncookies", "2");
  read(reader_.read());
  const Socket listener = listen_on({.address = LongPath::kNear});
  const std::uint64_t before = kernel_counter("TcpExtSyncookiesSent");
  const Socket client = connect_to({.address = LongPath::kNear, .port = listener.port()});
  EXPECT_TRUE(wait_until([&] { return kernel_counter("TcpExtSyncookiesSent") > before; }));
  EXPECT_FALSE(on_host("syn-cookies"));
}

// Connections from local ports, one after the other, that the client closes first.
class TimeWaitTest : public HostTest {
 protected:
  static constexpr int kPorts = 100, kClosed = 95;

  TimeWaitTest() {
    set_ipv4("ip_local_port_range", "40000 40099");
    set_ipv4("tcp_tw_reuse", "0");
    read(reader_.read());
  }
  // The services take turns.
  void open_and_close(const std::vector<const Socket*>& listeners, std::size_t times = kClosed) {
    for (std::size_t i = 0; i < times; ++i) {
      Pair pair = connected_pair(*listeners[i % listeners.size()]);
      close_in_order(pair);
    }
    closed_ += times;
    EXPECT_TRUE(wait_until([this] { return waiting() == closed_; }));
  }
  // The second witness: how many ss finds that wait, all or on the way to a port.
  static std::size_t waiting(const std::string& where = "") {
    const std::string list = output_of("/usr/bin/ss -Htan state time-wait" + where);
    return static_cast<std::size_t>(std::ranges::count(list, '\n'));
  }
  static std::size_t waiting_on(std::uint16_t port) {
    return waiting(" dport = :" + std::to_string(port));
  }

  std::size_t closed_ = 0;
};

TEST_F(TimeWaitTest, AWayThatHoldsNearlyAllLocalPortsIsNamed) {
  const Socket listener = listen_on({.port = 80});
  open_and_close({&listener});
  const auto finding = on_host("time-wait-pressure");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "127.0.0.1 > 127.0.0.1 port 80");
  EXPECT_EQ(finding->confidence, Confidence::High);
  EXPECT_EQ(finding->impact.connections, waiting_on(80));
  EXPECT_EQ(finding->impact.connections, std::size_t{kClosed});
  EXPECT_EQ(test::value_of(*finding, "limit.local_ports"), kPorts);
}

TEST_F(TimeWaitTest, AsManyOnManyWaysAreFine) {
  std::list<Socket> listeners;
  std::vector<const Socket*> all;
  for (std::uint16_t port = 80; port < 90; ++port)
    all.push_back(&listeners.emplace_back(listen_on({.port = port})));
  open_and_close(all);
  EXPECT_FALSE(on_host("time-wait-pressure"));
  EXPECT_EQ(counters_.value("time_wait.local_ports"), std::uint64_t{kClosed});
  const auto ways = counters_.instances("time_wait.to");
  EXPECT_EQ(ways.size(), 8U);
  for (const std::string& way : ways) {
    const auto port = static_cast<std::uint16_t>(std::stoi(way.substr(way.rfind(' '))));
    EXPECT_EQ(counters_.value("time_wait.to", way), waiting_on(port)) << way;
  }
}

TEST_F(TimeWaitTest, TheListIsNotReadWithEachLookButWhenItMatters) {
  const Socket listener = listen_on({.port = 80});
  const auto held = [&](std::size_t more) {
    open_and_close({&listener}, more);
    read(reader_.read());
    return counters_.value("time_wait.local_ports");
  };
  EXPECT_EQ(held(40), std::nullopt);
  EXPECT_EQ(held(20), 60U);
  EXPECT_EQ(held(20), 60U);
  EXPECT_EQ(held(12), 92U);
  EXPECT_EQ(held(3), 92U);
}

TEST_F(TimeWaitTest, PortsThatTheKernelDoesNotGiveAreNoneOfThem) {
  const Socket listener = listen_on({.port = 80});
  for (std::uint16_t port = 30'000; port < 30'000 + kClosed; ++port) {
    Pair pair;
    pair.client = Socket::make();
    pair.client.bind_to({.port = port});
    pair.client.connect_to({.port = 80});
    pair.server = listener.accept();
    close_in_order(pair);
  }
  EXPECT_FALSE(on_host("time-wait-pressure"));
  EXPECT_EQ(waiting_on(80), std::size_t{kClosed});
  EXPECT_EQ(counters_.value("time_wait.local_ports"), 0U);
}

TEST_F(TimeWaitTest, ConnectionsOfIpVersion6AreCountedToo) {
  const Socket listener = Socket::make(AF_INET6);
  listener.bind_to({.address = "::1", .port = 80});
  must(listen(listener.fd(), 16) == 0, "listen");
  for (int i = 0; i < kClosed; ++i) {
    Pair pair;
    pair.client = Socket::make(AF_INET6);
    pair.client.connect_to({.address = "::1", .port = 80});
    pair.server = listener.accept();
    close_in_order(pair);
  }
  const auto finding = on_host("time-wait-pressure");
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->subject.part, "::1 > ::1 port 80");
}

TEST_F(HostTest, AListenerThatAskedForLessIsToldThatTheLimitIsNotIt) {
  const Socket listener = listen_on({.address = LongPath::kNear}, 2);
  capture_.pass();
  std::list<Socket> crowd;
  for (int i = 0; i < 10; ++i) {
    crowd.push_back(Socket::make());
    crowd.back().make_nonblocking();
    crowd.back().try_connect({.address = LongPath::kNear, .port = listener.port()});
  }
  std::vector<HostValue> values = reader_.read();
  values.push_back({"netns.inode", "", path_.near().inode()});
  read(values);
  const auto finding = wait_for("accept-overflow");
  ASSERT_TRUE(finding);
  EXPECT_TRUE(finding->tunables.empty());
  EXPECT_NE(finding->advice.find("raising that does nothing"), std::string::npos)
      << finding->advice;
}

}  // namespace
}  // namespace netsonde::test
