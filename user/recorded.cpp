// SPDX-License-Identifier: Apache-2.0
#include "user/recorded.h"

#include <fmt/format.h>

#include <cstdio>

#include "user/base/text.h"
#include "user/base/when.h"
#include "user/capture/recording_files.h"
#include "user/explain.h"
#include "user/sinks/monitor.h"
#include "user/sinks/table.h"
#include "user/sinks/trace.h"

namespace netsonde {

namespace {

void tell(const std::string& line) {
  std::fprintf(stderr, "netsonde: %s\n", line.c_str());
}

// A span that lies beside the recording is a mistake; one that is longer is not.
Result<> check_span(const RecordedSpan& span) {
  const recording::Recording& recording = span.recording;
  const auto from_to = [&] {
    return fmt::format("it was recorded from {} to {}", rfc3339(recording.begin_ns()),
                       rfc3339(recording.end_ns()));
  };
  if (span.until_ns < recording.begin_ns())
    return Error(rfc3339(span.until_ns) + " is before the recording: " + from_to());
  if (span.since_ns > recording.end_ns())
    return Error(rfc3339(span.since_ns) + " is after the recording: " + from_to());
  if (span.since_ns > span.until_ns)
    return Error(rfc3339(span.since_ns) + " is after " + rfc3339(span.until_ns));
  return {};
}

Result<> show_tables(Replay& replay, Table& table, const Options& options,
                     const RecordedSpan& span) {
  replay.add_sink(table);
  if (!options.batch) {
    const auto at = TRY(replay.snapshot_before(span.until_ns));
    if (!at || *at < span.since_ns) return Error("the recording has no whole interval there");
    TRY(replay.go_to(*at));
    return table.on_snapshot(replay.snapshot());
  }
  TRY(replay.start_at(span.since_ns));
  for (std::uint64_t left = options.count ? options.count : ~0ULL; left > 0; --left)
    if (!TRY(replay.step(span.until_ns))) break;
  return {};
}

Result<int> run_table(const Options& options, const Request& request) {
  RecordedSpan span = TRY(open_recorded(options));
  Replay replay(std::move(span.recording), {.linger_limit = kClosedInTable});
  Table table({.columns = request.fields,
               .sort = request.by,
               .limit = options.limit,
               .listeners = options.listeners,
               .json = options.json},
              request.filter, stdout);
  TRY(show_tables(replay, table, options, span));
  tell_gaps(replay);
  return 0;
}

Result<int> run_trace(const Options& options, const Request& request) {
  RecordedSpan span = TRY(open_recorded(options));
  Replay replay(std::move(span.recording), {});
  TRY(replay.start_at(span.since_ns - 1));
  bool full = false;
  Trace trace({.kinds = request.events, .count = options.count, .json = options.json},
              request.filter, stdout, [&full] { full = true; });
  replay.add_sink(trace);
  while (!full && TRY(replay.step(span.until_ns))) {
  }
  TRY(trace.flush());
  std::fprintf(stderr, "%s\n", trace.summary(replay.store().tick()).c_str());
  tell_gaps(replay);
  return 0;
}

Result<int> run_monitor(const Options& options, const Request&) {
  RecordedSpan span = TRY(open_recorded(options));
  Replay replay(std::move(span.recording), {});
  TRY(replay.start_at(span.since_ns));
  Monitor monitor({.interval = Nanos(replay.recording().origin().interval_ns),
                   .duration = std::nullopt,
                   .json = options.json},
                  stdout);
  replay.add_sink(monitor);
  TRY(replay.run(span.until_ns));
  TRY(monitor.finish(replay.snapshot(), std::nullopt));
  tell_gaps(replay);
  return 0;
}

}  // namespace

std::vector<std::string> gaps_of(const Replay& replay) {
  std::vector<std::string> gaps;
  if (replay.unknown())
    gaps.push_back(
        fmt::format("{} records are of kinds that only a newer netsonde knows", replay.unknown()));
  if (replay.undecodable())
    gaps.push_back(fmt::format("{} records make no sense", replay.undecodable()));
  for (const recording::Segment& segment : replay.recording().segments())
    if (segment.damaged_frames())
      gaps.push_back(fmt::format("{}: {} damaged places passed over, {} bytes",
                                 printable(segment.name()), segment.damaged_frames(),
                                 segment.damaged_bytes()));
  return gaps;
}

Result<std::int64_t> time_in(const std::string& text, const recording::Recording& recording) {
  return TRY(When::parse(text)).in(recording.begin_ns(), recording.end_ns());
}

void tell_gaps(const Replay& replay) {
  for (const std::string& gap : gaps_of(replay)) tell(gap);
}

Result<RecordedSpan> open_recorded(const Options& options) {
  OpenedRecording opened = TRY(open_recording(options.from, options.salvage));
  for (const std::string& remark : opened.remarks) tell(remark);
  RecordedSpan span{.recording = std::move(opened.recording), .since_ns = 0, .until_ns = 0};
  span.since_ns = span.recording.begin_ns();
  span.until_ns = span.recording.end_ns();
  if (!options.since.empty()) span.since_ns = TRY(time_in(options.since, span.recording));
  if (!options.until.empty()) span.until_ns = TRY(time_in(options.until, span.recording));
  if (!options.at.empty()) {
    span.until_ns = TRY(time_in(options.at, span.recording));
    if (options.duration) span.since_ns = span.until_ns - options.duration->count();
  }
  TRY(check_span(span));
  return span;
}

Result<int> run_recorded(const Options& options, const Request& request) {
  switch (options.command) {
    case Command::Trace: return run_trace(options, request);
    case Command::Explain: return run_explain(options);
    case Command::Monitor: return run_monitor(options, request);
    default: return run_table(options, request);
  }
}

}  // namespace netsonde
