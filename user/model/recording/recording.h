// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "user/model/recording/segment.h"

namespace netsonde::recording {

// The files of a recording, oldest first, read as one.
class Recording {
 public:
  // At least one.
  explicit Recording(std::vector<Segment> segments);

  const Origin& origin() const { return segments_[at_].origin(); }  // of the file that is read
  const std::vector<Segment>& segments() const { return segments_; }
  // Since the epoch.
  std::int64_t begin_ns() const { return segments_.front().origin().began_ns; }
  std::int64_t end_ns() const;
  std::uint64_t size() const;      // bytes
  std::uint64_t position() const;  // of these, how many lie behind

  // From the last checkpoint at or before that time on, or the first one; back: so many before
  // that. Whether there is one before.
  bool seek(std::int64_t time_ns, std::size_t back = 0);

  struct Step {
    Records records;
    // They tell the state with which what follows begins; all parts of a checkpoint come one after
    // the other, begins marking the first.
    bool state = false;
    bool begins = false;
    std::int64_t first_ns = 0, last_ns = 0;
  };
  // The next records; nothing at the end. Checkpoints are only handed out where reading begins, and
  // where a recorder that was started again began.
  Result<std::optional<Step>> next();

  // The same frame by frame, checkpoints on the way too. restarts: another run of the recorder
  // begins with it.
  struct Place {
    Segment::Frame frame;
    bool restarts = false;
  };
  Result<std::optional<Place>> next_frame();
  const Segment& current() const { return segments_[at_]; }  // whose frame that was

  // Between which times nothing was recorded, since the recorder did not run.
  std::vector<std::pair<std::int64_t, std::int64_t>> gaps() const;

 private:
  bool follows(const Segment& before, const Segment& next) const;

  std::vector<Segment> segments_;
  std::size_t at_ = 0;
  bool wants_state_ = true;
  bool in_state_ = false;  // the last step was part of one
};

}  // namespace netsonde::recording
