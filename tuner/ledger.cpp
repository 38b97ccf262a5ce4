// SPDX-License-Identifier: Apache-2.0
#include "tuner/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace netsonde {

namespace {

Error misplaced() {
  return Error("it does not fit to what stands before it");
}

bool is_end(ChangeState state) {
  return state >= ChangeState::Restored;
}

// What a crash leaves of a line that was being written.
bool is_cut_off(std::string_view tail) {
  return tail.find('\n') == std::string_view::npos ||
         std::ranges::all_of(tail, [](char c) { return c == '\0'; });
}

// The record of a line that may lack its end.
Result<Record> whole_record(std::string_view journal, std::size_t begin, std::size_t end) {
  Record record = TRY(record_from(journal.substr(begin, end - begin)));
  if (end == std::string_view::npos) return Error("its end is missing");
  return record;
}

}  // namespace

Result<Ledger> Ledger::read(std::string_view journal) {
  Ledger ledger;
  for (std::size_t line = 1; ledger.length_ < journal.size(); ++line) {
    const std::size_t end = journal.find('\n', ledger.length_);
    const auto record = whole_record(journal, ledger.length_, end);
    const Result<> taken = record ? ledger.take(record.value()) : Result<>(record.error());
    if (!taken) {
      if (!record && is_cut_off(journal.substr(ledger.length_))) return ledger;
      return Error(fmt::format("record {}: {}", line, taken.error().message()));
    }
    ledger.length_ = end + 1;
  }
  return ledger;
}

Result<> Ledger::begin(const Record& record) {
  if (!record.begun || record.set != sets_.size() + 1 || unfinished() ||
      record.begun->changes.empty())
    return misplaced();
  sets_.push_back(*record.begun);
  return {};
}

Result<> Ledger::take_change(const Record& record, ChangeSet& set) {
  if (record.change >= set.changes.size()) return misplaced();
  Change& change = set.changes[record.change];
  if (record.kind == RecordKind::Writing) {
    if (change.state != ChangeState::Planned || set.state != SetState::Pending) return misplaced();
    change.state = ChangeState::Writing;
    change.begun = true;
  } else if (record.kind == RecordKind::Written) {
    if (change.state != ChangeState::Writing) return misplaced();
    change.state = ChangeState::Written;
    change.read_back = record.text;
  } else if (record.kind == RecordKind::Effect) {
    if (!record.effect) return misplaced();
    change.effect = record.effect;
  } else {
    if (!is_end(record.state)) return misplaced();
    change.state = record.state;
    change.problem = record.text;
    if (record.state == ChangeState::Foreign) set_foreign(change.proposal);
  }
  return {};
}

void Ledger::set_foreign(const Proposal& proposal) {
  ForeignKey foreign{.key = proposal.key, .scope = proposal.scope};
  if (std::ranges::find(foreign_, foreign) == foreign_.end())
    foreign_.push_back(std::move(foreign));
}

Result<> Ledger::take_end(const Record& record, ChangeSet& set) {
  switch (record.kind) {
    case RecordKind::Applied: set.applied = true; return {};
    case RecordKind::Confirmed:
      if (!set.applied || set.state != SetState::Pending) return misplaced();
      set.state = SetState::Confirmed;
      break;
    case RecordKind::Rebooted: set.state = SetState::Rebooted; break;
    case RecordKind::Undoing:
      if (set.state != SetState::Confirmed) return misplaced();
      set.state = SetState::Pending;
      break;
    default:
      set.state = std::ranges::any_of(set.changes,
                                      [](const Change& c) { return c.state == ChangeState::Stuck; })
                      ? SetState::Stuck
                      : SetState::RolledBack;
      set.why = record.text;
  }
  set.ended_ns = record.time_ns;
  return {};
}

Result<> Ledger::take(const Record& record) {
  if (record.kind == RecordKind::Begin) return begin(record);
  if (record.kind == RecordKind::HandedBack) {
    if (!record.key) return misplaced();
    std::erase(foreign_, *record.key);
    return {};
  }
  if (!find(record.set)) return misplaced();
  ChangeSet* set = &sets_[record.set - 1];
  const bool of_change = record.kind == RecordKind::Writing || record.kind == RecordKind::Written ||
                         record.kind == RecordKind::Ended || record.kind == RecordKind::Effect;
  return of_change ? take_change(record, *set) : take_end(record, *set);
}

const ChangeSet* Ledger::find(std::uint64_t number) const {
  return number >= 1 && number <= sets_.size() ? &sets_[number - 1] : nullptr;
}

const ChangeSet* Ledger::unfinished() const {
  const auto open = std::find_if(sets_.rbegin(), sets_.rend(), [](const ChangeSet& set) {
    return set.state == SetState::Pending || set.state == SetState::Stuck;
  });
  return open == sets_.rend() ? nullptr : &*open;
}

bool Ledger::is_foreign(const std::string& key, const ChangeScope& scope,
                        const std::string& boot) const {
  const ForeignKey foreign{.key = key, .scope = scope};
  if (std::ranges::find(foreign_, foreign) == foreign_.end()) return false;
  const auto is_it = [&](const Change& change) {
    return change.state == ChangeState::Foreign && change.proposal.key == key &&
           change.proposal.scope == scope;
  };
  return scope.kind != ScopeKind::Connection ||
         std::ranges::any_of(sets_, [&](const ChangeSet& set) {
           return set.boot == boot && std::ranges::any_of(set.changes, is_it);
         });
}

std::optional<Ledger::Place> Ledger::confirmed(const std::string& key, const ChangeScope& scope,
                                               const std::string& boot) const {
  for (auto at = sets_.rbegin(); at != sets_.rend(); ++at) {
    const ChangeSet& set = *at;
    if (set.state != SetState::Confirmed || set.boot != boot) continue;
    for (std::size_t i = 0; i < set.changes.size(); ++i) {
      const Change& change = set.changes[i];
      if (change.state == ChangeState::Written && change.proposal.key == key &&
          change.proposal.scope == scope)
        return Place{.set = set.number, .change = i};
    }
  }
  return std::nullopt;
}

}  // namespace netsonde
