// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/diagnosis.h"
#include "tests/bpf/path.h"

namespace netsonde::test {
namespace {

class LossTest : public DiagnosisTest {
 protected:
  LossTest() {
    path_.shape().delay_us = 10'000;
    path_.shape().bits_per_second = 50'000'000;
  }

  // Looks until so many segments were sent again.
  std::optional<Finding> wait_for_loss(std::string_view id, std::uint64_t segments) {
    return wait_for(id, [segments](const Finding& f) { return f.impact.segments >= segments; });
  }

  bool wait_for_drops_at_both_ends() {
    return wait_until([&] {
      look(1);
      std::size_t ends = 0;
      for (const Finding& finding : diagnose_now().findings) ends += finding.id == "local-drop";
      return ends == 2;
    });
  }
};

// Asks and waits for the answer, again and again.
void ask_on(const Socket& socket) {
  for (const std::string question(200, 'q');;) {
    socket.send(question);
    socket.receive(200);
  }
}
void answer_on(const Socket& socket) {
  for (const std::string answer(200, 'a');;) {
    socket.receive(200);
    socket.send(answer);
  }
}

TEST_F(LossTest, ALinkThatLosesByChanceIsRandomLoss) {
  path_.shape().lost_per_mille = 10;
  flow(send_on, read_on, use_cubic);
  const auto finding = wait_for_loss("random-loss", 20);
  ASSERT_TRUE(finding) << found();
  EXPECT_GE(value_of(*finding, "episodes"), 3) << found();
  EXPECT_FALSE(find("congestive-loss")) << found();
  EXPECT_FALSE(find("spurious-retransmits")) << found();
  EXPECT_FALSE(find("reordering")) << found();
  EXPECT_FALSE(find("local-drop")) << found();
}

TEST_F(LossTest, AQueueThatOverflowsIsCongestiveLoss) {
  path_.shape().queue_bytes = 150'000;
  flow(send_on, read_on, use_cubic);
  const auto finding = wait_for_loss("congestive-loss", 5);
  ASSERT_TRUE(finding) << found();
  look(30);
  EXPECT_TRUE(find("congestive-loss")) << found();
  EXPECT_FALSE(find("random-loss")) << found();
  EXPECT_FALSE(find("local-drop")) << found();
}

TEST_F(LossTest, LossByChanceOnAPathWhoseDelayVariesIsStillRandom) {
  path_.shape().jitter_us = 2'000;
  path_.shape().lost_per_mille = 10;
  flow(send_on, read_on, use_cubic);
  const auto finding = wait_for_loss("random-loss", 20);
  ASSERT_TRUE(finding) << found();
  EXPECT_FALSE(find("congestive-loss")) << found();
}

TEST_F(LossTest, PacketsThatOvertakeEachOtherAreReordering) {
  path_.shape().jitter_us = 4'000;
  flow(send_on, read_on, use_cubic);
  ASSERT_TRUE(wait_for("reordering")) << found();
  EXPECT_FALSE(find("local-drop")) << found();
}

TEST_F(LossTest, WithoutLossNothingIsSaidOfLoss) {
  path_.shape().queue_bytes = 4 << 20;
  path_.shape().delay_us = 2'000;
  flow(ask_on, answer_on);
  look(15);
  for (const Finding& finding : diagnose_now().findings)
    EXPECT_EQ(finding.id.find("loss"), std::string_view::npos) << found();
}

TEST_F(LossTest, TheLastSegmentsOfAMessageAreTailLoss) {
  set_ipv4("tcp_early_retrans", "0");
  path_.shape().lost_per_mille = 150;
  flow(ask_on, answer_on);
  const auto finding = wait_for("tail-loss");
  ASSERT_TRUE(finding) << found();
  EXPECT_GT(value_of(*finding, "retransmits_rto"), 0);
  EXPECT_FALSE(find("congestive-loss")) << found();
}

TEST_F(LossTest, ADelayBeyondTheTimeoutMakesSpuriousRetransmits) {
  flow(ask_on, answer_on);
  look(5);
  path_.shape().delay_us = 400'000;
  const auto finding = wait_for("spurious-retransmits");
  ASSERT_TRUE(finding) << found();
  EXPECT_FALSE(find("random-loss")) << found();
  EXPECT_FALSE(find("congestive-loss")) << found();
  EXPECT_FALSE(find("tail-loss")) << found();
}

TEST_F(LossTest, APeerThatVanishesIsSilent) {
  flow(ask_on, answer_on);
  look(5);
  path_.shape().largest = 0;
  const auto finding = wait_for("peer-silent");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->severity, Severity::Critical);
  EXPECT_GT(value_of(*finding, "backoff"), 1);
  EXPECT_FALSE(find("random-loss")) << found();
  EXPECT_FALSE(find("tail-loss")) << found();
  EXPECT_FALSE(find("pmtu-black-hole")) << found();
}

// The other end talks meanwhile, so the path is there for what is small.
TEST_F(LossTest, APathThatSwallowsLargePacketsIsABlackHole) {
  path_.shape().largest = 1000;
  const Signal talked;
  flow(
      [&](const Socket& socket) {
        for (int i = 0; i < 5; ++i) {
          socket.send("small");
          socket.receive(5);
        }
        talked.raise();
        send_on(socket);
      },
      [&](const Socket& socket) {
        for (int i = 0; i < 5; ++i) {
          socket.receive(5);
          socket.send("small");
        }
        for (;; usleep(50'000)) socket.send("alive");
      });
  talked.wait();
  const auto finding = wait_for("pmtu-black-hole");
  ASSERT_TRUE(finding) << found();
  EXPECT_NE(finding->confidence, Confidence::Low) << finding->doubt;  // the peer was heard
  EXPECT_FALSE(find("peer-silent")) << found();
}

TEST_F(LossTest, AFirewallOfOurOwnIsALocalDrop) {
  const Rule rule(path_.near(), "output", "tcp dport 1-65535 numgen random mod 10 < 1");
  flow(send_on, read_on, use_cubic);
  const auto finding = wait_for("local-drop");
  ASSERT_TRUE(finding) << found();
  EXPECT_EQ(finding->where, Where::Host);
  EXPECT_NE(finding->text.find("NETFILTER_DROP"), std::string::npos) << finding->text;
}

TEST_F(LossTest, WhatTheOtherEndOnThisHostDropsIsNoLossOfTheNetwork) {
  const Rule rule(path_.far(), "input", "tcp dport 1-65535 numgen random mod 100 < 2");
  flow(send_on, read_on, use_cubic);
  EXPECT_TRUE(wait_for_drops_at_both_ends()) << found();
  look(10);
  EXPECT_FALSE(find("random-loss")) << found();
  EXPECT_FALSE(find("congestive-loss")) << found();
}

}  // namespace
}  // namespace netsonde::test
