// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/record.h"

namespace netsonde {

// All that the journal tells.
class Ledger {
 public:
  // Reads a journal and trusts nothing. What a crash has cut off, before the step that it tells of,
  // does not count: the begin of a line, or zeros. Anything else that is no record is an error.
  static Result<Ledger> read(std::string_view journal);

  // Bytes of whole records.
  std::size_t length() const { return length_; }

  // One more; fails on one that cannot come here.
  Result<> take(const Record& record);

  const std::vector<ChangeSet>& sets() const { return sets_; }
  // By its number; nullptr: there is none.
  const ChangeSet* find(std::uint64_t number) const;
  // The newest whose end is open; nullptr: none.
  const ChangeSet* unfinished() const;
  // In this run of the kernel: the next one gives the cookies of connections to others.
  bool is_foreign(const std::string& key, const ChangeScope& scope, const std::string& boot) const;
  const std::vector<ForeignKey>& foreign() const { return foreign_; }
  struct Place {
    std::uint64_t set = 0;
    std::size_t change = 0;
  };
  // The newest confirmed change of it that is still in force, as far as we know, in this run of the
  // kernel.
  std::optional<Place> confirmed(const std::string& key, const ChangeScope& scope,
                                 const std::string& boot) const;

 private:
  Result<> begin(const Record& record);
  Result<> take_change(const Record& record, ChangeSet& set);
  Result<> take_end(const Record& record, ChangeSet& set);
  void set_foreign(const Proposal& proposal);

  std::vector<ChangeSet> sets_;
  std::vector<ForeignKey> foreign_;
  std::size_t length_ = 0;
};

}  // namespace netsonde
