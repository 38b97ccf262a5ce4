// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/change_engine_fixture.h"
#include "tuner/change_engine.h"
#include "tuner/qdisc_kind.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(ChangeEngineTest, WhatSomebodyElseHasSetMeanwhileStays) {
  ASSERT_TRUE(apply(plan()));
  host.kernel.at(kBudget) = "400";
  ASSERT_TRUE(roll_back(1));
  original[{"", kBudget}] = "400";
  EXPECT_EQ(host.kernel.values, original);
  const Ledger ledger = host.ledger();
  EXPECT_EQ(ledger.sets().at(0).changes.at(1).state, ChangeState::Foreign);
  EXPECT_EQ(ledger.sets().at(0).changes.at(1).problem, "it is 400 now");
  EXPECT_TRUE(ledger.is_foreign(kBudget, {}, kNow.boot));
  EXPECT_FALSE(ledger.is_foreign(kBacklog, {}, kNow.boot));
}

TEST_F(ChangeEngineTest, WhatSomebodyElseSetJustWhenItWasKilledStays) {
  Fate fate(Fate::kNever);
  int writes = 0;
  host.kernel.after_write = [&] {
    if (++writes == 2) throw Killed();
  };
  ASSERT_FALSE(host.run(fate, [](ChangeEngine& engine, Ledger&) { (void)apply(engine, plan()); }));
  host.kernel.after_write = [] {};
  host.kernel.at(kBudget) = "400";
  recover();
  original[{"", kBudget}] = "400";
  EXPECT_EQ(host.kernel.values, original);
  EXPECT_TRUE(host.ledger().is_foreign(kBudget, {}, kNow.boot));
}

// What is left of an htb of eth0 where somebody died before it had all its parts: one of us before
// or after the kernel had been asked for it, or somebody else after ours had been read back.
enum class Left { Untouched, Begun, ReadBack };
std::string discipline_after(Left by) {
  const std::string key = "device.qdisc";
  const ChangeScope eth0{.kind = ScopeKind::Device, .name = "eth0", .cookie = 1, .netns = 2};
  Plan plan{.goal = "asked for"};
  plan.proposals = {proposal(kBudget, "300", "600"),
                    {.key = key, .scope = eth0, .from = "default", .to = "htb:95Mbit"}};
  TunedHost host;
  host.kernel.at(kBudget) = "300";
  std::string& discipline = host.kernel.values[{"eth0", key}] = "default";
  int writes = 0;
  host.kernel.after_write = [&] {
    if (by != Left::ReadBack && ++writes == (by == Left::Begun ? 2 : 1)) throw Killed();
  };
  host.run([&](ChangeEngine& engine, Ledger&) {
    const std::uint64_t set = engine.begin(plan, 100, kNow).value();
    EXPECT_TRUE(engine.write(set, kNow));
  });
  host.kernel.after_write = [] {};
  discipline = kUnfinishedQdisc;
  host.run([](ChangeEngine& engine, Ledger&) { EXPECT_TRUE(engine.recover(kNow)); });
  return discipline;
}

TEST_F(ChangeEngineTest, AHalfMadeDisciplineIsOursOnlyWhereWeWereMakingIt) {
  EXPECT_EQ(discipline_after(Left::Begun), "default");
  EXPECT_EQ(discipline_after(Left::Untouched), kUnfinishedQdisc);
  EXPECT_EQ(discipline_after(Left::ReadBack), kUnfinishedQdisc);
}

TEST_F(ChangeEngineTest, WhatSomebodyElseSetBeforeOurTurnCameStaysUntouched) {
  Fate fate;
  host.kernel.after_write = [] { throw Killed(); };
  ASSERT_FALSE(host.run(fate, [](ChangeEngine& engine, Ledger&) { (void)apply(engine, plan()); }));
  host.kernel.after_write = [] {};
  host.kernel.at(kBudget) = "600";  // what we would have written
  recover();
  EXPECT_EQ(host.kernel.at(kBudget), "600");
  EXPECT_THAT(host.kernel.written, ElementsAre(kBacklog, kBacklog));
}

TEST_F(ChangeEngineTest, WhatSomebodyElseSetJustBeforeOurWriteStays) {
  int writes = 0;
  host.kernel.after_write = [&] {
    if (++writes == 1) host.kernel.at(kBudget) = "400";
  };
  const Result<> applied = apply(plan());
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message(), HasSubstr("somebody else has set it to 400"));
  original[{"", kBudget}] = "400";
  EXPECT_EQ(host.kernel.values, original);
  EXPECT_TRUE(host.ledger().is_foreign(kBudget, {}, kNow.boot));
}

TEST_F(ChangeEngineTest, WhatIsLeftAloneIsNotUndoneByAnOlderSetEither) {
  confirm_one_above_the_other();
  host.kernel.at(kBudget) = "400";  // by somebody who wants that
  Plan again;
  again.proposals = {proposal(kBudget, "400", "500")};
  EXPECT_FALSE(apply(again));
  ASSERT_TRUE(roll_back(2));
  ASSERT_TRUE(roll_back(1));
  EXPECT_EQ(host.kernel.at(kBudget), "400");
}

TEST_F(ChangeEngineTest, WhatWasNeverWrittenIsNotOursAfterAFailureEither) {
  Fate fate;
  host.kernel.after_write = [] { throw Killed(); };
  ASSERT_FALSE(host.run(fate, [](ChangeEngine& engine, Ledger&) { (void)apply(engine, plan()); }));
  host.kernel.after_write = [] {};
  host.kernel.unreadable = {kBudget};
  recover();
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::Stuck);
  host.kernel.unreadable.clear();
  host.kernel.at(kBudget) = "600";  // somebody wants what we wanted
  recover();
  EXPECT_EQ(host.kernel.at(kBudget), "600");
}

TEST_F(ChangeEngineTest, WhatIsUndoneIsNotUndoneAgain) {
  ASSERT_TRUE(apply(plan()));
  host.kernel.refuses = [](std::string_view key, std::string_view) {
    return key == kBudget ? "write: Operation not permitted" : "";
  };
  ASSERT_TRUE(roll_back(1));
  host.kernel.refuses = [](std::string_view, std::string_view) { return ""; };
  host.kernel.at(kBacklog) = "5000";  // somebody else wants what we had
  recover();
  EXPECT_EQ(host.kernel.at(kBacklog), "5000");
  EXPECT_EQ(host.kernel.at(kBudget), "300");
}

TEST_F(ChangeEngineTest, WhatSomebodyElseSetBeforeTheConfirmationIsTheirs) {
  host.run([&](ChangeEngine& engine, Ledger&) {
    ASSERT_TRUE(apply(engine, plan()));
    host.kernel.at(kBudget) = "400";
    ASSERT_TRUE(engine.confirm(1, kNow));
  });
  const Ledger ledger = host.ledger();
  EXPECT_EQ(ledger.sets().at(0).state, SetState::Confirmed);
  EXPECT_TRUE(ledger.is_foreign(kBudget, {}, kNow.boot));
  ASSERT_TRUE(roll_back(1));
  original[{"", kBudget}] = "400";
  EXPECT_EQ(host.kernel.values, original);
}

TEST_F(ChangeEngineTest, WhatSomebodyElseSetAfterTheConfirmationIsLeftAloneUntilHandedBack) {
  apply_and_confirm();
  host.kernel.at(kBudget) = "400";
  Plan next;
  next.proposals = {proposal(kBudget, "400", "800")};
  const Result<> refused = apply(next);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("somebody else has set it"));
  EXPECT_EQ(host.kernel.at(kBudget), "400");
  host.run([](ChangeEngine& engine, Ledger&) {
    EXPECT_TRUE(engine.hand_back(kBudget, "", kNow).value());
    EXPECT_FALSE(engine.hand_back(kBudget, "", kNow).value());
  });
  EXPECT_TRUE(apply(next));
  EXPECT_EQ(host.kernel.at(kBudget), "800");
}

TEST_F(ChangeEngineTest, WhatIsHandedBackIsOverInAllSetsBelow) {
  Plan first, second, third;
  first.proposals = {proposal(kBudget, "300", "400")};
  second.proposals = {proposal(kBudget, "400", "500")};
  third.proposals = {proposal(kBudget, "777", "800")};
  host.run([&](ChangeEngine& engine, Ledger&) {
    ASSERT_TRUE(apply(engine, first));
    ASSERT_TRUE(engine.confirm(1, kNow));
    ASSERT_TRUE(apply(engine, second));
  });
  host.kernel.at(kBudget) = "777";
  ASSERT_TRUE(roll_back(2));
  host.run([](ChangeEngine& engine, Ledger&) {
    EXPECT_TRUE(engine.hand_back(kBudget, "", kNow).value());
  });
  EXPECT_TRUE(apply(third));
  ASSERT_TRUE(roll_back(3));
  ASSERT_TRUE(roll_back(1));
  EXPECT_EQ(host.kernel.at(kBudget), "777");
}

// In which way is it left, and what somebody then puts there.
ChangeState state_when_switched(bool in_force, const std::string& found) {
  TunedHost host;
  host.kernel.at(kBudget) = "300";
  Plan plan;
  plan.proposals = {proposal(kBudget, "300", "600")};
  host.run([&](ChangeEngine& engine, Ledger& ledger) {
    const std::uint64_t set = engine.begin(plan, 0, kNow).value();
    EXPECT_TRUE(engine.write(set, kNow));
    EXPECT_TRUE(engine.switch_to(set, {.was_in_force = true, .in_force = in_force}, kNow));
    host.kernel.at(kBudget) = found;
    const Result<> held =
        engine.switch_to(set, {.was_in_force = in_force, .in_force = in_force}, kNow);
    EXPECT_EQ(static_cast<bool>(held), ledger.foreign().empty());
    EXPECT_TRUE(engine.roll_back(set, "an experiment", kNow));
  });
  const Change change = host.ledger().sets().at(0).changes.at(0);
  EXPECT_EQ(host.kernel.at(kBudget), change.state == ChangeState::Foreign ? found : "300");
  return change.state;
}

TEST_F(ChangeEngineTest, WhoPutsBackTheOldValueInATrialIsObeyed) {
  EXPECT_EQ(state_when_switched(true, "600"), ChangeState::Restored);
  EXPECT_EQ(state_when_switched(false, "300"), ChangeState::Restored);
  EXPECT_EQ(state_when_switched(true, "300"), ChangeState::Foreign);
  EXPECT_EQ(state_when_switched(false, "600"), ChangeState::Foreign);
  EXPECT_EQ(state_when_switched(true, "400"), ChangeState::Foreign);
}

// Who sets it between a write of ours and the look at it; at which of our writes.
TEST_F(ChangeEngineTest, WhatSomebodyElseSetsInTheMomentOfAWriteStays) {
  for (const int at : {1, 2}) {
    TunedHost other;
    other.kernel.at(kBudget) = "300";
    Plan plan;
    plan.proposals = {proposal(kBudget, "300", "600")};
    int writes = 0;
    other.kernel.after_write = [&] {
      if (++writes == at) other.kernel.at(kBudget) = "400";
    };
    other.run([&](ChangeEngine& engine, Ledger&) {
      const bool applied = static_cast<bool>(apply(engine, plan));
      EXPECT_EQ(applied, at == 2);
      if (applied) {
        EXPECT_TRUE(engine.roll_back(1, "asked", kNow));
      }
    });
    EXPECT_EQ(other.kernel.at(kBudget), "400") << at;
    EXPECT_EQ(other.ledger().sets().at(0).state, SetState::RolledBack) << at;
    EXPECT_TRUE(other.ledger().is_foreign(kBudget, {}, kNow.boot)) << at;
  }
}

TEST_F(ChangeEngineTest, WhatSomebodyElseSetsWhileTheJournalIsWrittenStays) {
  for (const char* theirs : {"400", "600"}) {
    TunedHost other;
    other.kernel.at(kBudget) = "300";
    Plan plan;
    plan.proposals = {proposal(kBudget, "300", "600")};
    Fate fate;
    other.kernel.fate = &fate;
    Ledger ledger;
    ChangeEngine engine(other.kernel, ledger, [&](const Record& record) -> Result<> {
      if (record.kind == RecordKind::Writing) other.kernel.at(kBudget) = theirs;
      return {};
    });
    ASSERT_TRUE(engine.begin(plan, 100, kNow));
    EXPECT_FALSE(engine.write(1, kNow));
    EXPECT_EQ(other.kernel.at(kBudget), theirs);
    EXPECT_TRUE(ledger.is_foreign(kBudget, {}, kNow.boot));
  }
}

}  // namespace
}  // namespace netsonde
