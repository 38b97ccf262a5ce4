// SPDX-License-Identifier: Apache-2.0
// recording FILE [LARGE BYTES]   What writing and reading recordings takes, on the records of FILE:
// prints one JSON object. Also writes LARGE, which holds them again and again, later each time.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/bench/measure.h"
#include "user/capture/recording_files.h"
#include "user/model/filter.h"
#include "user/replay.h"
#include "user/sinks/recorder.h"
#include "user/sinks/recording_file.h"

namespace netsonde::bench {

namespace {

// All events of a replay, to be told again.
class Tape : public Sink {
 public:
  void before_event(const Event& event, const Store&) override { events.push_back(event); }
  std::vector<Event> events;
};

template <typename Number>
void shift(Number& time_ns, std::uint64_t by) {
  if (time_ns) time_ns += by;
}

Event later(Event event, std::uint64_t by) {
  std::visit(
      [by](auto& e) {
        e.header.time_ns += by;
        if constexpr (requires { e.conn; }) shift(e.conn.start_ns, by);
        if constexpr (requires { e.established_ns; }) shift(e.established_ns, by);
      },
      event);
  return event;
}

// What the writer's thread does, on this one.
class Direct : public FrameOutput {
 public:
  explicit Direct(RecordingFile file) : file_(std::move(file)) {}

  bool offer(std::vector<FrameJob> jobs) override {
    for (const FrameJob& job : jobs) {
      const auto time = [&](std::uint64_t ns) {
        return static_cast<std::int64_t>(ns) + job.realtime_offset_ns;
      };
      const recording::FrameHead head{.kind = job.kind,
                                      .flags = job.flags,
                                      .records = job.batch.count(),
                                      .first_ns = time(job.batch.first_ns()),
                                      .last_ns = time(job.batch.last_ns())};
      if (!file_.append(head, frames_.frame(head, job.batch.encode()), false)) return false;
      if (job.kind == recording::FrameKind::Data) records += job.batch.count();
    }
    return true;
  }
  bool wants_checkpoint() const override { return false; }
  std::uint64_t dropped() const override { return 0; }
  RecordingFile& file() { return file_; }

  std::uint64_t records = 0;

 private:
  RecordingFile file_;
  recording::FrameWriter frames_;
};

// Tells the tape to a store and, where there is one, to a recorder, until that many bytes of it are
// written. CPU nanoseconds.
double tell(const Tape& tape, std::int64_t offset_ns, Direct* out, std::uint64_t bytes) {
  const Filter everything;
  Feed feed({.linger_limit = 512, .realtime_offset_ns = offset_ns});
  std::optional<Recorder> recorder;
  if (out) recorder.emplace(everything, *out).begin(feed.store());
  const std::uint64_t span =
      header_of(tape.events.back()).time_ns - header_of(tape.events.front()).time_ns + 1'000'000;
  const std::uint64_t begin = cpu_ns(getpid());
  for (std::uint64_t turn = 0; turn == 0 || (out && out->file().bytes() < bytes); ++turn)
    for (const Event& event : tape.events) {
      const Event now = later(event, turn * span);
      if (recorder) recorder->before_event(now, feed.store());
      feed.take(now);
      if (recorder && std::holds_alternative<ev_tick>(now))
        (void)!recorder->on_snapshot(feed.snapshot());
    }
  if (recorder) recorder->finish();
  return static_cast<double>(cpu_ns(getpid()) - begin);
}

Result<> measure(const std::string& path, const std::string& large, std::uint64_t bytes) {
  const std::uint64_t begin = cpu_ns(getpid());
  Replay replay(TRY(open_recording(path, false)).recording, {});
  TRY(replay.run());
  const auto replayed = static_cast<double>(cpu_ns(getpid()) - begin);
  std::uint64_t records = 0;
  for (const auto& [kind, count] : replay.taken()) records += count;

  Tape tape;
  Replay again(TRY(open_recording(path, false)).recording, {});
  again.add_sink(tape);
  TRY(again.run());
  recording::Origin origin = again.recording().origin();
  const std::string scratch = path + ".again";
  Direct out(TRY(RecordingFile::create(scratch, origin, true)));
  const double without = tell(tape, origin.realtime_offset_ns, nullptr, 0);
  const double with = tell(tape, origin.realtime_offset_ns, &out, 0);
  const double per_record = (with - without) / static_cast<double>(out.records);
  unlink(scratch.c_str());
  if (!large.empty()) {
    Direct grown(TRY(RecordingFile::create(large, origin, true)));
    tell(tape, origin.realtime_offset_ns, &grown, bytes);
    TRY(grown.file().finish(0));
  }
  fmt::print(R"({{"records": {}, "bytes_per_record": {:.2f}, "replayed_per_cpu_s": {:.0f}, )"
             R"("record_ns": {:.0f}, "core_percent_at_100k": {:.2f}}})"
             "\n",
             records, static_cast<double>(again.recording().size()) / static_cast<double>(records),
             static_cast<double>(records) / (replayed / 1e9), per_record,
             per_record * 100'000 / 1e7);
  return {};
}

}  // namespace

}  // namespace netsonde::bench

int main(int count, char** arguments) {
  if (count != 2 && count != 4) {
    std::fputs("usage: recording FILE [LARGE BYTES]\n", stderr);
    return 2;
  }
  const bool grow = count == 4;
  const auto done = netsonde::bench::measure(arguments[1], grow ? arguments[2] : "",
                                             grow ? std::strtoull(arguments[3], nullptr, 10) : 0);
  if (done) return 0;
  std::fprintf(stderr, "recording: %s\n", done.error().message().c_str());
  return 1;
}
