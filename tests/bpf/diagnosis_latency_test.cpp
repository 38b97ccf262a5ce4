// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/diagnosis.h"

namespace netsonde::test {
namespace {

class LatencyTest : public DiagnosisTest {
 protected:
  LatencyTest() { path_.shape().delay_us = 2'000; }
};

// A header, then the rest, then the answer: the second write waits for the first one's
// acknowledgement, which waits for an answer.
void write_twice(const Socket& socket) {
  for (;;) {
    socket.send("header");
    socket.send("and the rest of the question");
    socket.receive(1);
  }
}
void write_twice_at_once(const Socket& socket) {
  socket.set(IPPROTO_TCP, TCP_NODELAY, 1);
  write_twice(socket);
}
void answer_in_one(const Socket& socket) {
  for (;;) {
    socket.receive(6 + 28);
    socket.send("a");
  }
}

// Half a megabyte, then so long nothing, for ever.
void burst(const Socket& socket, useconds_t pause) {
  for (const std::string bytes(500'000, 'b');;) {
    socket.send(bytes);
    wait_until_acknowledged(socket);
    usleep(pause);
  }
}

TEST_F(LatencyTest, AQueueThatStandsIsBufferbloat) {
  path_.shape().bits_per_second = 20'000'000;
  flow(send_on, read_on, use_cubic);
  const auto finding = wait_for("bufferbloat");
  ASSERT_TRUE(finding) << found();
  EXPECT_GE(value_of(*finding, "standing_queue_us"), 5'000);
}

TEST_F(LatencyTest, AShortQueueIsNoBufferbloat) {
  path_.shape().delay_us = 20'000;
  path_.shape().bits_per_second = 50'000'000;
  path_.shape().queue_bytes = 30'000;
  flow(send_on, read_on, use_cubic);
  look(20);
  EXPECT_FALSE(find("bufferbloat")) << found();
}

TEST_F(LatencyTest, ALongPathIsNoBufferbloat) {
  path_.shape().delay_us = 60'000;
  flow(send_on, read_on, use_cubic);
  look(20);
  EXPECT_FALSE(find("bufferbloat")) << found();
}

TEST_F(LatencyTest, TwoSmallWritesWaitForADelayedAcknowledgement) {
  flow(write_twice, answer_in_one);
  const auto finding = wait_for("delayed-ack");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Application);
  EXPECT_LT(value_of(*finding, "min_rtt_us"), 10'000);
}

TEST_F(LatencyTest, TwoSmallWritesWithoutDelayDoNotWait) {
  flow(write_twice_at_once, answer_in_one);
  look(15);
  EXPECT_FALSE(find("delayed-ack")) << found();
}

TEST_F(LatencyTest, APathOfFortyMillisecondsIsNoDelayedAcknowledgement) {
  path_.shape().delay_us = 20'000;
  flow(write_twice_at_once, answer_in_one);
  look(15);
  EXPECT_FALSE(find("delayed-ack")) << found();
}

TEST_F(LatencyTest, ThePauseBetweenBurstsRestartsTheWindow) {
  path_.shape().delay_us = 20'000;
  flow([](const Socket& socket) { burst(socket, 900'000); }, read_on, use_cubic);
  const auto finding = wait_for("idle-restart");
  ASSERT_TRUE(finding) << found();
  EXPECT_GT(value_of(*finding, "cwnd_before_pause"), value_of(*finding, "cwnd_after_pause"));
  EXPECT_FALSE(find("idle-reset")) << found();
}

TEST_F(LatencyTest, ACongestionControlWithItsOwnIdeaOfPausesIsNotRestarted) {
  path_.shape().delay_us = 20'000;
  flow(
      [](const Socket& socket) { burst(socket, 900'000); }, read_on,
      [](const Socket& socket) { setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, "bbr", 3); });
  look(40);
  EXPECT_FALSE(find("idle-restart")) << found();
}

TEST_F(LatencyTest, WhereTheHostDoesNotRestartNothingIsSaid) {
  set_ipv4("tcp_slow_start_after_idle", "0");
  path_.shape().delay_us = 20'000;
  flow([](const Socket& socket) { burst(socket, 900'000); }, read_on, use_cubic);
  look(40);
  EXPECT_FALSE(find("idle-restart")) << found();
}

// One connection after the other, so many bytes in each.
class ShortFlowTest : public LatencyTest {
 protected:
  void transfer(std::size_t bytes) {
    path_.shape().delay_us = 20'000;
    Socket listener = path_.listen_far();
    const std::uint16_t port = listener.port();
    const Child server([&] {
      for (;;) read_on(listener.accept());
    });
    for (int i = 0; i < 4; ++i) {
      const Socket client = connect_to({.address = LongPath::kFar, .port = port});
      use_cubic(client);
      client.send(std::string(bytes, 'x'));
      must(wait_until_acknowledged(client), "wait for the acknowledgement");
    }
  }
};

TEST_F(ShortFlowTest, FlowsThatEndWhileTheirWindowGrowsAreInSlowStart) {
  transfer(60'000);
  const auto finding = wait_for("slow-start");
  ASSERT_TRUE(finding) << found();
  EXPECT_GE(finding->impact.connections, 3U);
}

TEST_F(ShortFlowTest, FlowsThatFitIntoTheFirstWindowAreNot) {
  transfer(5'000);
  look(5);
  EXPECT_FALSE(find("slow-start")) << found();
}

}  // namespace
}  // namespace netsonde::test
