// SPDX-License-Identifier: Apache-2.0
#include "tuner/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/tuner_fixture.h"

namespace netsonde {
namespace {

using testing::HasSubstr;

const std::string kKey = "net.core.netdev_budget";

Record beginning(std::uint64_t set = 1) {
  ChangeSet begun{.number = set, .boot = "one", .goal = "asked for", .deadline_ns = 7};
  begun.changes.push_back({.proposal = proposal(kKey, "300", "600")});
  begun.changes[0].proposal.evidence = {
      {.field = "softnet.time_squeeze", .value = std::uint64_t{12}, .unit = Unit::Count},
      {.field = "share", .value = 0.5},
      {.field = "who", .value = "nginx\n"}};
  return {.kind = RecordKind::Begin, .set = set, .time_ns = 5, .begun = begun};
}

std::string journal() {
  return to_line(beginning()) + to_line({.kind = RecordKind::Writing, .set = 1}) +
         to_line({.kind = RecordKind::Written, .set = 1, .text = "600"}) +
         to_line({.kind = RecordKind::Applied, .set = 1}) +
         to_line({.kind = RecordKind::Confirmed, .set = 1, .time_ns = 9});
}

std::string problem_of(const std::string& bytes) {
  const auto ledger = Ledger::read(bytes);
  return ledger ? "" : ledger.error().message();
}

TEST(LedgerTest, TellsWhatWasDone) {
  const Ledger ledger = Ledger::read(journal()).value();
  EXPECT_EQ(ledger.length(), journal().size());
  ASSERT_EQ(ledger.sets().size(), 1U);
  const ChangeSet& set = ledger.sets()[0];
  EXPECT_EQ(set.state, SetState::Confirmed);
  EXPECT_EQ(set.boot, "one");
  EXPECT_EQ(set.deadline_ns, 7U);
  EXPECT_EQ(set.time_ns, 5);
  EXPECT_EQ(set.ended_ns, 9);
  const Change& change = set.changes.at(0);
  EXPECT_EQ(change.proposal.from, "300");
  EXPECT_EQ(change.read_back, "600");
  ASSERT_EQ(change.proposal.evidence.size(), 3U);
  EXPECT_EQ(std::get<std::uint64_t>(change.proposal.evidence[0].value), 12U);
  EXPECT_EQ(change.proposal.evidence[0].unit, Unit::Count);
  EXPECT_EQ(std::get<double>(change.proposal.evidence[1].value), 0.5);
  EXPECT_EQ(std::get<std::string>(change.proposal.evidence[2].value), "nginx\n");
}

TEST(LedgerTest, AnEmptyJournalTellsOfNothing) {
  EXPECT_TRUE(Ledger::read("").value().sets().empty());
}

TEST(LedgerTest, WhatACrashHasCutOffDoesNotCount) {
  const std::string whole = journal();
  const std::size_t before = whole.rfind('\n', whole.size() - 2) + 1;
  for (std::size_t length = before; length < whole.size(); ++length) {
    const Ledger ledger = Ledger::read(whole.substr(0, length)).value();
    EXPECT_EQ(ledger.length(), before) << length;
    EXPECT_EQ(ledger.sets().at(0).state, SetState::Pending) << length;
  }
}

TEST(LedgerTest, BlocksThatWereNeverWrittenCountAsCutOff) {
  const std::string whole = journal();
  const Ledger ledger = Ledger::read(whole + std::string(4096, '\0')).value();
  EXPECT_EQ(ledger.length(), whole.size());
}

TEST(LedgerTest, ADamagedRecordIsAnError) {
  const std::string whole = journal();
  for (std::size_t i = 0; i + 1 < whole.size(); ++i) {
    std::string bad = whole;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_THAT(problem_of(bad), HasSubstr("record ")) << i;
  }
}

TEST(LedgerTest, RecordsThatDoNotFitAreRefused) {
  const std::string begin = to_line(beginning());
  const auto refused = [](const std::string& bytes) {
    EXPECT_THAT(problem_of(bytes), HasSubstr("does not fit")) << bytes;
  };
  refused(begin + begin);
  refused(to_line(beginning(2)));
  refused(begin + to_line(beginning(2)));  // the first has not ended
  refused(to_line({.kind = RecordKind::Writing, .set = 1}));
  refused(begin + to_line({.kind = RecordKind::Writing, .set = 1, .change = 1}));
  refused(begin + to_line({.kind = RecordKind::Written, .set = 1, .text = "600"}));
  refused(begin + to_line({.kind = RecordKind::Confirmed, .set = 1}));
  refused(begin + to_line({.kind = RecordKind::Ended, .set = 1, .state = ChangeState::Written}));
  refused(begin + to_line({.kind = RecordKind::Confirmed, .set = ~0ULL}));
}

TEST(LedgerTest, NothingOutsideTheCatalogueCanStandInIt) {
  Record bad = beginning();
  const auto problem = [&] { return problem_of(to_line(bad) + to_line(beginning())); };
  Proposal& written = bad.begun->changes[0].proposal;
  written.key = "kernel.core_pattern";
  EXPECT_THAT(problem(), HasSubstr("not in the catalogue"));
  written.key = "../../etc/passwd";
  EXPECT_THAT(problem(), HasSubstr("not in the catalogue"));
  written = proposal(kKey, "300", "99999999999");
  EXPECT_THAT(problem(), HasSubstr("above"));
  written = proposal(kKey, "rm", "300");
  EXPECT_FALSE(problem().empty());
}

}  // namespace
}  // namespace netsonde
