// SPDX-License-Identifier: Apache-2.0
#include "user/replay.h"

#include <cstring>
#include <utility>

#include "user/model/recording/checkpoint.h"
#include "user/model/recording/format.h"

namespace netsonde {

using namespace recording;

namespace {

ev_header header_of(const Records::Record& record) {
  ev_header header;
  std::memcpy(&header, record.bytes.data(), sizeof(header));
  return header;
}

}  // namespace

std::int64_t Replay::time_of(const Record& record) const {
  const auto time_ns = static_cast<std::int64_t>(header_of(record).time_ns);
  if (record.kind != EV_TICK) return time_ns + feed_.store().tick().realtime_offset_ns;
  ev_tick tick;
  std::memcpy(&tick, record.bytes.data(), sizeof(tick));
  return time_ns + tick.realtime_offset_ns;
}

Result<bool> Replay::load() {
  step_ = TRY(recording_.next());
  if (!step_) return false;
  unknown_ += step_->records.unknown();
  if (!step_->begins) return true;
  feed_.reset();
  host_log_ = HostLogReader();
  return true;
}

// The next record that is no part of a checkpoint; those are taken up on the way.
Result<std::optional<Replay::Record>> Replay::next() {
  if (pending_) return std::exchange(pending_, std::nullopt);
  while (true) {
    if (!step_ && !TRY(load())) return std::optional<Record>();
    const auto record = step_->records.next();
    if (!record)
      step_.reset();
    else if (step_->state)
      TRY(take_state(*record));
    else
      return record;
  }
}

Result<> Replay::take_state(const Record& record) {
  if (record.kind == kHostAll) {
    const auto reading = TRY(host_log_.take(record.kind, record.bytes));
    if (reading) feed_.take_host(reading->time, reading->values);
    return {};
  }
  restore(record.kind, record.bytes, feed_.names(), feed_.store());
  return {};
}

Result<> Replay::take(const Record& record) {
  ++taken_[record.kind];
  at_ns_ = time_of(record);
  if (record.kind == kSnapshot) {
    feed_.give_snapshot();
  } else if (record.kind == kName) {
    restore(record.kind, record.bytes, feed_.names(), feed_.store());
  } else if (record.kind == kHostAll || record.kind == kHostNews) {
    const auto reading = TRY(host_log_.take(record.kind, record.bytes));
    if (reading) feed_.take_host(reading->time, reading->values);
  } else if (const auto event = decode(record.bytes)) {
    feed_.take(event.value());
  } else {
    ++undecodable_;
  }
  return feed_.outcome();
}

// By looking at the records alone, a checkpoint further back where the first one is too near.
Result<std::optional<std::int64_t>> Replay::snapshot_before(std::int64_t time_ns) {
  for (std::size_t back = 0;; ++back) {
    const bool earlier = recording_.seek(time_ns, back);
    std::optional<std::int64_t> found;
    std::int64_t offset_ns = recording_.origin().realtime_offset_ns;
    bool at_begin = true;
    while (auto step = TRY(recording_.next())) {
      if (step->first_ns > time_ns && !step->state) break;
      at_begin |= step->begins;
      while (const auto record = step->records.next()) {
        const ev_header header = header_of(*record);
        if (record->kind == EV_TICK) {
          ev_tick tick;
          std::memcpy(&tick, record->bytes.data(), sizeof(tick));
          offset_ns = tick.realtime_offset_ns;
          at_begin = false;
        }
        const std::int64_t at = static_cast<std::int64_t>(header.time_ns) + offset_ns;
        if (record->kind == kSnapshot && !at_begin && at <= time_ns) found = at;
      }
    }
    if (found || !earlier) return found;
  }
}

Result<> Replay::go_to(std::int64_t snapshot_ns) {
  TRY(start_at(snapshot_ns - 1));
  feed_.set_quiet(true);
  const auto found = step(snapshot_ns);
  feed_.set_quiet(false);
  if (!found) return found.error();
  return {};
}

Result<> Replay::start_at(std::int64_t time_ns) {
  recording_.seek(time_ns);
  step_.reset();
  pending_.reset();
  taken_.clear();
  at_ns_ = std::numeric_limits<std::int64_t>::min();
  feed_.reset();
  host_log_ = HostLogReader();
  feed_.set_quiet(true);
  auto passed = run(time_ns);
  feed_.set_quiet(false);
  taken_.clear();
  return passed;
}

Result<bool> Replay::step(std::int64_t until_ns) {
  while (const auto record = TRY(next())) {
    if (time_of(*record) > until_ns) {
      pending_ = record;
      return false;
    }
    TRY(take(*record));
    if (record->kind == kSnapshot) return true;
  }
  return false;
}

Result<> Replay::run(std::int64_t until_ns) {
  while (TRY(step(until_ns))) {
  }
  return {};
}

}  // namespace netsonde
