// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "user/model/recording/codec.h"
#include "user/model/recording/frame.h"
#include "user/model/recording/origin.h"

namespace netsonde::recording {

// The bytes of a file, wherever they are.
struct Input {
  std::string name;  // for messages
  std::uint64_t size = 0;
  // Fills all of it, or fails.
  std::function<Result<>(std::uint64_t offset, std::span<std::byte>)> read;
};

// One file of a recording, read frame by frame. Holds one frame in memory, whatever the file's
// size.
class Segment {
 public:
  // Fails when it is no recording, or one that this program cannot read. salvage: passes over what
  // is damaged where it can, and counts it.
  static Result<Segment> open(Input input, bool salvage);

  const std::string& name() const { return input_.name; }
  const Origin& origin() const { return origin_; }
  const std::vector<CheckpointPlace>& checkpoints() const { return checkpoints_; }
  // What its End frame says; nothing where it was cut off, or is still being written.
  const std::optional<Ending>& ending() const { return ending_; }
  std::int64_t last_ns() const { return last_ns_; }  // of its last record, since the epoch
  // Where the incomplete frame begins that its end cuts off.
  std::optional<std::uint64_t> cut_at() const { return cut_at_; }
  // Of what was passed over so far, however often.
  std::uint64_t damaged_frames() const { return damaged_.size(); }
  std::uint64_t damaged_bytes() const;
  std::uint64_t size() const { return input_.size; }

  struct Frame {
    FrameHead head;
    Records records;
    std::uint64_t offset = 0;
    bool after_damage = false;
  };
  void seek(std::uint64_t offset) { at_ = offset; }
  void rewind() { at_ = begin_; }
  std::uint64_t position() const { return at_; }
  // The next frame with records (Data or Checkpoint); nothing at the end. Fails at what is damaged,
  // unless that is to be passed over.
  Result<std::optional<Frame>> next();
  // The payload of that frame as the file has it; until the next call.
  std::span<const std::byte> stored() const { return stored_; }

 private:
  Segment(Input input, bool salvage) : input_(std::move(input)), salvage_(salvage) {}

  Result<> read_begin();
  Result<bool> read_ending();
  Result<> look_for_checkpoints();
  Result<std::optional<FrameHead>> head_at(std::uint64_t offset);
  Result<std::span<const std::byte>> payload_at(std::uint64_t offset, const FrameHead& head);
  Result<Frame> frame_at(std::uint64_t offset, const FrameHead& described);
  Result<std::optional<std::uint64_t>> next_mark(std::uint64_t offset);
  Result<bool> is_tail(std::uint64_t offset);
  bool only_zeros(std::uint64_t offset);
  Result<bool> pass_over(const Error& damage);
  Error at(std::uint64_t offset, const Error& error) const;

  Input input_;
  bool salvage_ = false;
  FrameReader frames_;
  Origin origin_;
  Translation translation_;
  std::vector<CheckpointPlace> checkpoints_;
  std::optional<Ending> ending_;
  std::int64_t last_ns_ = 0;
  std::uint64_t begin_ = 0;  // of the frame behind Begin
  std::uint64_t at_ = 0;
  std::optional<std::uint64_t> cut_at_;
  std::map<std::uint64_t, std::uint64_t> damaged_;  // bytes passed over, by where they begin
  bool after_damage_ = false;
  std::vector<std::byte> stored_;
};

}  // namespace netsonde::recording
