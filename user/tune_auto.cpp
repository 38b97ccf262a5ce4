// SPDX-License-Identifier: Apache-2.0
#include "user/tune_auto.h"

#include <fmt/format.h>

#include <set>

#include "tuner/auto_pilot.h"
#include "user/guarded_change.h"
#include "user/live_trial.h"
#include "user/model/diagnosis/diagnosis.h"
#include "user/period_meter.h"
#include "user/request.h"
#include "user/session.h"
#include "user/tune_auto_output.h"
#include "user/tune_plan.h"

namespace netsonde {

namespace {

// While nothing is tried nobody needs to look more often.
constexpr Nanos kIdleInterval = std::chrono::seconds(5);
// Reasons are told once each, as long as these can be remembered.
constexpr std::size_t kMostReasons = 1000;

class Auto : public Sink {
 public:
  Auto(const Options& options, Session session, Filter filter)
      : options_(options.tune),
        pilot_({.most_per_hour = options.tune.most_per_hour, .back_off = options.tune.back_off}),
        output_(options.json),
        session_(std::move(session)),
        filter_(std::move(filter)),
        observer_(kernel_now()),
        trial_(options.tune, session_, figures_, output_) {
    session_.live().want_all_histograms(true);
    session_.add_sink(observer_);
    session_.add_sink(figures_);
    session_.add_sink(*this);
  }

  Result<> run();
  Result<> on_snapshot(const Snapshot& snapshot) override;

 private:
  Result<> look(const Snapshot& snapshot);
  Result<> tell_considered(const std::vector<Considered>& considered);
  void begin_looking();
  bool has_time_for(const Proposal& proposal) const;
  Result<> attempt(const Proposal& proposal);
  Result<> go_on(const Proposal& tried, TrialEnd end);

  const TuneOptions& options_;
  AutoPilot pilot_;
  AutoOutput output_;
  Session session_;
  Filter filter_;
  Observer observer_;
  PeriodFigures figures_;
  Time looks_since_{};
  LiveTrial trial_;
  std::set<std::string> told_;
  const Time begun_ = kernel_now();
  std::size_t kept_ = 0, undone_ = 0;
};

void Auto::begin_looking() {
  looks_since_ = time_from_ns(session_.store().tick().header.time_ns);
  observer_.begin(looks_since_, session_.store());
}

Result<> Auto::on_snapshot(const Snapshot& snapshot) {
  const Time now = time_from_ns(session_.store().tick().header.time_ns);
  if (looks_since_ == Time{}) begin_looking();
  // Half an interval early rather than one late.
  if (trial_.runs() ||
      now - looks_since_ + tick_of(options_.window, kIdleInterval) / 2 < options_.window)
    return {};
  TRY(look(snapshot));
  begin_looking();
  return {};
}

Result<> Auto::look(const Snapshot& snapshot) {
  const Observation observation = observer_.observe(snapshot, filter_);
  const Diagnosis diagnosis = diagnose(observation);
  auto host = TRY(SettingsOfHost::open());
  const Plan plan = TRY(plan_of_findings(diagnosis.findings, options_, true, *host));
  AutoPilot::Choice choice = pilot_.choose(plan.proposals, looks_since_);
  TRY(tell_considered(plan.considered));
  TRY(tell_considered(choice.considered));
  if (!choice.proposal) return {};
  if (!has_time_for(*choice.proposal))
    return tell_considered({{.key = choice.proposal->key,
                             .why_not = "its trial takes longer than is left of --duration"}});
  return session_.loop().after(Nanos(0),
                               [this, proposal = *choice.proposal] { return attempt(proposal); });
}

Result<> Auto::tell_considered(const std::vector<Considered>& considered) {
  for (const Considered& one : considered) {
    if (told_.size() >= kMostReasons || !told_.insert(one.key + ": " + one.why_not).second)
      continue;
    TRY(output_.left(one));
  }
  return {};
}

bool Auto::has_time_for(const Proposal& proposal) const {
  return !options_.lasts ||
         kernel_now() + time_of_trial(options_, *proof_of(proposal.key)) < begun_ + *options_.lasts;
}

Result<> Auto::attempt(const Proposal& proposal) {
  TRY(undo_interrupted());
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  if (const ChangeSet* open = ledger.unfinished()) {
    TRY(tell_considered(
        {{.key = proposal.key,
          .why_not = fmt::format("change set {} is {}", open->number, name_of(open->state))}}));
    begin_looking();
    return {};
  }
  return trial_.start(proposal, [this, proposal](TrialEnd end) { return go_on(proposal, end); });
}

Result<> Auto::go_on(const Proposal& tried, TrialEnd end) {
  if (end != TrialEnd::NotTried) ++(end == TrialEnd::Kept ? kept_ : undone_);
  if (end == TrialEnd::EndedByOthers)
    pilot_.leave(tried, kernel_now());
  else if (end != TrialEnd::NotTried)
    pilot_.note(tried, end == TrialEnd::Kept, kernel_now());
  TRY(session_.set_interval(tick_of(options_.window, kIdleInterval)));
  begin_looking();
  return {};
}

Result<> Auto::run() {
  TRY(output_.begun(options_));
  Result<> ran = session_.run();
  undone_ += trial_.has_changed_something();
  TRY(trial_.interrupt());
  TRY(ran);
  return output_.finished(kept_, undone_);
}

}  // namespace

Result<int> run_tune_auto(const Options& options) {
  if (options.tune.lasts && *options.tune.lasts < options.tune.window)
    return Error(fmt::format("--duration: {} is shorter than one look, of --window {}",
                             short_duration(*options.tune.lasts),
                             short_duration(options.tune.window)));
  TRY(check_privilege());
  TRY(undo_interrupted());
  const ChangeScope own = TRY(SettingsOfHost::open())->namespaces().own();
  Filter filter = TRY(Filter::parse("netns = " + own.name));
  Session session = TRY(Session::open({.ring_bytes = options.ring_bytes,
                                       .interval = tick_of(options.tune.window, kIdleInterval),
                                       .read_host_every = kShortestTick,
                                       .duration = options.tune.lasts},
                                      filter));
  Auto automatic(options, std::move(session), std::move(filter));
  TRY(automatic.run());
  return 0;
}

}  // namespace netsonde
