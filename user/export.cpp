// SPDX-License-Identifier: Apache-2.0
#include "user/export.h"

#include <fmt/format.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <memory>

#include "user/base/fd.h"
#include "user/base/loop.h"
#include "user/base/text.h"
#include "user/recorded.h"
#include "user/sinks/export/csv.h"
#include "user/sinks/export/exporter.h"
#include "user/sinks/export/json_lines.h"
#include "user/sinks/export/perfetto.h"
#include "user/sinks/export/sqlite.h"

namespace netsonde {

namespace {

// Whether somebody wants us to stop, asked now and then.
class StopSignals {
 public:
  StopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    fd_.reset(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  }
  bool asked() const {
    signalfd_siginfo info;
    return read(fd_.get(), &info, sizeof(info)) > 0;
  }

 private:
  UniqueFd fd_;
};

// How far it is, on a terminal, a few times a second.
class Progress {
 public:
  explicit Progress(const recording::Recording& recording)
      : recording_(recording), shown_(isatty(STDERR_FILENO) != 0), began_(kernel_now()) {}
  ~Progress() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
  }
  void draw() {
    constexpr Nanos kEvery = std::chrono::milliseconds(200);
    const Time now = kernel_now();
    if (!shown_ || now - drawn_at_ < kEvery) return;
    drawn_at_ = now;
    drawn_ = true;
    const auto done = static_cast<double>(recording_.position());
    const double spent = seconds(now - began_), all = static_cast<double>(recording_.size());
    const double left = done > 0 ? spent * (all - done) / done : 0;
    fmt::print(stderr, "\r\x1b[K{:.0f}%  {}B/s  {} left", all > 0 ? 100 * done / all : 100.0,
               short_bytes(done / spent),
               short_duration(Nanos(static_cast<std::int64_t>(left * 1e9))));
    std::fflush(stderr);
  }

 private:
  const recording::Recording& recording_;
  bool shown_;
  bool drawn_ = false;
  Time began_;
  Time drawn_at_{};
};

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Where the records go: a stream, or the database that owns its file.
struct Destination {
  File file{nullptr, std::fclose};
  std::unique_ptr<ExportOutput> output;
};

bool to_standard_output(const Options& options) {
  return options.output.empty() || options.output == "-";
}

Result<Destination> open_destination(const Options& options, const Request& request,
                                     const std::string& part) {
  Destination destination;
  if (options.format == "sqlite") {
    unlink(part.c_str());
    destination.output = TRY(SqliteOutput::create(part));
    return destination;
  }
  std::FILE* out = stdout;
  if (!part.empty()) {
    destination.file.reset(std::fopen(part.c_str(), "we"));
    if (!destination.file) return Error::from_errno("create " + printable(part));
    out = destination.file.get();
  }
  if (options.format == "csv")
    destination.output = std::make_unique<CsvOutput>(request.table, out);
  else if (options.format == "perfetto")
    destination.output = std::make_unique<PerfettoOutput>(out);
  else
    destination.output = std::make_unique<JsonLinesOutput>(out);
  return destination;
}

Result<> close(Destination& destination) {
  destination.output.reset();
  if (!destination.file)
    return std::fflush(stdout) ? Error::from_errno("write the export") : Result<>();
  const bool written =
      !std::fflush(destination.file.get()) && !fsync(fileno(destination.file.get()));
  if (!written) return Error::from_errno("write the export");
  return {};
}

// Every record that came in, by kind, and what became of them.
std::string counts_text(const Exporter& exporter, const Replay& replay) {
  std::string read;
  std::uint64_t records = 0;
  for (const auto& [kind, count] : replay.taken()) records += count;
  for (const auto& [kind, count] : exporter.counts().read)
    read += fmt::format("{}{} {}", read.empty() ? "" : ", ", count,
                        name_of(static_cast<ev_kind>(kind)));
  const ExportCounts& counts = exporter.counts();
  std::string text = fmt::format(
      "{} records read ({}); written: {} events, {} samples, {} connections, {} numbers of the "
      "host, {} findings",
      records, read, counts.events, counts.samples, counts.connections, counts.host_values,
      counts.findings);
  if (counts.filtered) text += fmt::format("; {} refused by the filter", counts.filtered);
  if (counts.gone_samples)
    text +=
        fmt::format("; {} samples of sockets that closed before their tick", counts.gone_samples);
  return text;
}

Result<bool> pour(Replay& replay, std::int64_t until_ns) {
  const StopSignals signals;
  Progress progress(replay.recording());
  while (TRY(replay.step(until_ns))) {
    progress.draw();
    if (signals.asked()) return false;
  }
  return true;
}

Result<bool> write_export(const Options& options, const Request& request, const std::string& part) {
  RecordedSpan span = TRY(open_recorded(options));
  Destination destination = TRY(open_destination(options, request, part));
  Replay replay(std::move(span.recording), {});
  TRY(replay.start_at(span.since_ns - 1));
  Exporter exporter(request.filter, *destination.output);
  const ev_tick& tick = replay.store().tick();
  exporter.begin(Time(Nanos(span.since_ns - tick.realtime_offset_ns)), replay.store());
  replay.add_sink(exporter);
  const bool whole = TRY(pour(replay, span.until_ns));
  if (!whole) return false;
  TRY(exporter.finish(replay.snapshot()));
  TRY(close(destination));
  fmt::print(stderr, "{}\n", counts_text(exporter, replay));
  for (const std::string& gap : gaps_of(replay)) fmt::print(stderr, "netsonde: {}\n", gap);
  return true;
}

}  // namespace

Result<int> run_export(const Options& options, const Request& request) {
  const bool to_stdout = to_standard_output(options);
  if (!to_stdout && !options.force && !access(options.output.c_str(), F_OK))
    return Error(printable(options.output) + " exists; --force replaces it");
  const std::string part = to_stdout ? "" : options.output + ".part";
  const auto written = write_export(options, request, part);
  if (to_stdout) return written ? Result<int>(written.value() ? 0 : 130) : written.error();
  if (!written || !written.value()) {
    unlink(part.c_str());
    return written ? Result<int>(130) : written.error();
  }
  if (std::rename(part.c_str(), options.output.c_str()))
    return Error::from_errno("create " + printable(options.output));
  return 0;
}

}  // namespace netsonde
