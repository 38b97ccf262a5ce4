// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/ip.h>

#include <algorithm>
#include <cstring>
#include <list>

#include "tests/bpf/capture.h"
#include "tests/bpf/path.h"
#include "tests/bpf/sockets.h"
#include "user/base/text.h"

namespace netsonde::test {
namespace {

class DropTest : public PathTest {
 protected:
  std::string reason_of(const ev_drop& drop) const {
    return capture_.names().drop_reason(drop.reason);
  }
  std::string_view place_of(const ev_drop& drop) const {
    return capture_.names().symbol(drop.location);
  }
  bool is_harmful(const ev_drop& drop) const {
    return !benign_drop(reason_of(drop), place_of(drop));
  }

  std::vector<ev_drop> drops(std::string_view reason) const {
    std::vector<ev_drop> found = capture_.all<ev_drop>(EV_DROP);
    std::erase_if(found, [&](const ev_drop& drop) { return reason_of(drop) != reason; });
    return found;
  }
  bool wait_for_drops(std::string_view reason, std::size_t count = 1) {
    return capture_.wait([&] { return drops(reason).size() >= count; });
  }
  ev_drop first_drop(std::string_view reason) {
    errno = ETIMEDOUT;
    must(wait_for_drops(reason), "wait for a drop");
    return drops(reason)[0];
  }

  std::string reasons_seen() const {
    std::string text;
    for (const ev_drop& drop : capture_.all<ev_drop>(EV_DROP))
      text += " " + reason_of(drop) + "@" + std::string(place_of(drop));
    return text;
  }

  void expect_no_harm() const {
    for (const ev_drop& drop : capture_.all<ev_drop>(EV_DROP))
      EXPECT_FALSE(is_harmful(drop)) << reason_of(drop) << " in " << place_of(drop);
  }

  // What the model holds of one reason in one namespace, after a pass.
  std::uint64_t counted(std::string_view reason, const Namespace& space) {
    capture_.pass();
    std::uint64_t sum = 0;
    for (const DropCount& drop : capture_.store().drops())
      if (capture_.names().drop_reason(drop.key.reason) == reason &&
          drop.key.netns == space.inode())
        sum += drop.count;
    return sum;
  }
};

TEST_F(DropTest, AConnectionThatDoesNothingButLoseShowsItAtOnce) {
  const Pair pair = connected();
  exchange(pair.client, pair.server, 1, 1);
  const Rule rule(path_.far(), "input", packets_to(listener_));
  capture_.sample(pair.server.cookie());
  pair.client.send("x");
  const auto tied = [&] { return capture_.all<ev_drop>(EV_DROP, pair.server.cookie()).size() > 0; };
  ASSERT_TRUE(capture_.wait(tied));
  const std::size_t before = capture_.all<ev_sample>(EV_SAMPLE, pair.server.cookie()).size();
  capture_.pass(false);
  const auto samples = capture_.all<ev_sample>(EV_SAMPLE, pair.server.cookie());
  ASSERT_GT(samples.size(), before);
  EXPECT_GT(samples.back().drops, 0U);
}

TEST_F(DropTest, AFirewallsVictimsAreCountedLikeTheFirewallDoes) {
  const Pair pair = connected();
  const Rule rule(path_.far(), "input", packets_to(listener_));
  pair.client.set(IPPROTO_TCP, TCP_NODELAY, 1);
  for (int i = 0; i < 5; ++i) pair.client.send("x");
  ASSERT_TRUE(wait_for_drops("NETFILTER_DROP", 5));
  std::uint64_t before = 0, counted_now = 0;
  ASSERT_TRUE(wait_until([&] {  // a retransmission may come between the two counts
    before = rule.packets();
    counted_now = counted("NETFILTER_DROP", path_.far());
    return counted_now == before && rule.packets() == before;
  })) << counted_now
      << " counted, " << before << " by the rule";
  EXPECT_EQ(drops("NETFILTER_DROP").size(), before);
}

TEST_F(DropTest, AFirewallsVictimBelongsToItsConnection) {
  const Pair pair = connected();
  const Rule rule(path_.far(), "input", packets_to(listener_));
  pair.client.send("x");
  const ev_drop drop = first_drop("NETFILTER_DROP");
  EXPECT_EQ(drop.conn.cookie, pair.server.cookie());
  EXPECT_EQ(drop.conn.local_port, listener_.port());
  EXPECT_EQ(drop.conn.remote_port, pair.client.port());
  EXPECT_EQ(to_text(Address::from(drop.conn.remote)), Path::kNear);
  EXPECT_TRUE(drop.incoming);
  EXPECT_TRUE(is_harmful(drop));
  EXPECT_TRUE(place_of(drop) == "nft_do_chain" || place_of(drop) == "nf_hook_slow")
      << place_of(drop);
  EXPECT_GE(capture_.sample(pair.server.cookie()).drops, 1U);
}

TEST_F(DropTest, AFirewallOnTheWayOutHitsTheSender) {
  const Pair pair = connected();
  const Rule rule(path_.near(), "output", packets_to(listener_));
  pair.client.send("x");
  const ev_drop drop = first_drop("NETFILTER_DROP");
  EXPECT_EQ(drop.conn.cookie, pair.client.cookie());
  EXPECT_EQ(drop.conn.local_port, pair.client.port());
  EXPECT_EQ(drop.conn.netns, path_.near().inode());
  EXPECT_FALSE(drop.incoming);
}

TEST_F(DropTest, AClosedPortHasNoSocket) {
  const std::uint16_t port = listener_.port();
  listener_.close();
  const Socket client = Socket::make();
  EXPECT_EQ(client.try_connect({.address = Path::kFar, .port = port}), ECONNREFUSED);
  const ev_drop drop = first_drop("NO_SOCKET");
  EXPECT_EQ(place_of(drop), "tcp_v4_rcv");
  EXPECT_EQ(drop.conn.cookie, 0U);
  EXPECT_EQ(drop.conn.local_port, port);
  EXPECT_EQ(drop.conn.netns, path_.far().inode());
  EXPECT_EQ(drop.flags, 0x02);  // SYN
  EXPECT_EQ(counted("NO_SOCKET", path_.far()), 1U);
}

TEST_F(DropTest, AFullReceiveBufferDropsWhatTheKernelCounts) {
  const Pair pair = connected();
  pair.server.set(SOL_SOCKET, SO_RCVBUF, 1);  // less than the window already promised
  pair.client.set(IPPROTO_TCP, TCP_NODELAY, 1);
  pair.client.make_nonblocking();
  const auto dropped = [&] { return far("TcpExtTCPRcvQDrop") + far("TcpExtTCPZeroWindowDrop"); };
  ASSERT_TRUE(wait_until([&] {
    const std::string bytes(1000, 'x');
    ::send(pair.client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return dropped() > 0;
  }));
  ASSERT_TRUE(capture_.wait([&] {
    return drops("PROTO_MEM").size() + drops("TCP_ZEROWINDOW").size() >= dropped();
  })) << dropped()
      << " dropped, seen:" << reasons_seen();
  auto found = drops("PROTO_MEM");
  if (found.empty()) found = drops("TCP_ZEROWINDOW");
  const Connection* victim = capture_.store().find(found[0].conn);
  ASSERT_NE(victim, nullptr);
  EXPECT_EQ(victim->last.conn.cookie, pair.server.cookie());
  EXPECT_TRUE(is_harmful(found[0]));
}

TEST_F(DropTest, ABadChecksumIsSeenAtTheReceiver) {
  const Pair pair = connected();
  struct Segment {
    iphdr ip{};
    tcphdr tcp{};
  } segment;
  segment.ip.version = 4;
  segment.ip.ihl = 5;
  segment.ip.ttl = 64;
  segment.ip.protocol = IPPROTO_TCP;
  inet_pton(AF_INET, Path::kNear, &segment.ip.saddr);
  inet_pton(AF_INET, Path::kFar, &segment.ip.daddr);
  segment.tcp.source = htons(pair.client.port());
  segment.tcp.dest = htons(listener_.port());
  segment.tcp.doff = 5;
  segment.tcp.ack = 1;
  segment.tcp.check = htons(0x4242);
  const UniqueFd raw(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = segment.ip.daddr;
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(sendto(raw.get(), &segment, sizeof(segment), 0, reinterpret_cast<sockaddr*>(&to),
                     sizeof(to)),
              static_cast<ssize_t>(sizeof(segment)));
  ASSERT_TRUE(wait_for_drops("TCP_CSUM", 3));
  EXPECT_EQ(far("TcpInCsumErrors"), 3U);
  EXPECT_EQ(drops("TCP_CSUM").size(), 3U);
  EXPECT_EQ(place_of(drops("TCP_CSUM")[0]), "tcp_v4_rcv");
  EXPECT_EQ(drops("TCP_CSUM")[0].conn.cookie, pair.server.cookie());
}

TEST_F(DropTest, AnExpiredTtlIsSeenAtTheRouter) {
  run_in(path_.far(), "/sbin/ip link add onward type veth peer name end");
  run_in(path_.far(), "/sbin/ip address add 10.78.0.1/24 dev onward");
  run_in(path_.far(), "/sbin/ip link set onward up");
  run_in(path_.far(), "/sbin/ip link set end up");
  run("/sbin/ip route add 10.78.0.0/24 via 10.77.0.2");
  {
    const Inside inside(path_.far());
    set_ipv4("ip_forward", "1");
  }
  const Socket client = Socket::make();
  client.make_nonblocking();
  client.set(IPPROTO_IP, IP_TTL, 1);
  client.try_connect({.address = "10.78.0.9", .port = 4242});
  const ev_drop drop = first_drop("IP_INHDR");
  EXPECT_EQ(far("IpInHdrErrors"), drops("IP_INHDR").size());
  EXPECT_EQ(place_of(drop), "ip_forward");
  EXPECT_EQ(drop.conn.netns, path_.far().inode());
  EXPECT_EQ(to_text(Address::from(drop.conn.local)), "10.78.0.9");
  EXPECT_EQ(drop.conn.local_port, 4242U);
  EXPECT_TRUE(is_harmful(drop));
}

// Some sandboxes' kernels exempt a process from tracing, and with it the softirqs that interrupt
// it: then a round in a few is not complete.
TEST_F(DropTest, AQueueThatIsFullDropsWhatItCounts) {
  constexpr int kRounds = 8;
  run("/sbin/tc qdisc add dev near root tbf rate 8mbit burst 4kb limit 8kb");
  run("/sbin/ip link set near gso_max_segs 1");
  std::list<Pair> pairs;
  for (int i = 0; i < 8; ++i) pairs.push_back(connected());
  const std::string bytes(30'000, 'x');
  const auto dropped = [] {
    const std::string text = output_of("/sbin/tc -s qdisc show dev near");
    return std::stoull(text.substr(text.find("dropped ") + 8));
  };
  std::uint64_t truth = 0, told = 0;
  for (int round = 0; round < kRounds && (truth == 0 || told < truth); ++round) {
    const std::uint64_t dropped_before = dropped();
    const std::uint64_t counted_before = counted("QDISC_DROP", path_.near());
    for (const Pair& pair : pairs) pair.client.send(bytes);
    for (const Pair& pair : pairs) pair.server.receive(bytes.size());
    for (const Pair& pair : pairs) ASSERT_TRUE(wait_until_acknowledged(pair.client));
    truth = dropped() - dropped_before;
    told = counted("QDISC_DROP", path_.near()) - counted_before;
    EXPECT_LE(told, truth);
  }
  EXPECT_EQ(told, truth);
  EXPECT_GT(truth, 0U);
  const std::uint64_t victim = drops("QDISC_DROP")[0].conn.cookie;
  EXPECT_TRUE(
      std::ranges::any_of(pairs, [&](const Pair& pair) { return pair.client.cookie() == victim; }));
}

TEST_F(DropTest, NormalConnectionsHaveNoHarmfulDrops) {
  for (int i = 0; i < 200; ++i) {
    Pair pair = connected();
    exchange(pair.client, pair.server, 100, 100);
    pair.client.close();
    EXPECT_TRUE(wait_for_state(pair.server, kCloseWait));
    pair.server.close();  // and its receive queue, with the FIN that nobody has read
  }
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, 0, 400));
  const std::uint64_t benign_before = capture_.tick().benign_drops;
  capture_.pass();
  EXPECT_GE(capture_.tick().benign_drops - benign_before + capture_.all<ev_drop>(EV_DROP).size(),
            200U);
  EXPECT_EQ(near("TcpPassiveOpens") + far("TcpPassiveOpens"), 200U);
  for (const DropCount& drop : capture_.store().drops())
    EXPECT_FALSE(drop.harmful) << capture_.names().drop_reason(drop.key.reason) << " in "
                               << capture_.names().symbol(drop.key.location);
  expect_no_harm();
}

TEST_F(DropTest, ConnectionsThatAreAbortedHaveNoHarmfulDrops) {
  for (int i = 0; i < 20; ++i) {
    Pair pair = connected();
    exchange(pair.client, pair.server, 100, 100);
    pair.client.reset();
    EXPECT_EQ(pair.server.wait_for_end(), ECONNRESET);
  }
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, 0, 40));
  expect_no_harm();
}

}  // namespace
}  // namespace netsonde::test
