// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/unit/policy_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A sender behind a queue, of a host that has these kinds of disciplines.
Policy propose_for(std::vector<Evidence> evidence, const std::vector<std::string>& kinds,
                   const std::string& discipline, Goal goal) {
  PolicyHost host({{"device.qdisc", discipline}});
  Finding finding = on_connection("bufferbloat", {"net.core.default_qdisc"});
  finding.evidence = std::move(evidence);
  const std::vector<Finding> findings{finding};
  PolicyInput input = host.input(findings);
  input.goal = goal;
  input.device = [](const std::string& name) {
    return ChangeScope{.kind = ScopeKind::Device, .name = name, .cookie = 101, .netns = kOwn};
  };
  input.has_qdisc = [&kinds](std::string_view kind) {
    return std::ranges::find(kinds, kind) != kinds.end();
  };
  return propose(input);
}

// Of this host.
Policy propose_for_queue(const std::string& queue, const std::string& discipline = "default",
                         const std::vector<std::string>& kinds = {"fq_codel"}) {
  return propose_for({{"qdisc", queue, Unit::None}}, kinds, discipline, Goal::Balanced);
}

TEST(QueuePolicyTest, TheKernelsOwnQueueOfADeviceIsKeptShort) {
  const Policy policy = propose_for_queue("eth0/pfifo_fast/root");
  EXPECT_THAT(steps(policy), ElementsAre("device.qdisc default -> fq_codel"));
  EXPECT_EQ(policy.proposals[0].scope.name, "eth0");
}

TEST(QueuePolicyTest, WhatSomebodyHasAttachedStays) {
  for (const char* queue : {"eth0/tbf/8001:0", "eth0/pfifo_fast/8001:1"}) {
    const Policy policy = propose_for_queue(queue);
    EXPECT_THAT(policy.proposals, IsEmpty());
    EXPECT_THAT(why_not(policy, "device.qdisc"), HasSubstr("who attached it decides")) << queue;
  }
}

TEST(QueuePolicyTest, WhatKeepsItShortAlreadyAndWhatIsNotThereIsNotProposed) {
  EXPECT_THAT(why_not(propose_for_queue("eth0/fq_codel/root"), "device.qdisc"),
              HasSubstr("keeps its queue short already"));
  EXPECT_THAT(why_not(propose_for_queue("eth0/pfifo_fast/root", "default", {}), "device.qdisc"),
              HasSubstr("this kernel has no fq_codel"));
  EXPECT_THAT(why_not(propose_for_queue("eth0/pfifo_fast/root", "pfifo 7:"), "device.qdisc"),
              HasSubstr("could not be written back"));
  EXPECT_THAT(why_not(propose_for_queue("eth0/pfifo_fast/root", "fq_codel"), "device.qdisc"),
              HasSubstr("is fq_codel already"));
}

// On the path, which took so much.
Policy propose_for_path(double bytes_per_s, const std::vector<std::string>& kinds,
                        const std::string& discipline = "default", Goal goal = Goal::Latency,
                        double standing_queue_us = 60'000) {
  return propose_for({{"standing_queue_us", standing_queue_us, Unit::Microseconds},
                      {"device", "eth0", Unit::None},
                      {"path_bytes_per_s", bytes_per_s, Unit::BytesPerSecond}},
                     kinds, discipline, goal);
}

const std::vector<std::string> kAll = {"fq_codel", "htb", "tbf"};

TEST(PathQueuePolicyTest, ALittleLessIsSentThanThePathTook) {
  const Policy policy = propose_for_path(12'450'000, kAll);
  EXPECT_THAT(steps(policy), ElementsAre("device.qdisc default -> htb:94600kbit"));
  EXPECT_EQ(policy.proposals[0].scope.name, "eth0");
  EXPECT_THAT(steps(propose_for_path(125'000'000, kAll)),
              ElementsAre("device.qdisc default -> htb:950Mbit"));
}

TEST(PathQueuePolicyTest, WithoutQueuesForEachFlowASingleOneShapes) {
  for (const std::vector<std::string>& kinds :
       {std::vector<std::string>{"tbf", "htb"}, {"tbf", "fq_codel"}})
    EXPECT_THAT(steps(propose_for_path(12'500'000, kinds)),
                ElementsAre("device.qdisc default -> tbf:95Mbit"));
  EXPECT_THAT(why_not(propose_for_path(12'500'000, {"htb"}), "device.qdisc"),
              HasSubstr("neither htb and fq_codel nor tbf"));
}

TEST(PathQueuePolicyTest, ASingleQueueIsNoShorterThanAShortOneOnThePath) {
  const auto wait = [](double bytes_per_s, double standing_queue_us) {
    return propose_for_path(bytes_per_s, {"tbf"}, "default", Goal::Latency, standing_queue_us);
  };
  EXPECT_THAT(steps(wait(12'500'000, 50'001)), ElementsAre("device.qdisc default -> tbf:95Mbit"));
  EXPECT_THAT(why_not(wait(12'500'000, 50'000), "device.qdisc"), HasSubstr("would let 50 ms wait"));
  EXPECT_THAT(why_not(wait(100'000, 159'000), "device.qdisc"), HasSubstr("would let 159 ms wait"))
      << "ten large packets";
  EXPECT_THAT(steps(propose_for_path(12'500'000, kAll, "default", Goal::Latency, 6'000)),
              ElementsAre("device.qdisc default -> htb:95Mbit"));
}

TEST(PathQueuePolicyTest, ItCostsRateAndSoOnlyTheGoalOfLatencyAsksForIt) {
  for (const Goal goal : {Goal::Balanced, Goal::Throughput}) {
    const Policy policy = propose_for_path(12'500'000, kAll, "default", goal);
    EXPECT_THAT(policy.proposals, IsEmpty());
    EXPECT_THAT(why_not(policy, "device.qdisc"), HasSubstr("--goal latency"));
  }
}

TEST(PathQueuePolicyTest, WhatShapesAlreadyIsNotMadeSlowerAndSlower) {
  for (const char* there : {"tbf:100Mbit", "htb:100Mbit"})
    EXPECT_THAT(why_not(propose_for_path(12'500'000, kAll, there), "device.qdisc"),
                HasSubstr("shows only without it"));
  EXPECT_THAT(why_not(propose_for_path(12'500'000, kAll, "fq 8001:"), "device.qdisc"),
              HasSubstr("could not be written back"));
}

TEST(PathQueuePolicyTest, WhatIsTooSlowForAnyShaperIsNotProposed) {
  EXPECT_THAT(propose_for_path(1'000, kAll).proposals, IsEmpty());
  for (const double nothing : {0.0, -1.0})
    EXPECT_THAT(why_not(propose_for_path(nothing, kAll), "device.qdisc"),
                HasSubstr("is not known"));
}

TEST(PathQueuePolicyTest, WithoutARateNothingIsSaid) {
  EXPECT_EQ(why_not(propose_for({}, kAll, "default", Goal::Latency), "device.qdisc"), "");
}

}  // namespace
}  // namespace netsonde
