// SPDX-License-Identifier: Apache-2.0
#include "tuner/change_engine.h"

#include <fmt/format.h>

#include <sstream>
#include <utility>

#include "tuner/qdisc_kind.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

std::string name_of(const Proposal& proposal) {
  if (proposal.scope.kind == ScopeKind::Host) return proposal.key;
  return fmt::format("{} ({})", proposal.key, where_text(proposal));
}

bool is_of_connection(const Proposal& proposal) {
  return proposal.scope.kind == ScopeKind::Connection;
}

ChangeSet set_of(const Plan& plan, std::uint64_t deadline_ns, const Instant& now) {
  ChangeSet set{
      .time_ns = now.time_ns, .boot = now.boot, .goal = plan.goal, .deadline_ns = deadline_ns};
  for (const Proposal& proposal : plan.proposals) set.changes.push_back({.proposal = proposal});
  return set;
}

}  // namespace

Result<> ChangeEngine::note(Record record) {
  TRY(append_(record));
  return ledger_.take(record);
}

Result<> ChangeEngine::note_foreign(std::uint64_t set, std::size_t change, const std::string& found,
                                    const Instant& now) {
  return note({.kind = RecordKind::Ended,
               .set = set,
               .time_ns = now.time_ns,
               .change = change,
               .state = ChangeState::Foreign,
               .text = fmt::format("it is {} now", printable(found))});
}

// What we left there and is no more somebody else has changed since: the newest of it.
Result<> ChangeEngine::look_for_foreign(const Proposal& proposal, const std::string& found,
                                        const Instant& now) {
  const auto left = ledger_.confirmed(proposal.key, proposal.scope, now.boot);
  if (!left || *ledger_.sets()[left->set - 1].changes[left->change].read_back == found) return {};
  return note_foreign(left->set, left->change, found, now);
}

Result<bool> ChangeEngine::check(const Proposal& proposal, const Instant& now) {
  const std::string name = name_of(proposal);
  const auto found = TRY(settings_.read(proposal.scope, proposal.key));
  if (!found && is_of_connection(proposal)) return false;
  if (!found) return Error(name + ": not available here");
  if (!TRY(settings_.can_be_written(proposal.scope, proposal.key)))
    return Error(name + ": not available here: it may only be read");
  TRY(look_for_foreign(proposal, *found, now));
  if (ledger_.is_foreign(proposal.key, proposal.scope, now.boot))
    return Error(
        fmt::format("{}: somebody else has set it since netsonde did, so it is left alone; "
                    "'netsonde tune hand-back {}' gives it back",
                    name, proposal.key));
  if (*found == proposal.from) return true;
  return Error(fmt::format("{} is {} now; the plan was made when it was {}: make a new one", name,
                           printable(*found), printable(proposal.from)));
}

Result<std::uint64_t> ChangeEngine::begin(const Plan& plan, std::uint64_t deadline_ns,
                                          const Instant& now) {
  if (plan.proposals.empty()) return Error("the plan proposes nothing");
  if (plan.proposals.size() > Plan::kMostProposals)
    return Error(fmt::format("{} changes are too many for one set: {} at most",
                             plan.proposals.size(), Plan::kMostProposals));
  if (const ChangeSet* open = ledger_.unfinished())
    return Error(fmt::format("change set {} is {}: 'netsonde tune {}' first", open->number,
                             netsonde::name_of(open->state),
                             open->state == SetState::Stuck ? "recover" : "confirm' or 'rollback"));
  std::size_t there = 0;
  for (const Proposal& proposal : plan.proposals)
    if (TRY(check(proposal, now))) ++there;
  if (there == 0) return Error("every connection of the plan has closed meanwhile");
  ChangeSet set = set_of(plan, deadline_ns, now);
  set.number = ledger_.sets().size() + 1;
  const std::uint64_t number = set.number;
  TRY(note(
      {.kind = RecordKind::Begin, .set = number, .time_ns = now.time_ns, .begun = std::move(set)}));
  return number;
}

Result<std::optional<std::string>> ChangeEngine::put(const Proposal& proposal,
                                                     const std::string& value) {
  const Tunable* tunable = find_tunable(proposal.key);
  if (!tunable) return Error(printable(proposal.key) + " is not in the catalogue");
  Result<> written = settings_.write(proposal.scope, *tunable, value);
  auto found = settings_.read(proposal.scope, proposal.key);
  const bool is_gone = found && !found.value();
  if (!written && !is_gone) return std::move(written).error();
  return found;
}

// The kernel makes the same of the same each time. What was somebody else's is put back.
Result<ChangeEngine::Put> ChangeEngine::put_and_see(const Proposal& proposal,
                                                    const std::string& value) {
  auto found = TRY(put(proposal, value));
  if (!found || *found == value) return Put{.found = std::move(found)};
  auto again = TRY(put(proposal, value));
  if (again != value) return Put{.found = std::move(again)};
  TRY(put(proposal, *found));
  return Put{.found = std::move(found), .is_theirs = true};
}

Result<> ChangeEngine::note_gone(std::uint64_t set, std::size_t change, const Instant& now) {
  return note({.kind = RecordKind::Ended,
               .set = set,
               .time_ns = now.time_ns,
               .change = change,
               .state = ChangeState::Vanished});
}

Result<> ChangeEngine::write_one(std::uint64_t set, std::size_t change, const Instant& now) {
  const Proposal proposal = ledger_.sets()[set - 1].changes[change].proposal;
  // Before it is looked at: to be on disk takes long, in which somebody else may write.
  TRY(note({.kind = RecordKind::Writing, .set = set, .time_ns = now.time_ns, .change = change}));
  const auto there = TRY(settings_.read(proposal.scope, proposal.key));
  if (!there && is_of_connection(proposal)) return note_gone(set, change, now);
  if (there != proposal.from) {
    if (there) TRY(note_foreign(set, change, *there, now));
    return Error(fmt::format("{}: somebody else has set it to {} meanwhile", name_of(proposal),
                             there ? printable(*there) : "nothing"));
  }
  const auto [found, is_theirs] = TRY(put_and_see(proposal, proposal.to));
  if (!found && is_of_connection(proposal)) return note_gone(set, change, now);
  if (!found) return Error(name_of(proposal) + ": not available any more");
  if (is_theirs) {
    TRY(note_foreign(set, change, *found, now));
    return Error(fmt::format("{}: somebody else has set it to {} meanwhile", name_of(proposal),
                             printable(*found)));
  }
  TRY(note({.kind = RecordKind::Written,
            .set = set,
            .time_ns = now.time_ns,
            .change = change,
            .text = *found}));
  if (*found == proposal.to) return {};
  return Error(fmt::format("{}: the kernel made {} of {}", name_of(proposal), printable(*found),
                           printable(proposal.to)));
}

Result<> ChangeEngine::write_all(std::uint64_t set, const Instant& now,
                                 const std::function<Result<>()>& may_go_on) {
  for (std::size_t i = 0; i < ledger_.sets()[set - 1].changes.size(); ++i) {
    TRY(may_go_on());
    TRY(write_one(set, i, now));
  }
  return note({.kind = RecordKind::Applied, .set = set, .time_ns = now.time_ns});
}

Result<> ChangeEngine::write(std::uint64_t set, const Instant& now,
                             const std::function<Result<>()>& may_go_on) {
  const Result<> written = write_all(set, now, may_go_on);
  if (written) return {};
  const std::string& why = written.error().message();
  if (Result<> undone = roll_back(set, why, now); !undone)
    return Error(fmt::format("{}; and then: {}", why, undone.error().message()));
  return Error(why);
}

// The journal says already that it may be written: it tells what was there, and what we left.
Result<> ChangeEngine::switch_one(std::uint64_t set, std::size_t i, const Turn& turn,
                                  const Instant& now) {
  const Change change = ledger_.sets()[set - 1].changes[i];
  const Proposal& proposal = change.proposal;
  const auto there = TRY(settings_.read(proposal.scope, proposal.key));
  if (!there) return Error(name_of(proposal) + ": not available any more");
  const std::string left =
      turn.was_in_force ? change.read_back.value_or(proposal.to) : proposal.from;
  if (*there != left) {
    TRY(note_foreign(set, i, *there, now));
    return Error(
        fmt::format("{}: somebody else has set it to {}", name_of(proposal), printable(*there)));
  }
  const std::string& wanted = turn.in_force ? proposal.to : proposal.from;
  if (*there == wanted) return {};
  const auto found = TRY(put(proposal, wanted));
  if (!found) return Error(name_of(proposal) + ": not available any more");
  if (*found == wanted) return {};
  return Error(fmt::format("{}: the kernel made {} of {}", name_of(proposal), printable(*found),
                           printable(wanted)));
}

Result<> ChangeEngine::switch_to(std::uint64_t set, const Turn& turn, const Instant& now) {
  for (std::size_t i = 0; i < ledger_.sets()[set - 1].changes.size(); ++i)
    TRY(switch_one(set, i, turn, now));
  return {};
}

Result<> ChangeEngine::note_effect(std::uint64_t set, const ChangeEffect& effect,
                                   const Instant& now) {
  for (std::size_t i = 0; i < ledger_.sets()[set - 1].changes.size(); ++i)
    TRY(note({.kind = RecordKind::Effect,
              .set = set,
              .time_ns = now.time_ns,
              .change = i,
              .effect = effect}));
  return {};
}

Result<> ChangeEngine::confirm(std::uint64_t set, const Instant& now,
                               const std::function<Result<>()>& may_go_on) {
  const std::vector<Change> changes = ledger_.sets()[set - 1].changes;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Proposal& proposal = changes[i].proposal;
    const auto found = TRY(settings_.read(proposal.scope, proposal.key));
    if (found == changes[i].read_back) continue;
    TRY(note({.kind = RecordKind::Ended,
              .set = set,
              .time_ns = now.time_ns,
              .change = i,
              .state = found ? ChangeState::Foreign : ChangeState::Vanished,
              .text = found ? fmt::format("it is {} now", printable(*found)) : ""}));
  }
  TRY(may_go_on());
  return note({.kind = RecordKind::Confirmed, .set = set, .time_ns = now.time_ns});
}

namespace {

// Masks are written one queue after the other: when that was interrupted, each is what was there
// or what was wanted.
bool is_between(const Proposal& proposal, const std::string& wanted, const std::string& found) {
  const Tunable* tunable = find_tunable(proposal.key);
  if (!tunable || tunable->shape != TunableShape::Masks) return false;
  std::istringstream masks(found), before(proposal.from), after(wanted);
  std::string mask, old, changed;
  while (masks >> mask)
    if (!(before >> old) || !(after >> changed) || (mask != old && mask != changed)) return false;
  return !(before >> old) && !(after >> changed);
}

// A value that was being written when we were interrupted is ours only if it is what we wanted:
// what a kernel may have made of it nobody can tell from what somebody else has set, who comes
// first. A discipline with another inside may be there without it.
bool is_ours(const Change& change, const std::string& found) {
  if (change.begun && !change.read_back && found == kUnfinishedQdisc) return true;
  const std::string left = change.read_back.value_or(change.proposal.to);
  return change.begun && (found == left || is_between(change.proposal, left, found));
}

}  // namespace

ChangeEngine::End ChangeEngine::undo(const Change& change, const std::string& boot) {
  const Proposal& proposal = change.proposal;
  const auto stuck = [](const Error& error) {
    return End{.state = ChangeState::Stuck, .problem = error.message()};
  };
  const auto found = settings_.read(proposal.scope, proposal.key);
  if (!found) return stuck(found.error());
  if (!found.value()) return {.state = ChangeState::Vanished};
  const std::string& value = *found.value();
  if (value == proposal.from) return {};
  if (!is_ours(change, value) || ledger_.is_foreign(proposal.key, proposal.scope, boot))
    return {.state = ChangeState::Foreign,
            .problem = fmt::format("it is {} now", printable(value))};
  const auto there = put_and_see(proposal, proposal.from);
  if (!there) return stuck(there.error());
  if (!there.value().found) return {.state = ChangeState::Vanished};
  const std::string& made = *there.value().found;
  if (made == proposal.from) return {};
  if (there.value().is_theirs)
    return {.state = ChangeState::Foreign, .problem = fmt::format("it is {} now", printable(made))};
  return stuck(Error("the kernel made " + printable(made) + " of it"));
}

Result<> ChangeEngine::roll_back(std::uint64_t set, const std::string& why, const Instant& now) {
  if (ledger_.sets()[set - 1].boot != now.boot)
    return note({.kind = RecordKind::Rebooted, .set = set, .time_ns = now.time_ns});
  const std::vector<Change> changes = ledger_.sets()[set - 1].changes;
  Result<> noted;
  const auto keep = [&](Record record) {
    if (Result<> one = note(std::move(record)); noted) noted = std::move(one);
  };
  // Nothing is urgent there.
  if (ledger_.sets()[set - 1].state == SetState::Confirmed)
    TRY(note({.kind = RecordKind::Undoing, .set = set, .time_ns = now.time_ns}));
  for (std::size_t i = changes.size(); i-- > 0;) {
    if (changes[i].state >= ChangeState::Restored && changes[i].state != ChangeState::Stuck)
      continue;
    const End end = undo(changes[i], now.boot);
    keep({.kind = RecordKind::Ended,
          .set = set,
          .time_ns = now.time_ns,
          .change = i,
          .state = end.state,
          .text = end.problem});
  }
  keep({.kind = RecordKind::RolledBack, .set = set, .time_ns = now.time_ns, .text = why});
  return noted;
}

Result<> ChangeEngine::recover(const Instant& now) {
  const ChangeSet* open = ledger_.unfinished();
  if (!open) return {};
  return roll_back(open->number, open->state == SetState::Stuck ? open->why : "it was interrupted",
                   now);
}

Ledger ChangeEngine::remembered(const ChangeSet& begun) {
  Ledger ledger;
  ChangeSet first = begun;
  first.number = 1;
  (void)ledger.take({.kind = RecordKind::Begin, .set = 1, .begun = first});
  for (std::size_t i = 0; i < first.changes.size(); ++i)
    (void)ledger.take({.kind = RecordKind::Writing, .set = 1, .change = i});
  return ledger;
}

// Of a key that is handed back, all that is confirmed and not there any more.
Result<> ChangeEngine::end_overwritten(const ForeignKey& key, const Instant& now) {
  const auto found = settings_.read(key.scope, key.key);
  if (!found || !found.value()) return {};
  while (const auto left = ledger_.confirmed(key.key, key.scope, now.boot)) {
    if (ledger_.sets()[left->set - 1].changes[left->change].read_back == found.value()) return {};
    TRY(note_foreign(left->set, left->change, *found.value(), now));
  }
  return {};
}

Result<bool> ChangeEngine::hand_back(std::string_view key, std::string_view where,
                                     const Instant& now) {
  bool any = false;
  const std::vector<ForeignKey> foreign = ledger_.foreign();
  for (const ForeignKey& one : foreign) {
    if (one.key != key || (!where.empty() && one.scope.name != where)) continue;
    TRY(end_overwritten(one, now));
    TRY(note({.kind = RecordKind::HandedBack, .time_ns = now.time_ns, .key = one}));
    any = true;
  }
  return any;
}

}  // namespace netsonde
