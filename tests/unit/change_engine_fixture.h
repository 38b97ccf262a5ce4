// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/tuner_fixture.h"

namespace netsonde {

inline const std::string kBacklog = "net.core.netdev_max_backlog";
inline const std::string kBudget = "net.core.netdev_budget";
inline const std::string kPolling = "net.core.busy_poll";

class ChangeEngineTest : public testing::Test {
 protected:
  ChangeEngineTest() {
    host.kernel.at(kBacklog) = "1000";
    host.kernel.at(kBudget) = "300";
    host.kernel.at(kPolling) = "0";
    original = host.kernel.values;
    wanted = original;
    for (const Proposal& one : plan().proposals) wanted[{one.scope.name, one.key}] = one.to;
  }

  static Plan plan() {
    Plan plan{.goal = "asked for"};
    plan.proposals = {proposal(kBacklog, "1000", "5000"), proposal(kBudget, "300", "600"),
                      proposal(kPolling, "0", "50")};
    return plan;
  }

  static Result<> apply(ChangeEngine& engine, const Plan& plan) {
    const std::uint64_t set = TRY(engine.begin(plan, 100, kNow));
    return engine.write(set, kNow);
  }
  Result<> apply(const Plan& plan) {
    Result<> applied;
    host.run([&](ChangeEngine& engine, Ledger&) { applied = apply(engine, plan); });
    return applied;
  }
  void apply_and_confirm() {
    host.run([&](ChangeEngine& engine, Ledger&) {
      ASSERT_TRUE(apply(engine, plan()));
      ASSERT_TRUE(engine.confirm(1, kNow));
    });
  }
  // Two sets of one setting: 300, 400, 500.
  void confirm_one_above_the_other() {
    Plan first, second;
    first.proposals = {proposal(kBudget, "300", "400")};
    second.proposals = {proposal(kBudget, "400", "500")};
    host.run([&](ChangeEngine& engine, Ledger&) {
      ASSERT_TRUE(apply(engine, first));
      ASSERT_TRUE(engine.confirm(1, kNow));
      ASSERT_TRUE(apply(engine, second));
      ASSERT_TRUE(engine.confirm(2, kNow));
    });
  }
  void recover() {
    host.run([](ChangeEngine& engine, Ledger&) { ASSERT_TRUE(engine.recover(kNow)); });
  }
  Result<> roll_back(std::uint64_t set) {
    Result<> done;
    host.run([&](ChangeEngine& engine, Ledger&) { done = engine.roll_back(set, "asked", kNow); });
    return done;
  }

  // As it was, or as it was confirmed to be.
  static void expect_settled(TunedHost& host, const Values& original, const Values& wanted,
                             const std::string& after) {
    const Ledger ledger = host.ledger();
    const bool confirmed =
        !ledger.sets().empty() && ledger.sets().back().state == SetState::Confirmed;
    EXPECT_EQ(host.kernel.values, confirmed ? wanted : original) << after;
    EXPECT_EQ(ledger.unfinished(), nullptr) << after;
    EXPECT_TRUE(ledger.foreign().empty()) << after;
  }

  TunedHost host;
  Values original, wanted;
};

}  // namespace netsonde
