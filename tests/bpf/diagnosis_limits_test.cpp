// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/diagnosis.h"

namespace netsonde::test {
namespace {

class LimitsTest : public DiagnosisTest {
 protected:
  LimitsTest() {
    path_.shape().delay_us = 10'000;
    path_.shape().bits_per_second = 100'000'000;
  }
};

void set_buffer(const Socket& socket, int which, int bytes) {
  socket.set(SOL_SOCKET, which, bytes);
}

// A message of twenty kilobytes now and then: much less than the path could carry. Not as often as
// we look, which would find the same moment of each message every time.
void send_now_and_then(const Socket& socket) {
  for (const std::string bytes(20'000, 's');; usleep(73'000)) socket.send(bytes);
}

// A kilobyte a hundred times a second.
void read_slowly(const Socket& socket) {
  for (;; usleep(10'000)) socket.receive(1000);
}

TEST_F(LimitsTest, ASenderWithLittleToSendIsLimitedByItsApplication) {
  flow(send_now_and_then, read_on);
  const auto finding = wait_for("application-limited");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Application);
  look(10);
  EXPECT_FALSE(find("congestion-window-limited")) << found();
  EXPECT_FALSE(find("receive-window-limited")) << found();
  EXPECT_FALSE(find("bufferbloat")) << found();
}

TEST_F(LimitsTest, ASenderThatFillsThePathIsLimitedByTheCongestionWindow) {
  flow(send_on, read_on);
  const auto finding = wait_for("congestion-window-limited");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Network);
  look(10);
  EXPECT_FALSE(find("application-limited")) << found();
  EXPECT_FALSE(find("receive-window-limited")) << found();
  EXPECT_FALSE(find("send-buffer-limited")) << found();
  EXPECT_FALSE(find("zero-window")) << found();
  EXPECT_FALSE(find("slow-reader")) << found();
}

TEST_F(LimitsTest, ASmallBufferOfAQuickReaderIsTheReceiversWindow) {
  flow(send_on, read_on, {},
       [](const Socket& listener) { set_buffer(listener, SO_RCVBUF, 16'000); });
  EXPECT_TRUE(wait_for("receive-window-limited", [](const Finding& f) {
    return f.impact.time >= std::chrono::milliseconds(500);
  })) << found();
  EXPECT_FALSE(find("slow-reader")) << found();
  EXPECT_FALSE(find("congestion-window-limited")) << found();
}

TEST_F(LimitsTest, AReaderThatDoesNotReadShutsTheWindow) {
  flow(send_on, do_nothing);
  const auto shut = wait_for("zero-window");
  ASSERT_TRUE(shut) << found();
  EXPECT_EQ(shut->where, Where::Application);  // the reader is on this host
  EXPECT_TRUE(wait_for("slow-reader")) << found();
  const auto limited = wait_for("receive-window-limited");
  ASSERT_TRUE(limited) << found();
  EXPECT_EQ(limited->where, Where::Application);
  EXPECT_FALSE(find("peer-silent")) << found();
}

TEST_F(LimitsTest, ASlowReaderLetsDataWait) {
  flow(send_on, read_slowly);
  const auto finding = wait_for("slow-reader");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Application);
  EXPECT_EQ(finding->subject.connection->direction, EV_IN);
}

TEST_F(LimitsTest, ASmallSendBufferHoldsTheSenderBack) {
  flow(send_on, read_on, [](const Socket& client) { set_buffer(client, SO_SNDBUF, 8'000); });
  const auto finding = wait_for("send-buffer-limited");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Application);  // it set the size itself
  EXPECT_FALSE(find("receive-window-limited")) << found();
  EXPECT_FALSE(find("congestion-window-limited")) << found();
}

TEST_F(LimitsTest, ASmallLimitOfTheHostHoldsTheSenderBack) {
  set_ipv4("tcp_wmem", "4096 8192 8192");
  flow(send_on, read_on);
  const auto finding = wait_for("send-buffer-limited");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Host);
}

TEST_F(LimitsTest, AnIdleConnectionSuffersNothing) {
  flow(do_nothing, do_nothing);
  look(10);
  EXPECT_TRUE(diagnose_now().findings.empty()) << found();
}

}  // namespace
}  // namespace netsonde::test
