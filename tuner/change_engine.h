// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tuner/ledger.h"
#include "tuner/settings.h"

namespace netsonde {

struct Instant {
  std::int64_t time_ns = 0;       // since the epoch, as the host's clock has it
  std::uint64_t boottime_ns = 0;  // CLOCK_BOOTTIME: nobody sets it
  std::string boot{};             // which run of the kernel
};

// Changes settings so that they can be undone, whenever it is interrupted: what was there is on
// disk before anything is written, and each step before it is taken. Nobody else may use the
// journal meanwhile.
class ChangeEngine {
 public:
  // On disk when it returns.
  using Append = std::function<Result<>(const Record&)>;

  // All outlive it.
  ChangeEngine(Settings& settings, Ledger& ledger, Append append)
      : settings_(settings), ledger_(ledger), append_(std::move(append)) {}
  // One that has no journal to write: it was lost, and what was begun is known.
  static Ledger remembered(const ChangeSet& begun);

  // Begins a set: fails, with nothing written anywhere, when another one has not ended, when a
  // value is not what the plan says, or when a setting is not ours to change. Connections come and
  // go: that one has closed meanwhile is no failure, unless all have.
  Result<std::uint64_t> begin(const Plan& plan, std::uint64_t deadline_ns, const Instant& now);
  // Writes, and reads back; where that does not hold, or somebody else was there meanwhile, or
  // when it may no longer go on, undoes the set and fails.
  Result<> write(
      std::uint64_t set, const Instant& now,
      const std::function<Result<>()>& may_go_on = [] { return Result<>(); });

  // Has a pending set in force, or what was there before, for a while. Fails when it is not read
  // back, and when what was left there last is not there any more: that setting is somebody else's
  // from now on, also when they have put back what was there before.
  struct Turn {
    bool was_in_force = true, in_force = true;
  };
  Result<> switch_to(std::uint64_t set, const Turn& turn, const Instant& now);
  // What a change of it has done.
  Result<> note_effect(std::uint64_t set, const ChangeEffect& effect, const Instant& now);

  // A pending set stays, if it may when all was looked at. What somebody else has changed meanwhile
  // is theirs from now on.
  Result<> confirm(
      std::uint64_t set, const Instant& now,
      const std::function<Result<>()>& may_go_on = [] { return Result<>(); });
  // Undoes a pending or a confirmed set, the last change first; one of another run of the kernel is
  // gone anyway. What cannot be undone is in the ledger (Stuck); fails only when the journal could
  // not be written, and then nonetheless after it has undone what it could of a pending one.
  Result<> roll_back(std::uint64_t set, const std::string& why, const Instant& now);
  // The newest set that an interrupted run has left: undone, or, in another run of the kernel,
  // gone.
  Result<> recover(const Instant& now);
  // What somebody else has set may be changed again; what we had there before is over. False: it
  // was nobody's.
  Result<bool> hand_back(std::string_view key, std::string_view where, const Instant& now);

 private:
  // False: it is of a connection that has closed.
  Result<bool> check(const Proposal& proposal, const Instant& now);
  Result<> look_for_foreign(const Proposal& proposal, const std::string& found, const Instant& now);
  Result<> end_overwritten(const ForeignKey& key, const Instant& now);
  Result<> note(Record record);
  Result<> note_foreign(std::uint64_t set, std::size_t change, const std::string& found,
                        const Instant& now);
  Result<> write_all(std::uint64_t set, const Instant& now,
                     const std::function<Result<>()>& may_go_on);
  Result<> write_one(std::uint64_t set, std::size_t change, const Instant& now);
  Result<> switch_one(std::uint64_t set, std::size_t change, const Turn& turn, const Instant& now);
  struct End {
    ChangeState state = ChangeState::Restored;
    std::string problem{};
  };
  End undo(const Change& change, const std::string& boot);
  // What is there afterwards; absent: the setting has gone meanwhile.
  Result<std::optional<std::string>> put(const Proposal& proposal, const std::string& value);
  // Tells what the kernel makes of a value from what somebody else has set in the same moment.
  struct Put {
    std::optional<std::string> found{};
    bool is_theirs = false;
  };
  Result<Put> put_and_see(const Proposal& proposal, const std::string& value);
  Result<> note_gone(std::uint64_t set, std::size_t change, const Instant& now);

  Settings& settings_;
  Ledger& ledger_;
  Append append_;
};

}  // namespace netsonde
