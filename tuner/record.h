// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/plan.h"
#include "user/base/json.h"

namespace netsonde {

// What is done to this host: sets of changes, each step of which is one record of the journal, on
// disk before the step is taken.

// How far one change has come.
enum class ChangeState : std::uint8_t {
  Planned,   // nothing was written
  Writing,   // it may have been written, or not
  Written,   // and read back
  Restored,  // what was there before is there again
  Foreign,   // somebody else has written there since: left as it is
  Vanished,  // the setting, or its namespace, is gone
  Stuck      // what was there before could not be written back
};
std::string_view name_of(ChangeState state);  // "planned", "writing", "written", ...

// What a change has done, as it was measured.
struct ChangeEffect {
  std::string metric{};  // "rx_bytes_per_s"
  std::size_t blocks = 0;
  double ratio = 1, low = 1, high = 1;  // what it became, of what it was, and its interval of 95%
  std::string verdict{};                // "better", "worse", "equivalent", "inconclusive"
};

struct Change {
  Proposal proposal{};
  ChangeState state = ChangeState::Planned;
  bool begun = false;                      // it may have been written
  std::optional<std::string> read_back{};  // after writing
  std::string problem{};                   // of what went wrong last
  std::optional<ChangeEffect> effect{};    // absent: nobody measured it
};

enum class SetState : std::uint8_t {
  Pending,     // not confirmed: it will be rolled back
  Confirmed,   // stays
  RolledBack,  // is undone, but for what its changes say
  Stuck,       // could not be undone wholly
  Rebooted     // the kernel that had it is gone, and the values with it
};
std::string_view name_of(SetState state);  // "pending", "confirmed", "rolled-back", ...

struct ChangeSet {
  std::uint64_t number = 0;  // from 1 on
  std::int64_t time_ns = 0;  // since the epoch
  std::string boot{};        // of which run of the kernel
  std::string goal{};
  // Of the clock that goes on while the host sleeps (CLOCK_BOOTTIME), when it is rolled back unless
  // it was confirmed.
  std::uint64_t deadline_ns = 0;
  std::vector<Change> changes{};
  SetState state = SetState::Pending;
  bool applied = false;       // every change is written and read back
  std::int64_t ended_ns = 0;  // when it became what it is now; 0: is pending
  std::string why{};          // it was rolled back
};

// A key that netsonde leaves alone, for somebody else has set it.
struct ForeignKey {
  std::string key{};
  ChangeScope scope{};

  bool operator==(const ForeignKey&) const = default;
};

enum class RecordKind : std::uint8_t {
  Begin,       // a set, with what was there before
  Writing,     // a change is about to be written
  Written,     // and was: value is what was read back
  Applied,     // all were
  Confirmed,   // the set
  Ended,       // a change is at an end: state, and text if there was a problem
  RolledBack,  // the set: text is why
  Rebooted,    // the set
  HandedBack,  // a key that was somebody else's may be changed again
  Effect,      // what the change has done
  Undoing      // of a confirmed set begins: until it has ended the set is pending again
};

struct Record {
  RecordKind kind = RecordKind::Begin;
  std::uint64_t set = 0;
  std::int64_t time_ns = 0;  // since the epoch
  std::size_t change = 0;    // of the set, from 0 on
  ChangeState state = ChangeState::Planned;
  std::string text{};
  std::optional<ChangeSet> begun{};
  std::optional<ForeignKey> key{};
  std::optional<ChangeEffect> effect{};
};

Json to_json(const ChangeEffect& effect);
// One line of the journal: checksum, JSON, newline.
std::string to_line(const Record& record);
// Of a line without its newline, which nobody vouches for.
Result<Record> record_from(std::string_view line);

}  // namespace netsonde
