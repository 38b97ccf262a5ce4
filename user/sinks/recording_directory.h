// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// The files of a rolling recording: named by their time, removed oldest first. Files with other
// names are nobody's business here.
class RecordingDirectory {
 public:
  // Made if need be. Fails where another netsonde records into it.
  static Result<RecordingDirectory> open(const std::string& path);

  // For a file that begins then, since the epoch; sorts behind those that are there.
  std::string new_path(std::int64_t began_ns) const;
  // That file belongs to it from now on, and is the one that is written: it stays.
  void add(const std::string& path);

  // Bytes of all files but the one that is written.
  std::uint64_t closed_bytes() const;
  // Whether there was one to remove.
  bool remove_oldest();
  // Those that were last written before that time, since the epoch.
  void remove_older(std::int64_t time_ns);

 private:
  struct File {
    std::string path;
    std::uint64_t bytes = 0;
    std::int64_t written_ns = 0;
  };
  explicit RecordingDirectory(std::string path) : path_(std::move(path)) {}
  Result<> look();

  std::string path_;
  UniqueFd lock_;
  std::deque<File> closed_;  // oldest first
  std::string current_;
};

}  // namespace netsonde
