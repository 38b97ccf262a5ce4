// SPDX-License-Identifier: Apache-2.0
#include "user/model/history.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace netsonde {

namespace {

constexpr Nanos kLongestSpan = std::chrono::seconds(30);
constexpr std::size_t kWord = sizeof(std::uint32_t);
constexpr std::size_t kWords = sizeof(ev_sample) / kWord;
static_assert(sizeof(ev_sample) % kWord == 0);

struct RecordHead {
  std::uint64_t cookie;
  std::uint32_t size;    // of what follows
  std::uint32_t packed;  // a sample, as the words that differ from the one in the span's start
};

using Words = std::array<std::uint32_t, kWords>;
using Mask = std::array<std::uint8_t, (kWords + 7) / 8>;

Words words_of(const ev_sample& sample) {
  Words words;
  std::memcpy(words.data(), &sample, sizeof(sample));
  return words;
}

void put(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// What packed samples of the connection refer to.
const ev_sample* base_of(const Store& start, std::uint64_t cookie) {
  const auto found = start.connections().find(cookie);
  return found == start.connections().end() ? nullptr : &found->second.last;
}

void put_packed(std::vector<std::byte>& out, const ev_sample& base, const ev_sample& sample) {
  const Words before = words_of(base), now = words_of(sample);
  Mask mask{};
  Words changed;
  std::size_t count = 0;
  for (std::size_t i = 0; i < kWords; ++i) {
    if (before[i] == now[i]) continue;
    mask[i / 8] |= static_cast<std::uint8_t>(1 << (i % 8));
    changed[count++] = now[i];
  }
  const auto size = static_cast<std::uint32_t>(mask.size() + count * kWord);
  const RecordHead head = {.cookie = sample.conn.cookie, .size = size, .packed = 1};
  put(out, std::as_bytes(std::span(&head, 1)));
  put(out, std::as_bytes(std::span(mask)));
  put(out, std::as_bytes(std::span(changed)).first(count * kWord));
}

ev_sample unpack(const ev_sample& base, std::span<const std::byte> body) {
  Words words = words_of(base);
  const auto mask = body.first(sizeof(Mask));
  auto changed = body.subspan(sizeof(Mask));
  for (std::size_t i = 0; i < kWords; ++i) {
    if ((mask[i / 8] & std::byte(1 << (i % 8))) == std::byte(0)) continue;
    std::memcpy(&words[i], changed.data(), kWord);
    changed = changed.subspan(kWord);
  }
  ev_sample sample;
  std::memcpy(&sample, words.data(), sizeof(sample));
  return sample;
}

void put_event(std::vector<std::byte>& out, const Store& start, const Event& event) {
  const auto* sample = std::get_if<ev_sample>(&event);
  const ev_sample* base = sample ? base_of(start, sample->conn.cookie) : nullptr;
  if (base) return put_packed(out, *base, *sample);
  const auto bytes = encode(event);
  const RecordHead head = {
      .cookie = cookie_of(event), .size = static_cast<std::uint32_t>(bytes.size()), .packed = 0};
  put(out, std::as_bytes(std::span(&head, 1)));
  put(out, bytes);
}

Event event_of(const Store& start, const RecordHead& head, std::span<const std::byte> body) {
  if (head.packed) return unpack(*base_of(start, head.cookie), body);
  auto event = decode(body);
  assert(event && "what was an event when it was kept is one still");
  return std::move(event).value();
}

// Calls back with the head and the bytes of each record.
template <typename Callback>
void for_each_record(std::span<const std::byte> records, Callback callback) {
  while (!records.empty()) {
    RecordHead head;
    std::memcpy(&head, records.data(), sizeof(head));
    callback(head, records.subspan(sizeof(head), head.size));
    records = records.subspan(sizeof(head) + head.size);
  }
}

std::size_t bytes_of(const Store& store) {
  constexpr std::size_t kNode = 4 * sizeof(void*);  // of the hash table, and of the allocator
  return sizeof(Store) +
         (store.connections().size() + store.closed().size()) * (sizeof(Connection) + kNode);
}

}  // namespace

bool History::must_begin(Time now, std::size_t copy_bytes) const {
  if (spans_.empty()) return true;
  const Span& span = spans_.back();
  return now - span.begin >= kLongestSpan ||
         span.records.size() >= std::max(budget_ / 8, std::min(span.start_bytes, budget_ / 3)) ||
         copy_bytes > 2 * std::max(span.start_bytes, budget_ / 16);
}

void History::begin(Time now, const Store& store, std::size_t copy_bytes) {
  spans_.push_back(
      {.start = store, .start_bytes = copy_bytes, .begin = now, .records = {}, .ticks = {}});
  spans_.back().records.reserve(budget_ / 8);
  bytes_ += copy_bytes;
}

void History::trim() {
  while (bytes_ > budget_ && !spans_.empty()) {
    const Span& oldest = spans_.front();
    bytes_ -= oldest.start_bytes + oldest.records.size();
    size_ -= oldest.ticks.size();
    spans_.pop_front();
  }
}

void History::append(const Event& event, const Store& store) {
  const Time now = time_of(event);
  const std::size_t copy_bytes = bytes_of(store);
  const bool after_tick = std::exchange(after_tick_, std::holds_alternative<ev_tick>(event));
  if (spans_.empty() || (after_tick && must_begin(now, copy_bytes))) {
    if (copy_bytes > budget_ / 3) {
      spans_.clear();
      bytes_ = size_ = 0;
      return;
    }
    begin(now, store, copy_bytes);
  }
  Span& span = spans_.back();
  const std::size_t before = span.records.size();
  put_event(span.records, span.start, event);
  bytes_ += span.records.size() - before;
  if (std::holds_alternative<ev_tick>(event)) {
    span.ticks.push_back({.time = now, .end = span.records.size()});
    ++size_;
  }
  trim();
}

std::pair<std::size_t, std::size_t> History::locate(std::size_t index) const {
  assert(index < size_);
  std::size_t span = 0;
  for (; index >= spans_[span].ticks.size(); ++span) index -= spans_[span].ticks.size();
  return {span, index};
}

Time History::tick(std::size_t index) const {
  const auto [span, tick] = locate(index);
  return spans_[span].ticks[tick].time;
}

Store History::at(std::size_t index, const std::function<void(const Event&)>& each) const {
  const auto [span_index, tick] = locate(index);
  const Span& span = spans_[span_index];
  Store store = span.start;
  for_each_record(std::span(span.records).first(span.ticks[tick].end),
                  [&](const RecordHead& head, auto body) {
                    const Event event = event_of(span.start, head, body);
                    store.apply(event);
                    const std::vector<Event> derived = store.take_derived();
                    if (!each) return;
                    each(event);
                    std::ranges::for_each(derived, each);
                  });
  return store;
}

std::vector<Event> History::events_of(std::uint64_t cookie) const {
  std::vector<Event> events;
  for (const Span& span : spans_)
    for_each_record(span.records, [&](const RecordHead& head, auto body) {
      if (head.cookie == cookie) events.push_back(event_of(span.start, head, body));
    });
  return events;
}

}  // namespace netsonde
