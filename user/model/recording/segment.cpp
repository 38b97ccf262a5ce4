// SPDX-License-Identifier: Apache-2.0
#include "user/model/recording/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "user/base/text.h"

namespace netsonde::recording {

namespace {

constexpr std::size_t kTailBytes = sizeof(std::uint64_t) + sizeof(Mark);
constexpr std::uint64_t kHeadBytes = sizeof(FrameHead);
constexpr std::size_t kFirstLook = 4096, kLongestLook = 1 << 20;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Error Segment::at(std::uint64_t offset, const Error& error) const {
  return Error(fmt::format("{}: {}, at byte {}", printable(input_.name), error.message(), offset));
}

Result<Segment> Segment::open(Input input, bool salvage) {
  Segment segment(std::move(input), salvage);
  TRY(segment.read_begin());
  if (!TRY(segment.read_ending())) TRY(segment.look_for_checkpoints());
  segment.at_ = segment.begin_;
  return segment;
}

Result<> Segment::read_begin() {
  std::array<std::byte, kFileMark.size()> mark;
  if (input_.size == 0) return Error(printable(input_.name) + ": is empty");
  if (input_.size >= mark.size()) TRY(input_.read(0, mark));
  if (input_.size < mark.size() || text_of(mark) != kFileMark)
    return Error(printable(input_.name) + ": is no recording of netsonde");
  at_ = mark.size();
  auto head = head_at(at_);
  if (!head) return at(at_, head.error());
  if (!head.value()) return at(at_, Error("ends before it says anything"));
  if (head.value()->kind != FrameKind::Begin)
    return at(at_, Error("does not begin as recordings do"));
  auto payload = payload_at(at_, *head.value());
  if (!payload) return at(at_, payload.error());
  auto origin = origin_from(text_of(payload.value()));
  if (!origin) return at(at_, origin.error());
  origin_ = std::move(origin).value();
  translation_ = Translation::of(origin_.layouts);
  last_ns_ = head.value()->last_ns;
  begin_ = at_ + kHeadBytes + head.value()->stored_bytes;
  return {};
}

// Whether there is one that makes sense.
Result<bool> Segment::read_ending() {
  if (input_.size < begin_ + kTailBytes) return false;
  std::array<std::byte, kTailBytes> tail;
  TRY(input_.read(input_.size - kTailBytes, tail));
  std::uint64_t offset = 0;
  Mark mark;
  std::memcpy(&offset, tail.data(), sizeof(offset));
  std::memcpy(mark.data(), tail.data() + sizeof(offset), sizeof(mark));
  if (mark != kTailMark || offset < begin_ || offset > input_.size - kTailBytes) return false;
  const auto head = head_at(offset);
  if (!head || !head.value() || head.value()->kind != FrameKind::End) return false;
  const auto payload = payload_at(offset, *head.value());
  if (!payload) return false;
  auto ending = ending_from(text_of(payload.value()));
  if (!ending) return false;
  ending_ = std::move(ending).value();
  last_ns_ = head.value()->last_ns;
  const auto beyond = [&](const CheckpointPlace& place) {
    return place.offset < begin_ || place.offset >= offset;
  };
  if (std::ranges::any_of(ending_->checkpoints, beyond)) {
    ending_.reset();
    return false;
  }
  checkpoints_ = ending_->checkpoints;
  return true;
}

// From head to head. What is damaged is left to whoever reads on from there.
Result<> Segment::look_for_checkpoints() {
  for (std::uint64_t offset = begin_;;) {
    const auto head = head_at(offset);
    if (!head && !salvage_) break;
    if (!head) {
      const auto found = TRY(next_mark(offset + 1));
      if (!found) break;
      offset = *found;
      continue;
    }
    if (!head.value()) break;
    if (head.value()->kind == FrameKind::Checkpoint && !(head.value()->flags & kContinued))
      checkpoints_.push_back({.time_ns = head.value()->first_ns, .offset = offset});
    last_ns_ = std::max(last_ns_, head.value()->last_ns);
    offset += kHeadBytes + head.value()->stored_bytes;
  }
  return {};
}

// Nothing at the file's end, also where it cuts a frame off.
Result<std::optional<FrameHead>> Segment::head_at(std::uint64_t offset) {
  using Head = std::optional<FrameHead>;
  if (offset >= input_.size) return Head();
  if (input_.size - offset >= kHeadBytes) {
    std::array<std::byte, kHeadBytes> bytes;
    TRY(input_.read(offset, bytes));
    auto head = read_head(bytes);
    if (!head && !only_zeros(offset)) return std::move(head).error();
    if (head && head.value().stored_bytes <= input_.size - offset - kHeadBytes)
      return Head(head.value());
  } else if (ending_ || TRY(is_tail(offset))) {
    return Head();
  }
  cut_at_ = offset;
  return Head();
}

Result<bool> Segment::is_tail(std::uint64_t offset) {
  if (input_.size - offset != kTailBytes) return false;
  Mark mark;
  TRY(input_.read(input_.size - sizeof(mark), std::as_writable_bytes(std::span(mark))));
  return mark == kTailMark;
}

// A machine that lost its power may leave a file that is longer than what was written of it. Of a
// huge one the first part must do.
bool Segment::only_zeros(std::uint64_t offset) {
  std::array<std::byte, 4096> bytes;
  const std::uint64_t end = std::min(input_.size, offset + kMostFrameBytes);
  while (offset < end) {
    const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), end - offset));
    if (!input_.read(offset, part)) return false;
    if (std::ranges::any_of(part, [](std::byte byte) { return byte != std::byte{0}; }))
      return false;
    offset += part.size();
  }
  return true;
}

Result<std::span<const std::byte>> Segment::payload_at(std::uint64_t offset,
                                                       const FrameHead& head) {
  stored_.resize(head.stored_bytes);
  TRY(input_.read(offset + kHeadBytes, stored_));
  return frames_.unpack(head, stored_);
}

Result<Segment::Frame> Segment::frame_at(std::uint64_t offset, const FrameHead& described) {
  const auto payload = TRY(payload_at(offset, described));
  return Frame{.head = described,
               .records = TRY(Records::decode(payload, translation_)),
               .offset = offset,
               .after_damage = std::exchange(after_damage_, false)};
}

// The next place that looks like a frame; its head is still to be read.
Result<std::optional<std::uint64_t>> Segment::next_mark(std::uint64_t offset) {
  std::vector<std::byte> bytes;
  const auto mark = std::as_bytes(std::span(kFrameMark));
  // Often it is near.
  for (std::size_t most = kFirstLook; offset + kHeadBytes <= input_.size;
       most = std::min(4 * most, kLongestLook)) {
    bytes.resize(std::min<std::uint64_t>(most, input_.size - offset));
    const std::span part(bytes);
    TRY(input_.read(offset, part));
    for (auto found = part.begin();; ++found) {
      found = std::search(found, part.end(), mark.begin(), mark.end());
      if (found == part.end()) break;
      const std::uint64_t place = offset + static_cast<std::uint64_t>(found - part.begin());
      if (const auto head = head_at(place); head && head.value()) return std::optional(place);
    }
    offset += part.size() > kFrameMark.size() ? part.size() - kFrameMark.size() + 1 : part.size();
  }
  return std::optional<std::uint64_t>();
}

std::uint64_t Segment::damaged_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [offset, size] : damaged_) bytes += size;
  return bytes;
}

// Whether something follows the damage.
Result<bool> Segment::pass_over(const Error& damage) {
  if (!salvage_) {
    const Error where = at(at_, damage);
    return Error(where.message() + "; what comes before can be read, --salvage goes on behind it");
  }
  after_damage_ = true;
  const auto found = TRY(next_mark(at_ + 1));
  damaged_[at_] = found.value_or(input_.size) - at_;
  at_ = found.value_or(input_.size);
  return found.has_value();
}

Result<std::optional<Segment::Frame>> Segment::next() {
  while (true) {
    const auto head = head_at(at_);
    if (!head) {
      if (!TRY(pass_over(head.error()))) return std::optional<Frame>();
      continue;
    }
    if (!head.value() || head.value()->kind == FrameKind::End) return std::optional<Frame>();
    const std::uint64_t behind = at_ + kHeadBytes + head.value()->stored_bytes;
    if (head.value()->kind != FrameKind::Data && head.value()->kind != FrameKind::Checkpoint) {
      at_ = behind;  // a kind of frame that a later netsonde knows
      continue;
    }
    auto frame = frame_at(at_, *head.value());
    if (!frame) {
      if (!TRY(pass_over(frame.error()))) return std::optional<Frame>();
      continue;
    }
    at_ = behind;
    return std::optional(std::move(frame).value());
  }
}

}  // namespace netsonde::recording
