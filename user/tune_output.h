// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/drop_ins.h"
#include "tuner/ledger.h"
#include "tuner/tunable.h"
#include "user/base/json.h"
#include "user/model/trial.h"

namespace netsonde {

// What the tuner prints, for people and, as contracts, for programs.

// What JSON has in place of no words.
inline Json or_null(std::string_view text) {
  return text.empty() ? Json() : Json(text);
}

// In lines of at most width columns; also what has no place to be broken at is, and nothing is
// lost.
std::vector<std::string> lines_of(const std::string& text, int width);

// Words in lines of 80 columns, the first behind its begin, the others behind so many blanks.
std::string hanging(const std::string& begin, const std::string& words, std::size_t indent);

// One setting as this host has it.
struct ListedSetting {
  const Tunable* tunable = nullptr;
  std::string where{};                 // the device or the route
  std::optional<std::string> value{};  // absent: not available here
  std::string why_not{};
  const Assignment* at_boot = nullptr;  // what sysctl's files say
  std::uint64_t set = 0;                // the change set of ours that is in force; 0: none
  std::string outcome{};                // of that, where it is not confirmed
  bool has_journal = true;              // which tells what is ours; only root can read it
};
Json to_json(const ListedSetting& setting);
std::string list_text(const std::vector<ListedSetting>& settings);
// All that is known of one.
std::string details_text(const ListedSetting& setting);

// "net.core.somaxconn", "device.txqueuelen@eth0".
std::string name_of(const ListedSetting& setting);

// A value as it is shown: the kernel's number for no bound says little.
std::string value_text(const Proposal& proposal, const std::string& value);

// The changes as a table: what was, what is to be.
std::string changes_text(const std::vector<Proposal>& proposals);

// With the evidence, what was considered, and how to go on.
std::string plan_text(const Plan& plan);

struct ChangeInForce {
  const ChangeSet* set = nullptr;
  const Change* change = nullptr;
  std::optional<std::string> now{};  // what is there; absent: it is gone
  std::string problem{};             // why that cannot be told
  std::uint64_t replaced_by = 0;     // a later set of ours; 0: none
};

struct TuneStatus {
  std::string state{};             // "none", "pending", "confirmed", "rolled-back", ...
  const ChangeSet* set = nullptr;  // the newest of this run of the kernel
  std::vector<ChangeInForce> changes{};
  std::optional<std::int64_t> seconds_left{};
  std::int64_t deadline_time_ns = 0;  // since the epoch
  std::vector<ForeignKey> left_alone{};
};
Json to_json(const TuneStatus& status);
std::string status_text(const TuneStatus& status);

// Why a change was made: the finding and its figures.
std::string because(const Proposal& proposal);
// What became of it: "confirmed", "rolled-back", ... interrupted: the set that nobody undoes unless
// somebody recovers it; 0: none.
std::string outcome_of(const ChangeSet& set, const Change& change, std::uint64_t interrupted = 0);
bool is_in_force(const ChangeSet& set, const Change& change);

// A line per change.
Json log_json(const ChangeSet& set, const Change& change, std::uint64_t interrupted);
std::string log_text(const std::vector<ChangeSet>& sets, std::uint64_t interrupted);

// What an experiment on settings found.
struct TrialReport {
  std::uint64_t set = 0;
  std::size_t blocks = 0, blocks_wanted = 0;
  std::uint64_t seed = 0;
  bool harmed = false, kept = false;
  std::string outcome{};               // what became of the change set, in words
  std::string ended_early{};           // why; empty: it did not
  std::string against{};               // why all blocks do not prove it; empty: nothing
  std::vector<TrialEffect> effects{};  // the deciding one first
};
std::string to_text(const TrialReport& report);
std::string to_json_lines(const TrialReport& report);

// What became of the changes of a set that is undone.
std::string undone_text(const ChangeSet& set);

}  // namespace netsonde
