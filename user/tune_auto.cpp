// SPDX-License-Identifier: Apache-2.0
#include "user/tune_auto.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <set>

#include "tuner/auto_pilot.h"
#include "user/base/text.h"
#include "user/guarded_change.h"
#include "user/guarded_trial.h"
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
constexpr Nanos kShortestInterval = std::chrono::milliseconds(50);
// Reasons are told once each, as long as these can be remembered.
constexpr std::size_t kMostReasons = 1000;

Nanos part_of(Nanos span, Nanos most) {
  return std::clamp(span / 5, kShortestInterval, most);
}

// With what was tried.
bool opened_any(const std::vector<TrialBlock>& blocks) {
  return std::ranges::any_of(blocks, [](const TrialBlock& block) {
    const auto opened = block.after.find("connected_per_s");
    return opened != block.after.end() && opened->second > 0;
  });
}

// One proposal that is being tried.
struct Attempted {
  Proposal proposal{};
  const Proof* proof = nullptr;
  std::optional<ChangeSet> begun{};  // absent: nothing was written yet
  std::unique_ptr<PeriodMeter> meter{};
  std::unique_ptr<Trial> trial{};
};

class Auto : public Sink {
 public:
  Auto(const Options& options, Session session, Filter filter)
      : options_(options.tune),
        pilot_({.most_per_hour = options.tune.most_per_hour, .back_off = options.tune.back_off}),
        output_(options.json),
        session_(std::move(session)),
        filter_(std::move(filter)),
        observer_(kernel_now()) {
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
  Result<> attempt(const Proposal& proposal);
  Result<> switch_to(bool tried);
  Result<> end_attempt();
  Result<> conclude_attempt(TrialReport& report, bool keep) const;
  Result<> undo_attempt() const;

  const TuneOptions& options_;
  AutoPilot pilot_;
  AutoOutput output_;
  Session session_;
  Filter filter_;
  Observer observer_;
  PeriodFigures figures_;
  Time looks_since_{};
  std::optional<Attempted> attempted_;
  std::set<std::string> told_;
};

void Auto::begin_looking() {
  looks_since_ = time_from_ns(session_.store().tick().header.time_ns);
  observer_.begin(looks_since_, session_.store());
}

Result<> Auto::on_snapshot(const Snapshot& snapshot) {
  const Time now = time_from_ns(session_.store().tick().header.time_ns);
  if (looks_since_ == Time{}) begin_looking();
  // Half an interval early rather than one late.
  if (attempted_ ||
      now - looks_since_ + part_of(options_.window, kIdleInterval) / 2 < options_.window)
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

Result<> Auto::attempt(const Proposal& proposal) {
  TRY(undo_interrupted());
  attempted_.emplace(Attempted{.proposal = proposal, .proof = proof_of(proposal.key)});
  Attempted& now = *attempted_;
  TRY(output_.trying(proposal, *now.proof));
  TRY(session_.set_interval(part_of(options_.period, std::chrono::seconds(1))));
  now.meter = meter_of_time(session_.loop(), figures_, options_.period);
  now.trial = std::make_unique<Trial>(
      session_.loop(),
      TrialSettings{.design = now.proof->design,
                    .blocks = options_.blocks.value_or(8),
                    .wash_out = options_.wash_out.value_or(std::chrono::seconds(5)),
                    .seed = options_.seed ? *options_.seed : std::random_device()(),
                    .tolerance = tolerance_of(goal_of(options_))},
      Trial::Callbacks{
          .set = [this](bool tried) { return switch_to(tried); },
          .measure = [this](auto done) { attempted_->meter->measure(std::move(done)); },
          .on_end =
              [this] { (void)session_.loop().after(Nanos(0), [this] { return end_attempt(); }); }});
  now.trial->start();
  return {};
}

// Written when it is wanted for the first time.
Result<> Auto::switch_to(bool tried) {
  Attempted& now = *attempted_;
  if (now.begun) return switch_guarded(now.begun->number, tried);
  if (!tried) return {};
  Plan plan = TRY(empty_plan("auto, " + options_.goal));
  plan.proposals = {now.proposal};
  const Applied applied = TRY(netsonde::apply(plan, Nanos(0)));
  now.begun = ChangeSet{.number = applied.set, .time_ns = applied.begun_ns};
  return {};
}

// What cannot be kept any more is undone.
Result<> Auto::conclude_attempt(TrialReport& report, bool keep) const {
  if (!attempted_->begun) return {};
  const auto outcome = conclude(*attempted_->begun, report, keep);
  if (outcome) return {};
  report.ended_early = outcome.error().message();
  return undo_attempt();
}

Result<> Auto::end_attempt() {
  Attempted& now = *attempted_;
  TrialReport report = report_of(*now.trial, std::string(now.proof->metric), now.meter->problem());
  if (report.ended_early.empty() && now.proof->opened_later && !opened_any(now.trial->blocks()))
    report.ended_early = "no connection was opened meanwhile, and open ones keep what they have";
  const bool keep = is_proven(report, tolerance_of(goal_of(options_)));
  TRY(conclude_attempt(report, keep));
  report.set = now.begun ? now.begun->number : 0;
  if (now.begun) {
    const Ledger ledger = TRY(Journal::look(kTunerDirectory));
    const ChangeSet* set = ledger.find(report.set);
    report.kept = set && set->state == SetState::Confirmed;
  }
  pilot_.note(now.proposal, report.kept, kernel_now());
  TRY(output_.ended(now.proposal, report, tolerance_of(goal_of(options_))));
  attempted_.reset();
  TRY(session_.set_interval(part_of(options_.window, kIdleInterval)));
  begin_looking();
  return {};
}

Result<> Auto::undo_attempt() const {
  if (!attempted_ || !attempted_->begun) return {};
  auto host = TRY(TunedHost::open());
  const ChangeSet* set = host->ledger().find(attempted_->begun->number);
  if (!set || set->time_ns != attempted_->begun->time_ns || set->state != SetState::Pending)
    return {};
  return host->engine().roll_back(set->number, "interrupted", TRY(instant_now()));
}

Result<> Auto::run() {
  TRY(output_.begun(options_));
  Result<> ran = session_.run();
  TRY(undo_attempt());
  if (ran && attempted_) TRY(output_.interrupted(attempted_->proposal));
  return ran;
}

}  // namespace

Result<int> run_tune_auto(const Options& options) {
  TRY(check_keys(options.tune));
  TRY(check_privilege());
  TRY(undo_interrupted());
  const ChangeScope own = TRY(SettingsOfHost::open())->namespaces().own();
  Filter filter = TRY(Filter::parse("netns = " + own.name));
  Session session = TRY(Session::open({.ring_bytes = options.ring_bytes,
                                       .interval = part_of(options.tune.window, kIdleInterval),
                                       .read_host_every = kShortestInterval,
                                       .duration = options.tune.lasts},
                                      filter));
  Auto automatic(options, std::move(session), std::move(filter));
  TRY(automatic.run());
  return 0;
}

}  // namespace netsonde
