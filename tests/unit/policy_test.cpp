// SPDX-License-Identifier: Apache-2.0
#include "tuner/policy.h"

#include "tests/unit/policy_fixture.h"
#include "tuner/plan_json.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kBacklog = "net.core.netdev_max_backlog";
constexpr std::string_view kIdle = "net.ipv4.tcp_slow_start_after_idle";
constexpr std::string_view kSomaxconn = "net.core.somaxconn";

Finding drops(std::uint64_t dropped = 7) {
  return on_host("softnet-drops", {kBacklog}, {of("softnet.dropped", dropped)});
}
Finding restart(std::uint64_t netns) {
  return on_connection("idle-restart", {kIdle}, {of("restarts", 3)}, netns);
}

TEST(GoalTest, EachHasAName) {
  EXPECT_EQ(name_of(Goal::Balanced), "balanced");
  EXPECT_EQ(name_of(Goal::Throughput), "throughput");
  EXPECT_EQ(name_of(Goal::Latency), "latency");
}

TEST(PolicyTest, WhereNothingIsFoundNothingIsProposed) {
  const Policy policy = PolicyHost().propose({});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(policy.considered, IsEmpty());
}

TEST(PolicyTest, AProposalSaysWhyWhatForAndHowItIsSeen) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  Finding finding = drops();
  finding.evidence.push_back(of("softnet.processed", 90));
  const Policy policy = host.propose({finding});
  ASSERT_THAT(policy.proposals, SizeIs(1));
  const Proposal& made = policy.proposals[0];
  EXPECT_EQ(made.key, kBacklog);
  EXPECT_EQ(made.from, "1000");
  EXPECT_EQ(made.to, "2000");
  EXPECT_EQ(made.finding, "softnet-drops");
  EXPECT_EQ(made.risk, find_tunable(kBacklog)->risk);
  EXPECT_THAT(made.expected, HasSubstr("no longer dropped"));
  EXPECT_THAT(made.verify, HasSubstr("softnet.dropped stops growing"));
  ASSERT_THAT(made.evidence, SizeIs(2));
  EXPECT_EQ(made.evidence[0].field, "softnet.dropped");
  EXPECT_EQ(std::get<std::uint64_t>(made.evidence[0].value), 7U);
  EXPECT_EQ(made.evidence[1].field, "softnet.processed");
}

TEST(PolicyTest, ASettingOfTheHostIsChangedThere) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  Finding finding = drops();
  finding.subject.connection = ev_conn{};
  finding.subject.connection->netns = kContainer;
  ASSERT_THAT(host.propose({finding}).proposals, SizeIs(1));
  EXPECT_EQ(host.propose({finding}).proposals[0].scope, ChangeScope{});
}

TEST(PolicyTest, ASettingOfANamespaceIsChangedWhereTheConnectionIs) {
  const PolicyHost host({{std::string(kIdle), "1"}});
  const Policy policy = host.propose({restart(kContainer)});
  ASSERT_THAT(policy.proposals, SizeIs(1));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kContainer));
}

TEST(PolicyTest, WithoutAConnectionItIsChangedWhereTheCountersAreRead) {
  const PolicyHost host({{std::string(kIdle), "1"}});
  Finding finding = restart(kContainer);
  finding.subject.connection.reset();
  const Policy policy = host.propose({finding});
  ASSERT_THAT(policy.proposals, SizeIs(1));
  EXPECT_EQ(policy.proposals[0].scope, namespace_of(kOwn));
}

TEST(PolicyTest, TodaysValueIsThatOfTheNamespace) {
  PolicyHost host({{std::string(kIdle), "1"}});
  host.at(kContainer, std::string(kIdle)) = "0";
  EXPECT_THAT(host.propose({restart(kOwn)}).proposals, SizeIs(1));
  const Policy policy = host.propose({restart(kContainer)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_EQ(why_not(policy, kIdle), "in netns 2: is 0 already");
}

TEST(PolicyTest, ANamespaceThatIsGoneIsLeftAlone) {
  const PolicyHost host({{std::string(kIdle), "1"}});
  const Policy policy = host.propose({restart(kGone)});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_EQ(why_not(policy, kIdle), "in netns 3: its network namespace is gone");
}

TEST(PolicyTest, ANamespaceThatNobodyKnowsIsLeftAlone) {
  const PolicyHost host({{std::string(kIdle), "1"}});
  Finding finding = restart(kOwn);
  finding.subject.connection.reset();
  const std::vector<Finding> findings = {finding};
  PolicyInput input = host.input(findings);
  input.own = {};
  const Policy policy = propose(input);
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(why_not(policy, kIdle), HasSubstr("is not known"));
}

TEST(PolicyTest, WhereNobodyAnswersNothingIsProposed) {
  const std::vector<Finding> findings = {drops(), restart(kOwn)};
  const Policy policy = propose(PolicyInput{.findings = findings});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_EQ(why_not(policy, kBacklog), "not available here");
  EXPECT_EQ(why_not(policy, kIdle), "in netns 1: its network namespace is gone");
}

TEST(PolicyTest, ASettingThatTheKernelLacksIsNotAvailable) {
  const Policy policy = PolicyHost().propose({drops()});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_EQ(why_not(policy, kBacklog), "not available here");
}

TEST(PolicyTest, WhatCouldNotBeWrittenBackIsLeftAsItIs) {
  for (const char* value : {"0", "300001", "many", "1000 2000", ""}) {
    const Policy policy = PolicyHost({{std::string(kBacklog), value}}).propose({drops()});
    EXPECT_THAT(policy.proposals, IsEmpty()) << value;
    EXPECT_THAT(why_not(policy, kBacklog), HasSubstr("could not be written back")) << value;
  }
}

TEST(PolicyTest, AStepEndsAtTheCeilingOfTheCatalogue) {
  const auto with = [](const char* value) {
    return PolicyHost({{std::string(kBacklog), value}}).propose({drops()});
  };
  EXPECT_THAT(steps(with("150001")), ElementsAre("net.core.netdev_max_backlog 150001 -> 300000"));
  EXPECT_THAT(with("300000").proposals, IsEmpty());
  EXPECT_THAT(why_not(with("300000"), kBacklog), HasSubstr("no more than 300000 is proposed"));
}

TEST(PolicyTest, WhatIsNotInTheCatalogueIsNeverProposed) {
  const Policy policy =
      PolicyHost({{"kernel.panic", "0"}}).propose({on_host("softnet-drops", {"kernel.panic"})});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_EQ(why_not(policy, "kernel.panic"), "is not in the catalogue");
}

TEST(PolicyTest, ASettingThatNoRuleKnowsIsConsideredAllTheSame) {
  const PolicyHost host({{"net.core.optmem_max", "131072"}});
  EXPECT_EQ(why_not(host.propose({on_host("softnet-drops", {"net.core.optmem_max"})}),
                    "net.core.optmem_max"),
            "no rule says by how much");
}

TEST(PolicyTest, AnotherFindingDoesNotChangeASettingThatIsNotItsOwn) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  const Policy policy = host.propose({on_host("conntrack-full", {kBacklog})});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_FALSE(why_not(policy, kBacklog).empty());
}

TEST(PolicyTest, WhatOnlyTheApplicationCanChangeIsNotSpokenOf) {
  Finding finding = on_connection("receive-window-limited", {}, {of("receive_buffer_bytes", 9000)});
  finding.where = Where::Application;
  const Policy policy = PolicyHost().propose({finding});
  EXPECT_THAT(policy.proposals, IsEmpty());
  EXPECT_THAT(policy.considered, IsEmpty());
}

TEST(PolicyTest, TwoFindingsOfOneSettingAreOneProposal) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  const Policy policy = host.propose({drops(9), drops(4)});
  EXPECT_THAT(steps(policy), ElementsAre("net.core.netdev_max_backlog 1000 -> 2000"));
  ASSERT_THAT(policy.proposals[0].evidence, SizeIs(2));
  EXPECT_EQ(std::get<std::uint64_t>(policy.proposals[0].evidence[1].value), 4U);
  EXPECT_THAT(policy.considered, IsEmpty());
}

TEST(PolicyTest, TheWorstFindingDecidesHowFar) {
  const PolicyHost host({{std::string(kSomaxconn), "128"}});
  const Finding full = on_connection("accept-overflow", {kSomaxconn}, {of("limit.somaxconn", 128)});
  const Finding cookies = on_host("syn-cookies", {kSomaxconn}, {of("limit.somaxconn", 128)});
  EXPECT_THAT(steps(host.propose({full, cookies})), ElementsAre("net.core.somaxconn 128 -> 512"));
  EXPECT_THAT(steps(host.propose({cookies, full})), ElementsAre("net.core.somaxconn 128 -> 256"));
  EXPECT_EQ(host.propose({cookies, full}).proposals[0].finding, "syn-cookies");
}

TEST(PolicyTest, TheSameFigureIsNotShownTwice) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  EXPECT_THAT(host.propose({drops(9), drops(9)}).proposals[0].evidence, SizeIs(1));
}

TEST(PolicyTest, OneSettingOfTwoNamespacesIsTwoProposals) {
  const PolicyHost host({{std::string(kIdle), "1"}});
  EXPECT_THAT(host.propose({restart(kOwn), restart(kContainer)}).proposals, SizeIs(2));
}

// The value is another one by the time of the second finding.
TEST(PolicyTest, StepsInOppositeDirectionsAreNotJoined) {
  const std::vector<Finding> findings = {
      on_connection("accept-overflow", {kSomaxconn}, {of("limit.somaxconn", 100)}),
      on_host("syn-cookies", {kSomaxconn})};
  PolicyInput input = PolicyHost().input(findings);
  int asked = 0;
  input.value = [&asked](const ChangeScope&, std::string_view) -> std::optional<std::string> {
    return ++asked == 1 ? "100" : "500";
  };
  const Policy policy = propose(input);
  EXPECT_THAT(steps(policy), ElementsAre("net.core.somaxconn 100 -> 400"));
  EXPECT_THAT(policy.proposals[0].evidence, SizeIs(1));
  EXPECT_EQ(why_not(policy, kSomaxconn), "syn-cookies asks for the opposite of accept-overflow");
}

TEST(PolicyTest, TheSameReasonIsGivenOnce) {
  const Policy policy = PolicyHost().propose({drops(1), drops(2)});
  EXPECT_THAT(policy.considered, SizeIs(1));
}

// A plan with more of either cannot be read back.
TEST(PolicyTest, FiguresThatDoNotFitAreCounted) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  std::vector<Finding> findings;
  for (std::uint64_t i = 0; i < 120; ++i) findings.push_back(drops(i));
  const auto evidence = host.propose(findings).proposals.at(0).evidence;
  ASSERT_THAT(evidence, SizeIs(100));
  EXPECT_EQ(evidence[98].field, "softnet.dropped");
  EXPECT_EQ(evidence[99].field, "findings_not_shown");
  EXPECT_EQ(std::get<std::uint64_t>(evidence[99].value), 21U);
}

TEST(PolicyTest, FiguresAreNotAddedBehindTheCount) {
  const PolicyHost host({{std::string(kBacklog), "1000"}});
  std::vector<Finding> findings = {drops(0), drops(1), drops(2)};
  for (std::uint64_t i = 1; i < 95; ++i) findings[0].evidence.push_back(of("more", i));
  for (std::uint64_t i = 1; i < 10; ++i) findings[1].evidence.push_back(of("other", i));
  const auto evidence = host.propose(findings).proposals.at(0).evidence;
  ASSERT_THAT(evidence, SizeIs(96));
  EXPECT_EQ(std::get<std::uint64_t>(evidence[95].value), 2U);
}

TEST(PolicyTest, APlanThatIsFullTakesNoMore) {
  const PolicyHost host({{std::string(kIdle), "1"}});
  std::vector<Finding> findings;
  for (std::uint64_t i = 0; i < Plan::kMostProposals + 1; ++i)
    findings.push_back(restart(1000 + i));
  const Policy policy = host.propose(findings);
  EXPECT_THAT(policy.proposals, SizeIs(Plan::kMostProposals));
  EXPECT_EQ(why_not(policy, kIdle), "in netns 2000: a plan holds no more than 1000 proposals");
}

TEST(PolicyTest, WhatIsProposedIsAPlan) {
  const PolicyHost host({{std::string(kBacklog), "1000"},
                         {std::string(kIdle), "1"},
                         {"net.ipv4.ip_local_port_range", "32768 60999"},
                         {"net.ipv4.tcp_rmem", "4096 131072 6291456"}});
  Plan plan{.host = "here", .boot = "one", .goal = "balanced"};
  plan.proposals = host.propose({drops(), restart(kContainer),
                                 on_host("time-wait-pressure", {"net.ipv4.ip_local_port_range"},
                                         {of("time_wait.to", 100)}),
                                 on_connection("receive-window-limited", {"net.ipv4.tcp_rmem"},
                                               {of("receive_buffer_bytes", 6'291'456)})})
                       .proposals;
  ASSERT_THAT(plan.proposals, SizeIs(4));
  const auto read = plan_from(to_json(plan).dump());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_THAT(read.value().proposals, SizeIs(4));
}

// Every setting that a rule of the diagnosis names, where no rule of the policy changes it.
TEST(PolicyTest, WhatIsLeftAsItIsHasAReason) {
  for (const auto& [finding, key] : std::initializer_list<std::pair<const char*, const char*>>{
           {"connect-timeout", "net.ipv4.tcp_syn_retries"},
           {"qdisc-drops", "net.core.default_qdisc"},
           {"udp-buffer-errors", "net.core.rmem_max"},
           {"fastopen-fallback", "net.ipv4.tcp_fastopen"},
           {"synack-retransmits", "net.ipv4.tcp_synack_retries"},
           {"tail-loss", "net.ipv4.tcp_early_retrans"},
           {"tail-loss", "net.ipv4.tcp_rto_min_us"},
           {"spurious-retransmits", "net.ipv4.tcp_reordering"},
           {"spurious-retransmits", "net.ipv4.tcp_frto"},
           {"reordering", "net.ipv4.tcp_recovery"},
           {"ecn-bleached", "net.ipv4.tcp_ecn"},
           {"idle-reset", "net.ipv4.tcp_keepalive_intvl"},
           {"peer-silent", "net.ipv4.tcp_retries2"},
           {"pmtu-black-hole", "net.ipv4.tcp_base_mss"}}) {
    const Tunable& tunable = *find_tunable(key);
    PolicyHost host(
        {{key, tunable.shape == TunableShape::Word ? "fq" : std::to_string(tunable.ceiling)}});
    const Policy policy = host.propose({on_host(finding, {key})});
    EXPECT_THAT(policy.proposals, IsEmpty()) << key;
    EXPECT_FALSE(why_not(policy, key).empty()) << key;
    EXPECT_EQ(why_not(policy, key).find("no rule"), std::string::npos) << key;
    EXPECT_EQ(why_not(policy, key).find("written back"), std::string::npos) << key;
  }
}

TEST(PolicyTest, WhatIsConsideredOfAnotherNamespaceIsSaidToBe) {
  const PolicyHost host({{"net.ipv4.tcp_early_retrans", "3"}});
  const Policy policy =
      host.propose({on_connection("tail-loss", {"net.ipv4.tcp_early_retrans"}),
                    on_connection("tail-loss", {"net.ipv4.tcp_early_retrans"}, {}, kContainer)});
  ASSERT_THAT(policy.considered, testing::SizeIs(2));
  EXPECT_THAT(policy.considered[0].why_not, testing::Not(HasSubstr("netns")));
  EXPECT_THAT(policy.considered[1].why_not, testing::StartsWith("in netns 2: "));
}

TEST(PolicyTest, WhatCouldBeSaidOfThousandsOfNamespacesIsSaidOnce) {
  const PolicyHost host({{"net.ipv4.tcp_early_retrans", "3"}});
  std::vector<Finding> findings;
  for (const std::uint64_t space : {kContainer, kContainer + 5, kContainer, kContainer + 6})
    findings.push_back(on_connection("tail-loss", {"net.ipv4.tcp_early_retrans"}, {}, space));
  const Policy policy = host.propose(findings);
  EXPECT_THAT(why_not(policy, "net.ipv4.tcp_early_retrans"),
              testing::StartsWith("in netns 2 and 2 others: "));
}

}  // namespace
}  // namespace netsonde
