// SPDX-License-Identifier: Apache-2.0
#include "user/record.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>

#include "user/base/child.h"
#include "user/base/loop.h"
#include "user/base/text.h"
#include "user/session.h"
#include "user/sinks/recorder.h"
#include "user/sinks/recording_writer.h"
#include "user/sinks/table.h"

namespace netsonde {

namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string random_id() {
  std::uint64_t number = 0;
  (void)!getrandom(&number, sizeof(number), 0);
  return fmt::format("{:016x}", number);
}

recording::Origin origin_of(const Options& options, const Names& names) {
  utsname system = {};
  uname(&system);
  const std::int64_t offset = realtime_offset_ns();
  return {.program = "netsonde " NETSONDE_VERSION,
          .host = names.host,
          .kernel = system.release,
          .boot = first_line("/proc/sys/kernel/random/boot_id"),
          .run = random_id(),
          .number = 0,
          .began_ns = kernel_now().time_since_epoch().count() + offset,
          .realtime_offset_ns = offset,
          .interval_ns = options.interval.count(),
          .filter = options.filter,
          .layouts = {recording::own_layouts().begin(), recording::own_layouts().end()}};
}

RecordingTarget target_of(const Options& options) {
  const bool rolling = !options.rolling.empty();
  return {.path = rolling ? options.rolling : options.output,
          .rolling = rolling,
          .replace = options.force,
          .keep = options.keep,
          .most_bytes = options.max_bytes};
}

void tell_end(const RecordingWriter::Summary& summary, std::uint64_t lost, const ev_tick& tick) {
  ev_tick told = tick;
  told.lost[EV_LOST_NOT_RECORDED] = lost;
  const std::string losses = losses_text(told);
  std::fprintf(stderr, "%s\n",
               fmt::format("{}: {} records in {}B{}; lost: {}", printable(summary.path),
                           summary.records, short_bytes(static_cast<double>(summary.bytes)),
                           summary.files > 1 ? fmt::format(" and {} files", summary.files) : "",
                           losses.empty() ? "none" : losses)
                   .c_str());
}

}  // namespace

Result<int> run_record(const Options& options, const Request& request) {
  Session session = TRY(Session::open({.ring_bytes = options.ring_bytes,
                                       .interval = options.interval,
                                       .opens = true,
                                       .read_host_every = options.interval,
                                       .duration = options.duration},
                                      request.filter));
  session.live().want_all_histograms(true);
  auto writer =
      TRY(RecordingWriter::open(target_of(options), origin_of(options, session.store().names())));
  Recorder recorder(request.filter, *writer);
  recorder.begin(session.store());
  session.add_sink(recorder);
  session.after_drain([&]() -> Result<> {
    recorder.flush(kernel_now());
    if (writer->failure()) session.stop();
    return {};
  });
  std::optional<ChildProcess> command;
  if (!options.words.empty()) {
    session.when_started([&]() -> Result<> {
      command.emplace(TRY(ChildProcess::start(options.words)));
      return session.watch(command->fd(), [&]() -> Result<> {
        session.stop();
        return {};
      });
    });
  }
  TRY(session.run());
  const int status = command ? command->end() : 0;
  recorder.finish();
  const auto summary = TRY(writer->finish(recorder.not_recorded()));
  tell_end(summary, recorder.not_recorded() + writer->dropped(), session.store().tick());
  return status;
}

}  // namespace netsonde
