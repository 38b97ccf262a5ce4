// SPDX-License-Identifier: Apache-2.0
#include "user/tune_experiment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <random>

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
  for (const TrialMetric& one : trial_metrics())
    known += fmt::format("{}{}", known.empty() ? "" : ", ", one.id);
  if (metric.empty()) return Error("--metric: what decides on live traffic? " + known);
  return Error(fmt::format("--metric: '{}' is none of {}", printable(metric), known));
}

Result<ProbeRequest> request_of(const Options& options) {
  Options asking = options;
  asking.words = {options.tune.probe};
  return TRY(probe_requests(asking)).front();
}

// Only the traffic of where the settings hold counts.
Result<Filter> traffic_of(const Plan& plan) {
  const bool everywhere = std::ranges::any_of(plan.proposals, [](const Proposal& proposal) {
    return proposal.scope.kind == ScopeKind::Host;
  });
  const ChangeScope& scope = plan.proposals.front().scope;
  const std::string own =
      scope.kind == ScopeKind::Namespace ? scope.name : std::to_string(scope.netns);
  return Filter::parse(everywhere ? "" : "netns = " + own);
}

// Five looks at least in a period; of a load nobody knows how long it takes.
Nanos interval_of(const TuneOptions& options) {
  if (!options.load.empty()) return std::chrono::milliseconds(100);
  return std::clamp<Nanos>(options.period / 5, std::chrono::milliseconds(50),
                           std::chrono::seconds(1));
}

class Run {
 public:
  Run(const Options& options, std::string metric, std::uint64_t set, Session session)
      : options_(options.tune),
        metric_(std::move(metric)),
        set_(set),
        seed_(options.tune.seed ? *options.tune.seed : std::random_device()()),
        session_(std::move(session)) {
    session_.add_sink(figures_);
  }

  Result<> open_meter(const Options& options);
  Result<> run();
  TrialReport report() const;

 private:
  void show_progress(std::size_t blocks) const;

  const TuneOptions& options_;
  std::string metric_;
  std::uint64_t set_;
  std::uint64_t seed_;
  std::size_t blocks_ = options_.blocks.value_or(12);
  PeriodFigures figures_;
  Session session_;
  std::unique_ptr<Probing> probing_;
  std::unique_ptr<PeriodMeter> meter_;
  std::unique_ptr<Trial> trial_;
  bool ended_ = false;
};

Result<> Run::open_meter(const Options& options) {
  Loop& loop = session_.loop();
  if (!options_.load.empty()) {
    meter_ = meter_of_load(loop, figures_, options_.load);
  } else if (!options_.probe.empty()) {
    const ProbeRequest request = TRY(request_of(options));
    probing_ = TRY(Probing::open_on(loop, probing_settings(options)));
    TRY(probing_->prepare(std::span(&request, 1)));
    meter_ = meter_of_probe(loop, figures_, options_.period,
                            probing_->prober_of(request.target.scheme), request);
  } else {
    meter_ = meter_of_time(loop, figures_, options_.period);
  }
  return {};
}

Result<> Run::run() {
  trial_ = std::make_unique<Trial>(
      session_.loop(),
      TrialSettings{.blocks = blocks_,
                    .wash_out = options_.wash_out.value_or(std::chrono::seconds(2)),
                    .seed = seed_},
      Trial::Callbacks{.set = [this](bool tried) { return switch_guarded(set_, tried); },
                       .measure = [this](auto done) { meter_->measure(std::move(done)); },
                       .on_block = [this](std::size_t blocks) { show_progress(blocks); },
                       .on_end =
                           [this] {
                             ended_ = true;
                             session_.stop();
                           }});
  session_.when_started([this]() -> Result<> {
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

TrialReport Run::report() const {
  TrialReport report = report_of(*trial_, metric_, ended_ ? meter_->problem() : "");
  if (!ended_) report.ended_early = "interrupted";
  return report;
}

Result<TrialReport> try_out(const Options& options, const std::string& metric, const Plan& plan,
                            const Filter& filter) {
  const Applied applied = TRY(apply(plan, Nanos(0)));
  const ChangeSet begun{.number = applied.set, .time_ns = applied.begun_ns};
  std::optional<Run> run;
  const auto measured = [&]() -> Result<TrialReport> {
    run.emplace(options, metric, applied.set,
                TRY(Session::open({.interval = interval_of(options.tune),
                                   .read_host_every = interval_of(options.tune)},
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
  report.value().kept = options.tune.keep && is_proven(report.value(), {});
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
  if (!TRY(is_wanted(plan, options))) return 1;
  const Filter filter = TRY(traffic_of(plan));
  const TrialReport report = TRY(try_out(options, metric_of(options.tune), plan, filter));
  fmt::print("{}", options.json ? to_json_lines(report) : to_text(report, plan));
  if (std::fflush(stdout)) return Error::from_errno("write the results");
  if (!report.effects.front().effect) return 1;
  return report.effects.front().verdict == Verdict::Better ? 0 : kNotBetter;
}

}  // namespace netsonde
