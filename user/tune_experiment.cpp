// SPDX-License-Identifier: Apache-2.0
#include "user/tune_experiment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "tuner/auto_pilot.h"
#include "tuner/trial.h"
#include "user/base/text.h"
#include "user/guarded_change.h"
#include "user/guarded_trial.h"
#include "user/period_meter.h"
#include "user/probe_request.h"
#include "user/request.h"
#include "user/tune_apply.h"
#include "user/tune_output.h"
#include "user/tune_place.h"

namespace netsonde {

namespace {

constexpr int kNotBetter = 4;

std::string metric_of(const TuneOptions& options) {
  if (!options.metric.empty()) return options.metric;
  if (!options.probe.empty()) return "probe_us";
  return options.load.empty() ? "" : "load_seconds";
}

Result<> check_metric(const TuneOptions& options) {
  if (!options.probe.empty() && !options.load.empty())
    return Error("--load and --probe: only one of them can be measured");
  const std::string metric = metric_of(options);
  if (metric == "load_seconds" && options.load.empty())
    return Error("--metric: load_seconds is that of a --load");
  if (metric.starts_with("probe_") && options.probe.empty())
    return Error("--metric: " + printable(metric) + " is that of a --probe");
  if (find_trial_metric(metric)) return {};
  std::string known;
  for (const TrialMetric& one : trial_metrics()) {
    const bool is_of_load = one.id == "load_seconds" || one.id.starts_with("probe_");
    if (!is_of_load) known += fmt::format("{}{}", known.empty() ? "" : ", ", one.id);
  }
  if (metric.empty()) return Error("--metric: what decides on live traffic? " + known);
  return Error(fmt::format("--metric: '{}' is none of {}", printable(metric), known));
}

Result<ProbeRequest> request_of(const Options& options) {
  Options asking = options;
  asking.words = {options.tune.probe};
  return TRY(probe_requests(asking)).front();
}

// Five looks at least in a period. A load may take far less time with what is tried than the first
// time.
Nanos interval_of(const TuneOptions& options, const TrialFigures& tried) {
  const auto load = tried.find("load_seconds");
  const Nanos part = load == tried.end()
                         ? options.period / 5
                         : Nanos(static_cast<std::int64_t>(load->second * 1e9)) / 10;
  return std::clamp<Nanos>(part, std::chrono::milliseconds(50), std::chrono::seconds(1));
}

// What measures a period, and what it needs for that.
struct Meter {
  std::unique_ptr<Probing> probing{};
  std::unique_ptr<PeriodMeter> does{};
};

Result<Meter> meter_for(Loop& loop, PeriodFigures& figures, const Options& options, Nanos period) {
  Meter meter;
  if (!options.tune.load.empty()) {
    meter.does = meter_of_load(loop, figures, options.tune.load);
  } else if (!options.tune.probe.empty()) {
    const ProbeRequest request = TRY(request_of(options));
    meter.probing = TRY(Probing::open_on(loop, probing_settings(options)));
    TRY(meter.probing->prepare(std::span(&request, 1)));
    meter.does = meter_of_probe(loop, figures, period,
                                meter.probing->prober_of(request.target.scheme), request);
  } else {
    meter.does = meter_of_time(loop, figures, period);
  }
  return meter;
}

// One probe may fail; all of so long may not.
constexpr Nanos kTryProbe = std::chrono::seconds(1);

Result<TrialFigures> measured_once(const Options& options) {
  Loop loop = TRY(Loop::open());
  PeriodFigures figures;
  const Meter meter =
      TRY(meter_for(loop, figures, options, std::min(options.tune.period, kTryProbe)));
  std::optional<TrialFigures> measured;
  TRY(loop.after(Nanos(0), [&]() -> Result<> {
    meter.does->measure([&](std::optional<TrialFigures> found) {
      measured = std::move(found);
      loop.stop();
    });
    return {};
  }));
  TRY(loop.run());
  if (!measured) return Error(meter.does->problem());
  return *std::move(measured);
}

// Before anything is written: what cannot be measured now could not be measured later. Signals end
// us, for there is nothing to undo.
Result<TrialFigures> try_once(const Options& options) {
  if (options.tune.load.empty() && options.tune.probe.empty()) return TrialFigures();
  const bool shown = isatty(STDERR_FILENO);
  if (shown) fmt::print(stderr, "trying the {} once", options.tune.load.empty() ? "probe" : "load");
  auto measured = measured_once(options);
  if (shown) fmt::print(stderr, "\r\033[K");
  if (measured || options.tune.probe.empty()) return measured;
  return std::move(measured).error().while_doing(printable(options.tune.probe));
}

std::size_t blocks_of(const TuneOptions& options) {
  return options.blocks.value_or(12);
}

Nanos wash_out_of(const TuneOptions& options) {
  return options.wash_out.value_or(std::chrono::seconds(2));
}

// As far as it can be known; the first try has told of a load how long it takes.
std::string how_long(const TuneOptions& options, const TrialFigures& tried) {
  const auto load = tried.find("load_seconds");
  const bool has_load = load != tried.end();
  const Nanos each =
      has_load ? Nanos(static_cast<std::int64_t>(load->second * 1e9)) : options.period;
  const std::size_t blocks = blocks_of(options);
  const std::string words = fmt::format(
      "About {}{}: {} blocks of two turns{}, {} apart.",
      short_duration((each + wash_out_of(options)) * 2 * blocks),
      has_load ? ", if the load goes on taking " + short_duration(each) : "", blocks,
      has_load ? "" : " of " + short_duration(each), short_duration(wash_out_of(options)));
  return hanging("", words, 4);
}

// Whether all of it does nothing for connections that are open.
bool is_for_new_ones(const Plan& plan) {
  return std::ranges::all_of(plan.proposals, [](const Proposal& proposal) {
    const Proof* proof = proof_of(proposal.key);
    return proof && proof->opened_later;
  });
}

class Run {
 public:
  // opened_later: what is tried does nothing for connections that are open.
  Run(const Options& options, std::string metric, GuardedSet& set, bool opened_later,
      Session session)
      : options_(options.tune),
        metric_(std::move(metric)),
        set_(set),
        opened_later_(opened_later),
        seed_(options.tune.seed ? *options.tune.seed : std::random_device()()),
        session_(std::move(session)) {
    session_.add_sink(figures_);
  }

  Result<> open_meter(const Options& options) {
    meter_ = TRY(meter_for(session_.loop(), figures_, options, options_.period));
    return {};
  }
  Result<> run();
  TrialReport report();

 private:
  Result<> switch_to(bool tried);
  void show_progress(std::size_t blocks) const;

  const TuneOptions& options_;
  std::string metric_;
  GuardedSet& set_;
  OpenedMeanwhile opened_;
  bool opened_later_;
  std::uint64_t seed_;
  std::size_t blocks_ = blocks_of(options_);
  PeriodFigures figures_;
  Session session_;
  Meter meter_;
  std::unique_ptr<Trial> trial_;
  bool ended_ = false;
};

Result<> Run::switch_to(bool tried) {
  opened_.turn(tried, figures_.connected());
  return switch_guarded(set_, tried);
}

Result<> Run::run() {
  trial_ = std::make_unique<Trial>(
      session_.loop(),
      TrialSettings{
          .blocks = blocks_, .wash_out = wash_out_of(options_), .seed = seed_, .decides = metric_},
      Trial::Callbacks{.set = [this](bool tried) { return switch_to(tried); },
                       .measure = [this](auto done) { meter_.does->measure(std::move(done)); },
                       .on_block = [this](std::size_t blocks) { show_progress(blocks); },
                       .on_end =
                           [this] {
                             ended_ = true;
                             session_.stop();
                           }});
  session_.when_started([this]() -> Result<> {
    show_progress(0);
    trial_->start();
    return {};
  });
  return session_.run();
}

void Run::show_progress(std::size_t blocks) const {
  if (!isatty(STDERR_FILENO)) return;
  fmt::print(stderr, "\rblock {} of {}{}", blocks, blocks_, blocks == blocks_ ? "\r\033[K" : "");
  (void)std::fflush(stderr);
}

TrialReport Run::report() {
  TrialReport report = report_of(*trial_, ended_ ? meter_.does->problem() : "");
  if (!ended_) report.ended_early = "interrupted";
  if (report.ended_early.empty() && opened_later_ && !opened_.count(figures_.connected()))
    no_connection_had_it(report);
  return report;
}

Result<TrialReport> try_out(const Options& options, const TrialFigures& tried, const Plan& plan,
                            const Filter& filter) {
  const Applied applied = TRY(apply(plan, Nanos(0)));
  GuardedSet begun{.number = applied.set, .begun_ns = applied.begun_ns};
  std::optional<Run> run;
  const auto measured = [&]() -> Result<TrialReport> {
    run.emplace(options, metric_of(options.tune), begun, is_for_new_ones(plan),
                TRY(Session::open({.interval = interval_of(options.tune, tried),
                                   .read_host_every = interval_of(options.tune, tried)},
                                  filter)));
    TRY(run->open_meter(options));
    TRY(run->run());
    return run->report();
  };
  auto report = measured();
  if (!report) {
    TRY(TRY(TunedHost::open())
            ->engine()
            .roll_back(applied.set, report.error().message(), TRY(instant_now())));
    return report;
  }
  report.value().set = applied.set;
  report.value().kept = options.tune.keep && is_proven(report.value());
  // Before the load, which may not want to end, is waited for.
  report.value().outcome = TRY(conclude(begun, report.value(), report.value().kept));
  return report;
}

}  // namespace

Result<> check_experiment(const Options& options) {
  TRY(check_metric(options.tune));
  if (!options.tune.probe.empty()) TRY(request_of(options));
  return {};
}

Result<int> run_tune_experiment(const Options& options) {
  TRY(check_privilege());
  TRY(undo_interrupted());
  auto settings = TRY(SettingsOfHost::open());
  const Plan plan = TRY(plan_of_values(options.tune.set, *settings));
  if (plan.proposals.empty()) return Error("--set: there is nothing to try");
  TRY(check_congestion(plan, *settings));
  TRY(check_asking(options));
  const TrialFigures tried = TRY(try_once(options));
  const std::string note = how_long(options.tune, tried);
  if (!TRY(is_wanted(plan, options, note))) return 1;
  if (options.tune.yes && !options.json) fmt::print("{}{}", changes_text(plan.proposals), note);
  if (std::fflush(stdout)) return Error::from_errno("write what is tried");
  const Filter filter = TRY(traffic_of(plan.proposals));
  const TrialReport report = TRY(try_out(options, tried, plan, filter));
  fmt::print("{}", options.json ? to_json_lines(report) : to_text(report));
  if (std::fflush(stdout)) return Error::from_errno("write the results");
  if (!report.effects.front().effect) return 1;
  return report.effects.front().verdict == Verdict::Better ? 0 : kNotBetter;
}

}  // namespace netsonde
