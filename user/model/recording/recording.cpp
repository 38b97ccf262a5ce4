// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/recording.h"

#include <algorithm>
#include <cassert>
#include <tuple>

namespace netsonde::recording {

Recording::Recording(std::vector<Segment> segments) : segments_(std::move(segments)) {
  assert(!segments_.empty());
  std::ranges::sort(segments_, {}, [](const Segment& segment) {
    const Origin& origin = segment.origin();
    return std::tuple(origin.began_ns, origin.run, origin.number);
  });
}

std::int64_t Recording::end_ns() const {
  return std::ranges::max_element(segments_, {}, &Segment::last_ns)->last_ns();
}

std::uint64_t Recording::size() const {
  std::uint64_t size = 0;
  for (const Segment& segment : segments_) size += segment.size();
  return size;
}

std::uint64_t Recording::position() const {
  std::uint64_t position = segments_[at_].position();
  for (std::size_t i = 0; i < at_; ++i) position += segments_[i].size();
  return position;
}

bool Recording::seek(std::int64_t time_ns, std::size_t back) {
  struct Place {
    std::size_t segment = 0;
    std::uint64_t offset = 0;
  };
  std::vector<Place> places;  // at or before that time
  std::optional<Place> first;
  for (std::size_t i = 0; i < segments_.size(); ++i)
    for (const CheckpointPlace& place : segments_[i].checkpoints()) {
      if (!first) first = Place{i, place.offset};
      if (place.time_ns <= time_ns) places.push_back({i, place.offset});
    }
  wants_state_ = true;
  at_ = 0;
  if (!first) {
    segments_[0].rewind();
    return false;
  }
  const std::size_t index = places.size() - std::min(back + 1, places.size());
  const Place place = places.empty() ? *first : places[index];
  at_ = place.segment;
  segments_[at_].seek(place.offset);
  return index > 0;
}

bool Recording::follows(const Segment& before, const Segment& next) const {
  return before.origin().run == next.origin().run &&
         before.origin().number + 1 == next.origin().number;
}

std::vector<std::pair<std::int64_t, std::int64_t>> Recording::gaps() const {
  std::vector<std::pair<std::int64_t, std::int64_t>> gaps;
  for (std::size_t i = 1; i < segments_.size(); ++i)
    if (!follows(segments_[i - 1], segments_[i]))
      gaps.emplace_back(segments_[i - 1].last_ns(), segments_[i].origin().began_ns);
  return gaps;
}

Result<std::optional<Recording::Place>> Recording::next_frame() {
  bool restarts = false;
  while (true) {
    auto frame = TRY(segments_[at_].next());
    if (frame) {
      restarts |= (frame->head.flags & kRestart) != 0;
      return std::optional(Place{.frame = std::move(*frame), .restarts = restarts});
    }
    if (at_ + 1 == segments_.size()) return std::optional<Place>();
    restarts |= !follows(segments_[at_], segments_[at_ + 1]);
    segments_[++at_].rewind();
  }
}

Result<std::optional<Recording::Step>> Recording::next() {
  while (true) {
    auto place = TRY(next_frame());
    if (!place) return std::optional<Step>();
    const FrameHead& head = place->frame.head;
    const bool state = head.kind == FrameKind::Checkpoint;
    const bool begins = state && !(head.flags & kContinued);
    wants_state_ |= place->restarts;
    if (state && (!wants_state_ || (!begins && !in_state_))) continue;
    in_state_ = state;
    // Where the checkpoint is lost, what comes is all there is.
    if (!state || !(head.flags & kMore)) wants_state_ = false;
    return std::optional(Step{.records = std::move(place->frame.records),
                              .state = state,
                              .begins = begins,
                              .first_ns = head.first_ns,
                              .last_ns = head.last_ns});
  }
}

}  // namespace netsonde::recording
