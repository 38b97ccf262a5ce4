// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "user/base/units.h"
#include "user/sinks/recorder.h"
#include "user/sinks/recording_directory.h"
#include "user/sinks/recording_file.h"

namespace netsonde {

struct RecordingTarget {
  std::string path;  // a file; of a rolling recording the directory
  bool rolling = false;
  bool replace = false;          // a file that exists
  std::optional<Nanos> keep{};   // rolling: how long; else as long as there is room
  std::uint64_t most_bytes = 0;  // rolling: of all files together
};

// Compresses frames and writes them, on a thread of its own: the disk may be as slow as it likes.
// What waits for it is bounded; what finds no room is refused. A rolling recording outlives a full
// disk: its oldest files make room, and what still cannot be written is counted as dropped.
class RecordingWriter : public FrameOutput {
 public:
  static Result<std::unique_ptr<RecordingWriter>> open(RecordingTarget target,
                                                       recording::Origin origin);
  ~RecordingWriter() override;

  bool offer(std::vector<FrameJob> jobs) override;
  bool wants_checkpoint() const override { return wants_checkpoint_; }
  std::uint64_t dropped() const override { return dropped_; }

  // Why nothing more can be written.
  std::optional<Error> failure() const;

  struct Summary {
    std::uint64_t records = 0;  // without those of checkpoints
    std::uint64_t bytes = 0;    // written, whatever was removed since
    std::uint64_t files = 0;
    std::string path;  // of the newest file
  };
  // Writes what waits, and the end. not_recorded: what the recorder could not hand over.
  Result<Summary> finish(std::uint64_t not_recorded);

 private:
  RecordingWriter(RecordingTarget target, recording::Origin origin)
      : target_(std::move(target)), origin_(std::move(origin)) {}
  Result<> open_file();
  void work();
  void take(const FrameJob& job);
  Result<> begin_file_with(const FrameJob& job);
  Result<> append(const FrameJob& job);
  void make_room(std::size_t bytes);
  void stop();

  RecordingTarget target_;
  recording::Origin origin_;
  // The thread's own while it runs.
  recording::FrameWriter frames_;
  std::optional<RecordingDirectory> directory_;
  std::optional<RecordingFile> file_;
  Summary summary_;

  std::atomic<bool> wants_checkpoint_ = false;
  std::atomic<std::uint64_t> dropped_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<FrameJob> jobs_;
  std::size_t waiting_bytes_ = 0;
  bool ending_ = false;
  std::optional<Error> failure_;
  std::thread thread_;
};

}  // namespace netsonde
