// SPDX-License-Identifier: Apache-2.0
#include "user/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "user/recorded.h"
#include "user/request.h"
#include "user/session.h"
#include "user/sinks/explain.h"

namespace netsonde {

namespace {

// A diagnosis of hours does not watch every connection that there was.
constexpr std::size_t kMostWatched = 100'000;

Result<> hand_over(Observer& observer, const Snapshot& snapshot, const Filter& filter,
                   const UseDiagnosis& use) {
  TRY(observer.on_snapshot(snapshot));
  const Observation observation = observer.observe(snapshot, filter);
  return use(diagnose(observation), observation);
}

}  // namespace

Result<> diagnose_live(const Options& options, const Filter& filter, const UseDiagnosis& use) {
  const Filter everything;  // the other end and the host may be what is wrong
  Session session = TRY(Session::open({.ring_bytes = options.ring_bytes,
                                       .interval = options.interval,
                                       .read_host_every = options.interval,
                                       .duration = options.duration},
                                      everything));
  session.live().want_all_histograms(true);
  Observer observer(kernel_now());
  session.add_sink(observer);
  TRY(session.run());
  return hand_over(observer, session.snapshot(), filter, use);
}

Result<> diagnose_recorded(const Options& options, const Filter& filter, const UseDiagnosis& use) {
  RecordedSpan span = TRY(open_recorded(options));
  Replay replay(std::move(span.recording), {});
  TRY(replay.start_at(span.since_ns));
  const std::int64_t from = std::max(span.since_ns, replay.recording().begin_ns());
  const Time began{Nanos(from - replay.store().tick().realtime_offset_ns)};
  Observer observer(began, kMostWatched);
  observer.begin(began, replay.store());
  replay.add_sink(observer);
  TRY(replay.run(span.until_ns));
  TRY(hand_over(observer, replay.snapshot(), filter, use));
  tell_gaps(replay);
  return {};
}

Result<int> run_explain(const Options& options) {
  const Filter filter = TRY(explained(options));
  const auto print = [&options](const Diagnosis& diagnosis,
                                const Observation& observation) -> Result<> {
    if (options.json)
      fmt::print("{}\n", to_line(to_json(diagnosis, observation)));
    else
      fmt::print("{}", to_text(diagnosis, observation, terminal_width()));
    if (std::fflush(stdout)) return Error::from_errno("write the findings");
    return {};
  };
  TRY(options.from.empty() ? diagnose_live(options, filter, print)
                           : diagnose_recorded(options, filter, print));
  return 0;
}

}  // namespace netsonde
