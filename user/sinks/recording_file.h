// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "user/base/fd.h"
#include "user/model/recording/frame.h"
#include "user/model/recording/origin.h"

namespace netsonde {

// One file of a recording that is being written. Complete at every instant up to its last frame.
class RecordingFile {
 public:
  // Creates it, with its first frame. Fails where one exists, unless it may be replaced.
  static Result<RecordingFile> create(const std::string& path, const recording::Origin& origin,
                                      bool replace);

  // Appends a whole frame, or nothing. sync: it survives a power cut too.
  Result<> append(const recording::FrameHead& head, std::span<const std::byte> frame, bool sync);
  // Counts records for the end.
  void count(const std::map<std::uint16_t, std::uint64_t>& records);
  // The End frame; nothing is appended after it.
  Result<> finish(std::uint64_t not_recorded);

  const std::string& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }
  std::int64_t began_ns() const { return began_ns_; }

 private:
  RecordingFile(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Result<> write_all(std::span<const std::byte> bytes);

  std::string path_;
  UniqueFd fd_;
  std::uint64_t bytes_ = 0;
  std::int64_t began_ns_ = 0;
  std::int64_t last_ns_ = 0;
  recording::Ending ending_;
};

}  // namespace netsonde
