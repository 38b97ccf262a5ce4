// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "tuner/ledger.h"
#include "user/base/fd.h"

namespace netsonde {

// The file that tells what was done to this host. Whoever holds it open is the only one who changes
// anything.
class Journal {
 public:
  // In this directory, which is made when it is missing, for its owner alone. Waits up to ten
  // seconds until nobody else holds it. Refuses files of others, links, and what others may write.
  static Result<Journal> open(const std::string& directory);
  // What it tells, without holding it; empty when there is none. Settled: when nobody is writing,
  // so that all of it is on disk.
  static Result<Ledger> look(const std::string& directory, bool settled = false);
  static std::string path_in(const std::string& directory);

  Ledger& ledger() { return ledger_; }
  // On disk when it returns. Before the first record of a set there is room for all of them.
  Result<> append(const Record& record);

 private:
  Journal(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  UniqueFd fd_;
  Ledger ledger_;
  std::size_t length_ = 0;
};

}  // namespace netsonde
