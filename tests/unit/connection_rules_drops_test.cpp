// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

constexpr std::uint32_t kQdisc = 3, kFirewall = 4, kOther = 5;

class DropRulesTest : public ::testing::Test {
 protected:
  DropRulesTest() {
    world_.names.set_drop_reasons({{kQdisc, "QDISC_DROP"}, {kFirewall, "NETFILTER_DROP"}});
    world_.names.learn_symbol(0x1000, [](std::uint64_t) { return "dev_queue_xmit"; });
    world_.know({connection()});
  }

  Finding after() {
    world_.step(connection(), 10);
    return world_.only("local-drop");
  }

  World world_;
};

TEST_F(DropRulesTest, ADropIsCountedAtItsPlace) {
  for (const double second : {1, 2, 3}) world_.drop(second, kQdisc, 0, 0x1000);
  world_.drop(4, kFirewall);
  world_.drop(5, kOther);
  const Finding finding = after();
  EXPECT_EQ(verdict(finding), "warning host high");
  EXPECT_EQ(cost(finding), "connections=1 segments=5");
  EXPECT_EQ(figures(finding),
            "drops=5 count, retransmitted_after_local_drop=0 segments, drops #5=1 count, "
            "drops NETFILTER_DROP=1 count, drops QDISC_DROP in dev_queue_xmit=3 count");
  EXPECT_EQ(finding.text,
            "This host itself dropped 5 packets of this connection: QDISC_DROP in "
            "dev_queue_xmit.");
  EXPECT_TRUE(finding.advice.starts_with("The queue of the own interface")) << finding.advice;
}

TEST_F(DropRulesTest, WhatIsSentAgainForItIsJoinedBySequence) {
  world_.drop(1, kQdisc, 10'000);
  world_.resend(2, 10'000);
  world_.resend(3, 30'000);
  EXPECT_EQ(figures(after()),
            "drops=1 count, retransmitted_after_local_drop=1 segments, drops QDISC_DROP=1 count");
}

TEST_F(DropRulesTest, DropsOfOnePlaceInSeveralConnectionsAreOneFigure) {
  world_.know({connection(), connection(43)});
  for (const double second : {1, 2, 3}) world_.drop(second, kQdisc);
  for (const double second : {4, 5}) {
    world_.drop(second, kQdisc, 0, 0, 43);
    world_.drop(second, kOther, 0, 0, 43);
  }
  world_.step(connection(43), 9);
  const Finding finding = after();
  EXPECT_EQ(cost(finding), "connections=2 segments=7");
  EXPECT_EQ(figures(finding),
            "drops=7 count, retransmitted_after_local_drop=0 segments, drops #5=2 count, "
            "drops QDISC_DROP=5 count");
  EXPECT_EQ(finding.subject.cookies, (std::vector<std::uint64_t>{43, kCookie}));
}

TEST(DropReasonRulesTest, APacketThatWasNotAcceptableIsNotThisHostsDoing) {
  for (const std::string_view reason :
       {"TCP_ABORT_ON_DATA", "TCP_INVALID_SYN", "NO_SOCKET", "TCP_RFC7323_PAWS",
        "TCP_RFC7323_PAWS_ACK", "TCP_INVALID_SEQUENCE", "TCP_OVERWINDOW", "TCP_ZEROWINDOW",
        "TCP_INVALID_END_SEQUENCE", "TCP_TOO_OLD_ACK", "TCP_ACK_UNSENT_DATA"}) {
    World world;
    world.names.set_drop_reasons({{2, std::string(reason)}, {kQdisc, "QDISC_DROP"}});
    world.know({connection()});
    world.drop(1, 2);
    world.drop(2, 2);
    world.step(connection(), 9);
    EXPECT_TRUE(world.found("local-drop").empty()) << reason;
    world.drop(9.5, kQdisc);
    world.look(10);
    const Finding finding = world.only("local-drop");
    EXPECT_EQ(cost(finding), "connections=1 segments=1") << reason;
    EXPECT_EQ(figures(finding).find(reason), std::string::npos) << figures(finding);
  }
}

TEST(DropReasonRulesTest, TheAdviceIsThatOfTheReason) {
  struct Advice {
    std::string_view reason, says;
  };
  constexpr std::string_view kMemory = "The receiving socket is out of memory";
  for (const Advice& advice : {Advice{"QDISC_DROP", "The queue of the own interface"},
                               {"NETFILTER_DROP", "A rule of the own firewall"},
                               {"SOCKET_RCVBUFF", kMemory},
                               {"PROTO_MEM", kMemory},
                               {"SOCKET_BACKLOG", kMemory},
                               {"TCP_CSUM", "Damaged on the way"},
                               {"XDP", "The kernel's own name"}}) {
    World world;
    world.names.set_drop_reasons({{2, std::string(advice.reason)}});
    world.know({connection()});
    world.drop(1, 2);
    world.step(connection(), 10);
    const Finding finding = world.only("local-drop");
    EXPECT_TRUE(finding.advice.starts_with(advice.says)) << advice.reason << finding.advice;
  }
}

}  // namespace
}  // namespace netsonde
