// SPDX-License-Identifier: Apache-2.0
#include "tuner/auto_pilot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "user/model/trial.h"

namespace netsonde {
namespace {

using std::chrono::hours, std::chrono::minutes, std::chrono::seconds;
using testing::HasSubstr;

const std::string kRmem = "net.ipv4.tcp_rmem", kWmem = "net.ipv4.tcp_wmem";

Proposal proposal(const std::string& key, const std::string& from, const std::string& to,
                  const std::string& netns = "1") {
  return {.key = key,
          .scope = {.kind = ScopeKind::Namespace, .name = netns, .cookie = 7},
          .from = from,
          .to = to};
}

class AutoPilotTest : public testing::Test {
 protected:
  // What is chosen: its key, or "".
  std::string look(const std::vector<Proposal>& proposals) {
    now += seconds(30);
    const AutoPilot::Choice choice = pilot.choose(proposals, now);
    why_not.clear();
    for (const Considered& one : choice.considered) why_not += one.key + ": " + one.why_not + "\n";
    return choice.proposal ? choice.proposal->key + " " + choice.proposal->to : "";
  }
  std::string look(const Proposal& one) { return look(std::vector{one}); }

  AutoPilot pilot{{.most_per_hour = 3, .back_off = minutes(10), .longest_back_off = minutes(30)}};
  Time now{};
  std::string why_not;
};

TEST_F(AutoPilotTest, WhatIsSeenTwiceIsTried) {
  const Proposal one = proposal(kRmem, "1", "2");
  EXPECT_EQ(look(one), "");
  EXPECT_THAT(why_not, HasSubstr("seen once"));
  EXPECT_EQ(look(one), kRmem + " 2");
}

TEST_F(AutoPilotTest, TwiceIsInTwoLooksInARow) {
  const Proposal one = proposal(kRmem, "1", "2");
  EXPECT_EQ(look(one), "");
  EXPECT_EQ(look(std::vector<Proposal>()), "");
  EXPECT_EQ(look(one), "");
  EXPECT_EQ(look(proposal(kRmem, "1", "2", "other")), "");
}

TEST_F(AutoPilotTest, TheWorstComesFirstAndAlone) {
  const std::vector both{proposal(kWmem, "1", "2"), proposal(kRmem, "1", "2")};
  look(both);
  EXPECT_EQ(look(both), kWmem + " 2");
  EXPECT_THAT(why_not, HasSubstr(kRmem + ": one change at a time: " + kWmem + " is first"));
}

TEST_F(AutoPilotTest, WhatDidNotHelpRestsTwiceAsLongEachTime) {
  const Proposal one = proposal(kRmem, "1", "2"), other = proposal(kRmem, "1", "2", "other");
  look(one);
  look(one);
  for (const int rest : {10, 20, 30, 30}) {
    pilot.note(one, false, now);
    const Time until = now + minutes(rest);
    now = until - seconds(91);
    EXPECT_EQ(look({one, other}), "") << rest;
    EXPECT_THAT(why_not, HasSubstr("it rests for")) << rest;
    EXPECT_EQ(look({one, other}), other.key + " 2") << "another namespace does not rest";
    EXPECT_EQ(look(one), "") << rest;
    EXPECT_EQ(look(one), kRmem + " 2") << rest;
  }
}

TEST_F(AutoPilotTest, WhoWantsALongerRestThanTheLongestHasIt) {
  AutoPilot patient({.back_off = std::chrono::hours(48)});
  const Proposal one = proposal(kRmem, "1", "2");
  for (int failure = 0; failure < 2; ++failure) {
    patient.note(one, false, now);
    now += std::chrono::hours(47);
    (void)patient.choose({one}, now);
    EXPECT_FALSE(patient.choose({one}, now).proposal) << failure;
    now += std::chrono::hours(1);
    EXPECT_TRUE(patient.choose({one}, now).proposal) << failure;
  }
}

TEST_F(AutoPilotTest, WhatHelpedGoesOnAtOnce) {
  const Proposal first = proposal(kRmem, "1", "2"), next = proposal(kRmem, "2", "4");
  look(first);
  look(first);
  pilot.note(first, true, now);
  EXPECT_EQ(look(next), kRmem + " 4");
  pilot.note(next, false, now);
  EXPECT_EQ(look(next), "");
}

TEST_F(AutoPilotTest, ThereIsNoWayBack) {
  const Proposal there = proposal(kRmem, "1", "2"), back = proposal(kRmem, "2", "1");
  look(there);
  pilot.note(there, true, now);
  EXPECT_EQ(look(back), "");
  EXPECT_EQ(look(back), "");
  EXPECT_THAT(why_not, HasSubstr("something else was better"));
}

TEST_F(AutoPilotTest, AnHourHasOnlySoManyChanges) {
  const Proposal other = proposal(kWmem, "9", "10");
  for (int i = 0; i < 3; ++i)
    pilot.note(proposal(kRmem, std::to_string(i), std::to_string(i + 1)), true, now);
  look(other);
  EXPECT_EQ(look(other), "");
  EXPECT_THAT(why_not, HasSubstr("3 changes in an hour are enough"));
  now += hours(1);
  EXPECT_EQ(look(other), kWmem + " 10");
}

TEST_F(AutoPilotTest, WhatSomebodyElseHasEndedIsLeftToThem) {
  const Proposal one = proposal(kRmem, "1", "2");
  look(one);
  EXPECT_EQ(look(one), kRmem + " 2");
  pilot.leave(one, now);
  now += hours(48);
  look(one);
  EXPECT_EQ(look(one), "");
  EXPECT_THAT(why_not, HasSubstr("somebody else has ended its trial"));
}

TEST_F(AutoPilotTest, WhatTrafficCannotProveIsForPeople) {
  const Proposal one = proposal("net.ipv4.tcp_keepalive_time", "7200", "600");
  look(one);
  EXPECT_EQ(look(one), "");
  EXPECT_THAT(why_not, HasSubstr("live traffic does not tell"));
}

TEST(ProofTest, EachIsOfASettingAndAMetricThatThereAre) {
  int proofs = 0;
  for (const Tunable& tunable : tunables()) {
    const Proof* proof = proof_of(tunable.key);
    if (!proof) continue;
    ++proofs;
    EXPECT_NE(find_trial_metric(proof->metric), nullptr) << tunable.key;
  }
  EXPECT_EQ(proofs, 11);
}

TEST(ProofTest, ALatencyGoalToleratesNothing) {
  const Tolerance latency = tolerance_of(Goal::Latency), most = tolerance_of(Goal::Throughput);
  EXPECT_EQ(latency.round_trip * latency.retransmits * latency.processor, 1);
  EXPECT_GT(most.round_trip, tolerance_of(Goal::Balanced).round_trip);
}

}  // namespace
}  // namespace netsonde
