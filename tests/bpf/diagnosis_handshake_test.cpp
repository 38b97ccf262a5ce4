// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <list>

#include "tests/bpf/diagnosis.h"
#include "tests/bpf/path.h"
#include "tests/bpf/sandbox.h"
#include "user/capture/kernel.h"

namespace netsonde::test {
namespace {

class HandshakeTest : public DiagnosisTest {
 protected:
  HandshakeTest() { path_.shape().delay_us = 5'000; }

  std::uint16_t closed_port() const { return path_.listen_far().port(); }

  // Clients that want to connect at once, without anybody who accepts.
  std::list<Socket> crowd(const Socket& listener, int clients) {
    std::list<Socket> crowd;
    for (int i = 0; i < clients; ++i) {
      crowd.push_back(Socket::make());
      crowd.back().make_nonblocking();
      crowd.back().try_connect({.address = LongPath::kFar, .port = listener.port()});
    }
    return crowd;
  }

  // The second witness: what ss tells of the listener at the far end.
  std::string drops_of_listeners() const {
    const Inside far(path_.far());
    const std::string listed = output_of("/usr/bin/ss -Hltnm");
    const std::size_t begin = listed.rfind(",d") + 2;
    return listed.substr(begin, listed.find(')', begin) - begin);
  }

  // A hundred connections, one after the other; one byte each way.
  static void serve(const Socket& listener) {
    for (;;) {
      const Socket socket = listener.accept();
      socket.receive(1);
      socket.send("a");
      socket.receive_all();
    }
  }
  static void ask(const Endpoint& endpoint, int times) {
    for (int i = 0; i < times; ++i) {
      const Socket socket = connect_to(endpoint);
      socket.send("q");
      socket.receive(1);
    }
  }
};

TEST_F(HandshakeTest, AClosedPortRefuses) {
  const std::uint16_t port = closed_port();
  for (int i = 0; i < 3; ++i) {
    const Socket client = Socket::make();
    EXPECT_EQ(client.try_connect({.address = LongPath::kFar, .port = port}), ECONNREFUSED);
  }
  EXPECT_TRUE(wait_for("connect-refused", [](const Finding& f) { return f.impact.attempts == 3U; }))
      << found();
  EXPECT_FALSE(find("connect-timeout")) << found();
}

TEST_F(HandshakeTest, ARefusalByOneOfSeveralAddressesIsNoWarning) {
  const Socket listener = path_.listen_far();
  const Socket refused = Socket::make();
  EXPECT_EQ(refused.try_connect({.address = LongPath::kNear, .port = listener.port()}),
            ECONNREFUSED);
  const Socket client = connect_to({.address = LongPath::kFar, .port = listener.port()});
  EXPECT_TRUE(wait_for("connect-refused", [](const Finding& f) {
    return f.severity == Severity::Info;
  })) << found();
}

TEST_F(HandshakeTest, AFilterThatSaysNothingTimesOut) {
  set_ipv4("tcp_syn_retries", "1");
  if (access("/proc/sys/net/ipv4/tcp_syn_linear_timeouts", F_OK) == 0)  // 6.5
    set_ipv4("tcp_syn_linear_timeouts", "0");
  path_.shape().largest = 0;
  const Socket client = Socket::make();
  EXPECT_EQ(client.try_connect({.address = LongPath::kFar, .port = 80}), ETIMEDOUT);
  const auto finding = wait_for("connect-timeout");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->impact.attempts, 1U);
  EXPECT_FALSE(find("connect-refused")) << found();
  EXPECT_FALSE(find("peer-silent")) << found();
}

TEST_F(HandshakeTest, ALostSynIsRetransmittedAndMakesTheConnectSlow) {
  const Socket listener = path_.listen_far();
  const Rule rule(path_.far(), "input",
                  packets_to(listener) + " limit rate 1/hour burst 1 packets");
  const Socket client = connect_to({.address = LongPath::kFar, .port = listener.port()});
  const auto slow = wait_for("slow-connect");
  ASSERT_TRUE(slow) << found();
  EXPECT_GE(value_of(*slow, "handshake_us"), 900'000);
  EXPECT_TRUE(find("syn-retransmits")) << found();
  EXPECT_FALSE(find("synack-retransmits")) << found();
  EXPECT_FALSE(find("accept-overflow")) << found();
}

TEST_F(HandshakeTest, RequestsThatOurOwnFirewallDropsAreTheHosts) {
  const Socket listener = path_.listen_far();
  const Rule rule(path_.near(), "output", packets_to(listener));
  Socket client = Socket::make();
  client.make_nonblocking();
  client.try_connect({.address = LongPath::kFar, .port = listener.port()});
  // All of them, also the first one, before any retransmission.
  EXPECT_TRUE(wait_for("local-drop", [&](const Finding& f) {
    return f.impact.segments == rule.packets();
  })) << found();
  const auto again = wait_for("syn-retransmits");
  ASSERT_TRUE(again) << found();
  EXPECT_EQ(again->where, Where::Host) << found();
}

TEST_F(HandshakeTest, ALongPathIsNoSlowConnect) {
  path_.shape().delay_us = 100'000;
  const Socket listener = path_.listen_far();
  const Socket client = connect_to({.address = LongPath::kFar, .port = listener.port()});
  look(5);
  EXPECT_TRUE(diagnose_now().findings.empty()) << found();
}

TEST_F(HandshakeTest, AnAnswerThatIsLostIsSentAgain) {
  const Socket listener = path_.listen_far();
  const Rule rule(path_.near(), "input",
                  packets_from(listener) + " tcp flags syn limit rate 1/hour burst 1 packets");
  capture_.pass();
  const Socket client = connect_to({.address = LongPath::kFar, .port = listener.port()});
  ASSERT_TRUE(wait_for("synack-retransmits")) << found();
}

TEST_F(HandshakeTest, AFullAcceptQueueOverflows) {
  const Socket listener = path_.listen_far(2);
  capture_.pass();
  const auto clients = crowd(listener, 10);
  const auto finding = wait_for("accept-overflow");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->severity, Severity::Critical);
  EXPECT_EQ(value_of(*finding, "backlog"), 2);
  EXPECT_GT(finding->impact.attempts.value(), 0U);
}

TEST_F(HandshakeTest, AQueueThatIsLongEnoughDoesNotOverflow) {
  const Socket listener = path_.listen_far();
  capture_.pass();
  const auto clients = crowd(listener, 10);
  look(10);
  EXPECT_FALSE(find("accept-overflow")) << found();
  EXPECT_FALSE(find("synack-retransmits")) << found();
}

// Of a listener the kernel counts as dropped also the resets of connections that are gone.
TEST_F(HandshakeTest, AResetThatReachesAListenerIsNoOverflow) {
  if (!KernelFeatures::read().value().kfree_skb_has_socket)
    GTEST_SKIP() << "this kernel does not tell whose packets are dropped";
  const Socket listener = path_.listen_far();
  capture_.pass();
  for (int i = 0; i < 5; ++i) {
    Socket client = connect_to({.address = LongPath::kFar, .port = listener.port()});
    const Socket server = listener.accept();
    server.make_nonblocking();
    const std::string data(100'000, 'x');
    (void)::send(server.fd(), data.data(), data.size(), MSG_NOSIGNAL);
    client.receive(1);
    client.close();
  }
  ASSERT_TRUE(wait_until([this] { return drops_of_listeners() != "0"; }));
  look(10);
  EXPECT_FALSE(find("accept-overflow")) << found();
}

TEST_F(HandshakeTest, ShortConnectionsToOnePlaceAreChurn) {
  Socket listener = path_.listen_far();
  const std::uint16_t port = listener.port();
  const Child server([&] { serve(listener); });
  ask({.address = LongPath::kFar, .port = port}, 20);
  const auto finding =
      wait_for("connection-churn", [](const Finding& f) { return f.impact.connections == 20; });
  ASSERT_TRUE(finding) << found();
  EXPECT_GT(value_of(*finding, "handshake_share_percent"), 25);  // one round trip of two
}

TEST_F(HandshakeTest, AFewShortConnectionsAreNoChurn) {
  Socket listener = path_.listen_far();
  const std::uint16_t port = listener.port();
  const Child server([&] { serve(listener); });
  ask({.address = LongPath::kFar, .port = port}, 3);
  look(5);
  EXPECT_TRUE(diagnose_now().findings.empty()) << found();
}

// Two processes listen; the address of one of them never gets anything, since every connection
// comes from a port that the kernel's hash gives to the other.
TEST_F(HandshakeTest, AListenerThatListensOftenerGetsMore) {
  const Inside inside(path_.far());
  const auto share = [](const Endpoint& endpoint) {
    Socket socket = Socket::make();
    socket.set(SOL_SOCKET, SO_REUSEPORT, 1);
    socket.bind_to(endpoint);
    listen(socket.fd(), 128);
    return socket;
  };
  const Socket first = share({.address = LongPath::kFar});
  const Endpoint endpoint{.address = LongPath::kFar, .port = first.port()};
  const Signal listens;
  const Child greedy([&] {
    std::list<Socket> more;
    for (int i = 0; i < 9; ++i) more.push_back(share(endpoint));
    listens.raise();
    do_nothing(more.front());
  });
  listens.wait();
  capture_.pass();
  const Inside near(path_.near());
  const auto clients = crowd(first, 100);
  const auto finding = wait_for("reuseport-imbalance");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(value_of(*finding, "listeners"), 2);
}

TEST_F(HandshakeTest, ListenersThatShareEvenlyAreFine) {
  const Inside inside(path_.far());
  Socket first = Socket::make();
  first.set(SOL_SOCKET, SO_REUSEPORT, 1);
  first.bind_to({.address = LongPath::kFar});
  listen(first.fd(), 128);
  const Endpoint endpoint{.address = LongPath::kFar, .port = first.port()};
  const Signal listens;
  const Child other([&] {
    Socket socket = Socket::make();
    socket.set(SOL_SOCKET, SO_REUSEPORT, 1);
    socket.bind_to(endpoint);
    listen(socket.fd(), 128);
    listens.raise();
    do_nothing(socket);
  });
  listens.wait();
  capture_.pass();
  const Inside near(path_.near());
  const auto clients = crowd(first, 100);
  look(10);
  EXPECT_FALSE(find("reuseport-imbalance")) << found();
}

TEST_F(HandshakeTest, AMiddleboxThatForgetsAnIdleConnectionResetsIt) {
  Pair pair;
  Socket listener = path_.listen_far();
  pair.client = connect_to({.address = LongPath::kFar, .port = listener.port()});
  pair.server = listener.accept();
  exchange(pair.client, pair.server, 1000, 1000);
  look(105);
  const Rule rule(path_.far(), "input", packets_to(listener), "reject with tcp reset");
  pair.client.send("still there?");
  const auto finding = wait_for("idle-reset");
  ASSERT_TRUE(finding) << found();
  EXPECT_GE(value_of(*finding, "pause_ms"), 10'000);
}

TEST_F(HandshakeTest, AResetWithoutAPauseIsNoIdleReset) {
  Socket listener = path_.listen_far();
  const Socket client = connect_to({.address = LongPath::kFar, .port = listener.port()});
  const Socket server = listener.accept();
  exchange(client, server, 1000, 1000);
  look(3);
  const Rule rule(path_.far(), "input", packets_to(listener), "reject with tcp reset");
  client.send("still there?");
  ASSERT_TRUE(capture_.wait_for(EV_CLOSE, client.cookie()));
  look(2);
  EXPECT_FALSE(find("idle-reset")) << found();
}

}  // namespace
}  // namespace netsonde::test
