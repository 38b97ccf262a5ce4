// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/recorder.h"

#include <algorithm>
#include <utility>

#include "user/model/recording/checkpoint.h"
#include "user/sinks/concerns.h"

namespace netsonde {

using recording::Batch;
using recording::FrameKind;

namespace {

constexpr std::size_t kFrameBytes = 1 << 20;
constexpr Nanos kLongestFrame = std::chrono::milliseconds(900);
// What is read again from a checkpoint on takes a twentieth of a second or so.
constexpr std::uint64_t kCheckpointEvery = 50'000;

Row row_of(const Connection& connection, const Store& store) {
  return {connection, store.names(), time_from_ns(store.tick().header.time_ns),
          store.tick().realtime_offset_ns};
}

}  // namespace

// What belongs to no connection is the host's, and kept.
bool Recorder::wanted(const Event& event, const Store& store) const {
  const bool of_host = !connection_of(event) && !std::holds_alternative<ev_histogram>(event);
  return of_host || concerns(filter_, event, store);
}

void Recorder::before_event(const Event& event, const Store& store) {
  const Names& names = store.names();
  if (names.count() > names_) {
    recording::add_names(batch_, names, names_, header_of(event).time_ns);
    names_ = names.count();
  }
  if (!wanted(event, store)) return;
  ++since_checkpoint_;
  if (const auto* tick = std::get_if<ev_tick>(&event)) {
    realtime_offset_ns_ = tick->realtime_offset_ns;
    ev_tick told = *tick;
    told.lost[EV_LOST_NOT_RECORDED] = lost_ + out_.dropped();
    batch_.add(std::as_bytes(std::span(&told, 1)));
  } else {
    batch_.add(encode(event));
  }
  if (batch_.bytes() >= kFrameBytes) hand_over();
}

Result<> Recorder::on_host(Time now, std::span<const HostValue> values) {
  host_.add(batch_, now, values);
  return {};
}

Result<> Recorder::on_snapshot(const Snapshot& snapshot) {
  const ev_header mark = {
      .time_ns = static_cast<std::uint64_t>(snapshot.time().time_since_epoch().count()),
      .kind = recording::kSnapshot,
      .size = sizeof(ev_header),
      .cpu = 0};
  batch_.add(std::as_bytes(std::span(&mark, 1)));
  const std::size_t rows = snapshot.store().connections().size();
  if (since_checkpoint_ >= std::max<std::uint64_t>(kCheckpointEvery, 4 * rows) ||
      out_.wants_checkpoint())
    checkpoint(snapshot.store());
  return {};
}

void Recorder::checkpoint(const Store& store) {
  realtime_offset_ns_ = store.tick().realtime_offset_ns;
  if (!batch_.empty()) hand_over();
  auto parts = recording::checkpoint_of(store, [&](const Connection& connection) {
    return filter_.empty() || filter_.accepts(row_of(connection, store));
  });
  host_.add_all(parts.back());
  std::vector<FrameJob> jobs;
  for (std::size_t i = 0; i < parts.size(); ++i)
    jobs.push_back(
        {.batch = std::move(parts[i]),
         .kind = FrameKind::Checkpoint,
         .flags = static_cast<std::uint16_t>((i ? recording::kContinued : 0) |
                                             (i + 1 < parts.size() ? recording::kMore : 0)),
         .realtime_offset_ns = realtime_offset_ns_});
  if (!out_.offer(std::move(jobs))) return;  // the next tick tries again
  names_ = store.names().count();
  since_checkpoint_ = 0;
}

void Recorder::hand_over() {
  const std::uint64_t count = batch_.count();
  std::vector<FrameJob> jobs;
  jobs.push_back({.batch = std::exchange(batch_, Batch()),
                  .kind = FrameKind::Data,
                  .flags = 0,
                  .realtime_offset_ns = realtime_offset_ns_});
  if (!out_.offer(std::move(jobs))) lost_ += count;
}

void Recorder::flush(Time now) {
  if (!batch_.empty() && now - time_from_ns(batch_.first_ns()) >= kLongestFrame) hand_over();
}

void Recorder::finish() {
  if (!batch_.empty()) hand_over();
}

}  // namespace netsonde
