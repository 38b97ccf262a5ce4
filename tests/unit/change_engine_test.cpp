// SPDX-License-Identifier: Apache-2.0
#include "tuner/change_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "tests/unit/change_engine_fixture.h"
#include "tuner/by_hand.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Work = std::function<void(ChangeEngine&)>;

// Kills the work at each of its steps, and the recovery after it at each of its own.
void kill_everywhere(const TunedHost& host, const Work& work,
                     const std::function<void(TunedHost&, const std::string&)>& expect) {
  const auto works = [&](ChangeEngine& engine, Ledger&) { work(engine); };
  const auto recovers = [](ChangeEngine& engine, Ledger&) { (void)engine.recover(kNow); };
  for (int cut = 0;; ++cut) {
    TunedHost killed = host;
    Fate fate(cut);
    if (killed.run(fate, works)) break;
    for (int second = 0;; ++second) {
      TunedHost again = killed;
      Fate second_fate(second);
      const bool whole = again.run(second_fate, recovers);
      if (!whole) again.run(recovers);
      expect(again, "killed at " + std::to_string(cut) + ", then " + std::to_string(second));
      if (whole) break;
    }
  }
}

TEST_F(ChangeEngineTest, WritesWhatThePlanSaysAndReadsItBack) {
  ASSERT_TRUE(apply(plan()));
  EXPECT_EQ(host.kernel.values, wanted);
  const Ledger ledger = host.ledger();
  const ChangeSet& set = ledger.sets().at(0);
  EXPECT_EQ(set.state, SetState::Pending);
  EXPECT_TRUE(set.applied);
  EXPECT_EQ(set.deadline_ns, 100U);
  EXPECT_EQ(set.changes.at(0).read_back, "5000");
}

TEST_F(ChangeEngineTest, AConfirmedSetStays) {
  apply_and_confirm();
  recover();
  EXPECT_EQ(host.kernel.values, wanted);
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::Confirmed);
}

TEST_F(ChangeEngineTest, RollsBackWhatIsPending) {
  ASSERT_TRUE(apply(plan()));
  ASSERT_TRUE(roll_back(1));
  EXPECT_EQ(host.kernel.values, original);
}

TEST_F(ChangeEngineTest, RollsBackAConfirmedSet) {
  apply_and_confirm();
  ASSERT_TRUE(roll_back(1));
  EXPECT_EQ(host.kernel.values, original);
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::RolledBack);
  EXPECT_EQ(host.ledger().sets().at(0).why, "asked");
}

TEST_F(ChangeEngineTest, KilledAnywhereWhileItAppliesItEndsSettled) {
  kill_everywhere(
      host,
      [](ChangeEngine& engine) {
        ASSERT_TRUE(apply(engine, plan()));
        ASSERT_TRUE(engine.confirm(1, kNow));
      },
      [&](TunedHost& end, const std::string& after) {
        expect_settled(end, original, wanted, after);
      });
}

TEST_F(ChangeEngineTest, KilledAnywhereWhileItRollsBackItEndsSettled) {
  ASSERT_TRUE(apply(plan()));
  kill_everywhere(
      host, [](ChangeEngine& engine) { ASSERT_TRUE(engine.roll_back(1, "asked", kNow)); },
      [&](TunedHost& end, const std::string& after) {
        expect_settled(end, original, original, after);
      });
}

TEST_F(ChangeEngineTest, KilledWhileTheKernelMakesSomethingElseOfItThatIsToldAtLeast) {
  host.kernel.takes = [](std::string_view key, std::string value) {
    return key == kBudget && value == "600" ? "512" : value;
  };
  kill_everywhere(
      host, [](ChangeEngine& engine) { ASSERT_FALSE(apply(engine, plan())); },
      [&](TunedHost& end, const std::string& after) {
        Values left = original;
        if (end.ledger().is_foreign(kBudget, {}, kNow.boot)) left[{"", kBudget}] = "512";
        EXPECT_EQ(end.kernel.values, left) << after;
        EXPECT_EQ(end.ledger().unfinished(), nullptr) << after;
      });
}

TEST_F(ChangeEngineTest, KilledAnywhereWhileItUndoesWhatWasConfirmedItIsUndoneOrStays) {
  apply_and_confirm();
  kill_everywhere(
      host, [](ChangeEngine& engine) { ASSERT_TRUE(engine.roll_back(1, "asked", kNow)); },
      [&](TunedHost& end, const std::string& after) {
        expect_settled(end, original, wanted, after);
      });
}

TEST_F(ChangeEngineTest, ItsJournalMayBeCutOffAtEveryByte) {
  struct Cut {
    std::size_t journal;
    Values values;
  };
  std::vector<Cut> history;
  for (int cut = 0;; ++cut) {
    TunedHost killed = host;
    Fate fate(cut);
    const bool whole = killed.run(fate, [](ChangeEngine& engine, Ledger&) {
      ASSERT_TRUE(apply(engine, plan()));
      ASSERT_TRUE(engine.confirm(1, kNow));
    });
    history.push_back({.journal = killed.disk.size(), .values = killed.kernel.values});
    if (!whole) continue;
    host.disk = killed.disk;
    break;
  }
  const std::string whole = host.disk;
  std::size_t seen = 0;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const auto later =
        std::ranges::find_if(history.begin() + static_cast<std::ptrdiff_t>(i), history.end(),
                             [&](const Cut& one) { return one.journal > history[i].journal; });
    const std::size_t end = later == history.end() ? whole.size() + 1 : later->journal;
    for (std::size_t length = history[i].journal; length < end; ++length, ++seen) {
      host.disk = whole.substr(0, length);
      host.kernel.values = history[i].values;
      recover();
      expect_settled(host, original, wanted, "cut off at " + std::to_string(length));
    }
  }
  EXPECT_GT(seen, whole.size());
}

TEST_F(ChangeEngineTest, AKernelThatTakesSomethingElseUndoesTheSet) {
  host.kernel.takes = [](std::string_view key, std::string value) {
    return key == kBudget && value == "600" ? "512" : value;
  };
  const Result<> applied = apply(plan());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().message(), "net.core.netdev_budget: the kernel made 512 of 600");
  EXPECT_EQ(host.kernel.values, original);
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::RolledBack);
}

TEST_F(ChangeEngineTest, AKernelThatRefusesUndoesTheSet) {
  host.kernel.refuses = [](std::string_view key, std::string_view value) {
    return key == kPolling && value == "50" ? "Invalid argument" : "";
  };
  const Result<> applied = apply(plan());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().message(), "Invalid argument");
  EXPECT_EQ(host.kernel.values, original);
}

TEST_F(ChangeEngineTest, AFullDiskBeforeTheFirstRecordChangesNothing) {
  host.disk_is_full = true;
  EXPECT_FALSE(apply(plan()));
  EXPECT_EQ(host.kernel.values, original);
}

TEST_F(ChangeEngineTest, AFullDiskLaterUndoesWhatWasWritten) {
  host.kernel.after_write = [this] { host.disk_is_full = true; };
  EXPECT_FALSE(apply(plan()));
  EXPECT_EQ(host.kernel.values, original);
  host.disk_is_full = false;
  host.kernel.after_write = [] {};
  recover();
  expect_settled(host, original, original, "there is room again");
}

TEST_F(ChangeEngineTest, ItMayBeToldNotToGoOn) {
  int asked = 0;
  host.run([&](ChangeEngine& engine, Ledger&) {
    ASSERT_TRUE(engine.begin(plan(), 100, kNow));
    const auto in_time = [&]() -> Result<> { return ++asked < 3 ? Result<>() : Error("too late"); };
    const Result<> written = engine.write(1, kNow, in_time);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message(), "too late");
  });
  EXPECT_EQ(host.kernel.values, original);
  EXPECT_THAT(host.kernel.written, ElementsAre(kBacklog, kBudget, kBudget, kBacklog));
}

TEST_F(ChangeEngineTest, WithoutAJournalItUndoesFromMemory) {
  ASSERT_TRUE(apply(plan()));
  const ChangeSet begun = host.ledger().sets().at(0);
  host.kernel.at(kPolling) = "77";
  Ledger memory = ChangeEngine::remembered(begun);
  Fate fate;
  host.kernel.fate = &fate;
  ChangeEngine engine(host.kernel, memory, [](const Record&) { return Result<>(); });
  ASSERT_TRUE(engine.roll_back(1, "it is lost", kNow));
  original[{"", kPolling}] = "77";
  EXPECT_EQ(host.kernel.values, original);
}

TEST_F(ChangeEngineTest, UndoesTheLastChangeFirst) {
  ASSERT_TRUE(apply(plan()));
  ASSERT_TRUE(roll_back(1));
  EXPECT_THAT(host.kernel.written,
              ElementsAre(kBacklog, kBudget, kPolling, kPolling, kBudget, kBacklog));
}

TEST_F(ChangeEngineTest, WhatCannotBeWrittenBackIsToldAndTriedAgain) {
  ASSERT_TRUE(apply(plan()));
  host.kernel.refuses = [](std::string_view key, std::string_view) {
    return key == kBudget ? "write: Operation not permitted" : "";
  };
  ASSERT_TRUE(roll_back(1));
  EXPECT_EQ(host.kernel.at(kBacklog), "1000");
  EXPECT_EQ(host.kernel.at(kPolling), "0");
  const Ledger ledger = host.ledger();
  EXPECT_EQ(ledger.sets().at(0).state, SetState::Stuck);
  EXPECT_EQ(ledger.sets().at(0).changes.at(1).problem, "write: Operation not permitted");
  EXPECT_THAT(by_hand(ledger.sets().at(0)), ElementsAre("sysctl -w net.core.netdev_budget='300'"));
  host.kernel.refuses = [](std::string_view, std::string_view) { return ""; };
  recover();
  EXPECT_EQ(host.kernel.values, original);
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::RolledBack);
  EXPECT_THAT(by_hand(host.ledger().sets().at(0)), IsEmpty());
}

// "0 0 0", of which some are written already.
TEST_F(ChangeEngineTest, MasksThatWereWrittenInPartAreOurs) {
  const std::string key = "device.rps_cpus";
  const ChangeScope eth0{.kind = ScopeKind::Device, .name = "eth0", .cookie = 1, .netns = 2};
  Plan masks{.goal = "asked for"};
  masks.proposals = {{.key = key, .scope = eth0, .from = "0 0 1", .to = "3 3 1"}};
  for (const auto& [left, ended, state] : {std::tuple("3 0 1", "0 0 1", ChangeState::Restored),
                                           {"0 3 1", "0 0 1", ChangeState::Restored},
                                           {"3 4 1", "3 4 1", ChangeState::Foreign},
                                           {"3 0", "3 0", ChangeState::Foreign},
                                           {"3 0 1 0", "3 0 1 0", ChangeState::Foreign}}) {
    TunedHost other;
    other.kernel.values[{"eth0", key}] = "0 0 1";
    ASSERT_TRUE([&] {
      Result<> applied;
      other.run([&](ChangeEngine& engine, Ledger&) { applied = apply(engine, masks); });
      return static_cast<bool>(applied);
    }());
    other.kernel.values[{"eth0", key}] = left;
    other.run(
        [](ChangeEngine& engine, Ledger&) { ASSERT_TRUE(engine.roll_back(1, "asked", kNow)); });
    EXPECT_EQ((other.kernel.values[{"eth0", key}]), ended) << left;
    EXPECT_EQ(other.ledger().sets().at(0).changes.at(0).state, state) << left;
  }
}

TEST_F(ChangeEngineTest, OfSeveralThatAreStuckTheNewestIsUndoneFirst) {
  confirm_one_above_the_other();
  host.kernel.unreadable = {kBudget};
  ASSERT_TRUE(roll_back(2));
  ASSERT_TRUE(roll_back(1));
  host.kernel.unreadable.clear();
  recover();
  EXPECT_EQ(host.kernel.at(kBudget), "400");
  recover();
  EXPECT_EQ(host.kernel.at(kBudget), "300");
  EXPECT_TRUE(host.ledger().foreign().empty());
}

TEST_F(ChangeEngineTest, MoreChangesThanAPlanHoldsAreRefusedBeforeAnythingIsWritten) {
  Plan plan;
  plan.proposals.assign(Plan::kMostProposals + 1, proposal(kBudget, "300", "600"));
  const Result<> applied = apply(plan);
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message(), HasSubstr("1001 changes are too many"));
  EXPECT_EQ(host.disk, "");
}

TEST_F(ChangeEngineTest, WhatIsConfirmedIsNotUndoneWithoutAJournal) {
  apply_and_confirm();
  host.disk_is_full = true;
  EXPECT_FALSE(roll_back(1));
  EXPECT_EQ(host.kernel.values, wanted);
}

TEST_F(ChangeEngineTest, WhatMayNotBeConfirmedAnyMoreIsNot) {
  ASSERT_TRUE(apply(plan()));
  host.run([](ChangeEngine& engine, Ledger&) {
    EXPECT_FALSE(engine.confirm(1, kNow, [] { return Result<>(Error("too late")); }));
  });
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::Pending);
}

TEST_F(ChangeEngineTest, NothingNewBeginsWhileSomethingIsStuck) {
  ASSERT_TRUE(apply(plan()));
  const Result<> second = apply(plan());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("change set 1 is pending"));
}

TEST_F(ChangeEngineTest, ASettingThatHasVanishedNeedsNoUndoing) {
  ASSERT_TRUE(apply(plan()));
  host.kernel.values.erase({"", kBudget});
  ASSERT_TRUE(roll_back(1));
  EXPECT_EQ(host.ledger().sets().at(0).changes.at(1).state, ChangeState::Vanished);
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::RolledBack);
}

TEST_F(ChangeEngineTest, APlanThatNoLongerFitsChangesNothing) {
  host.kernel.at(kPolling) = "20";
  const Result<> refused = apply(plan());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("net.core.busy_poll is 20 now"));
  EXPECT_EQ(host.kernel.at(kBacklog), "1000");
  EXPECT_TRUE(host.ledger().sets().empty());
}

TEST_F(ChangeEngineTest, WhatTheHostLacksIsNotAvailable) {
  host.kernel.values.erase({"", kPolling});
  const Result<> refused = apply(plan());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "net.core.busy_poll: not available here");
}

TEST_F(ChangeEngineTest, WhatMayOnlyBeReadIsNotAvailable) {
  host.kernel.read_only = {kPolling};
  const Result<> refused = apply(plan());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "net.core.busy_poll: not available here: it may only be read");
  EXPECT_EQ(host.kernel.values, original);
}

TEST_F(ChangeEngineTest, AnotherRunOfTheKernelHasForgottenTheChanges) {
  ASSERT_TRUE(apply(plan()));
  const Values untouched = wanted;
  host.run([](ChangeEngine& engine, Ledger&) {
    Instant later = kNow;
    later.boot = "two";
    ASSERT_TRUE(engine.recover(later));
  });
  EXPECT_EQ(host.kernel.values, untouched);
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::Rebooted);
}

}  // namespace
}  // namespace netsonde
