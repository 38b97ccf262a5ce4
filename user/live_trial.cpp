// SPDX-License-Identifier: Apache-2.0
#include "user/live_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <random>

#include "user/guarded_change.h"
#include "user/tune_plan.h"

namespace netsonde {

namespace {

TrialSettings settings_of(const TuneOptions& options, const Proof& proof) {
  return {.design = proof.design,
          .blocks = options.blocks.value_or(8),
          .wash_out = options.wash_out.value_or(std::chrono::seconds(5)),
          .seed = options.seed ? *options.seed : std::random_device()(),
          .decides = proof.metric,
          .tolerance = tolerance_of(goal_of(options))};
}

}  // namespace

Nanos tick_of(Nanos span, Nanos most) {
  return std::clamp(span / 5, kShortestTick, most);
}

Nanos time_of_trial(const TuneOptions& options, const Proof& proof) {
  return time_of(settings_of(options, proof), options.period);
}

Result<> LiveTrial::start(const Proposal& proposal, Done done) {
  attempt_.emplace(
      Attempt{.proposal = proposal, .proof = proof_of(proposal.key), .done = std::move(done)});
  TRY(output_.trying(proposal, *attempt_->proof));
  TRY(session_.set_interval(tick_of(options_.period, std::chrono::seconds(1))));
  attempt_->meter = meter_of_time(session_.loop(), figures_, options_.period);
  attempt_->trial = std::make_unique<Trial>(
      session_.loop(), settings_of(options_, *attempt_->proof),
      Trial::Callbacks{
          .set = [this](bool tried) { return switch_to(tried); },
          .measure = [this](auto measured) { attempt_->meter->measure(std::move(measured)); },
          .on_end = [this] { (void)session_.loop().after(Nanos(0), [this] { return end(); }); }});
  attempt_->trial->start();
  return {};
}

// Written when it is wanted for the first time.
Result<> LiveTrial::switch_to(bool tried) {
  attempt_->opened.turn(tried, figures_.connected());
  if (attempt_->begun) return switch_guarded(*attempt_->begun, tried);
  if (!tried) return {};
  Plan plan = TRY(empty_plan("auto, " + options_.goal));
  plan.proposals = {attempt_->proposal};
  Applied applied = TRY(netsonde::apply(plan, Nanos(0)));
  attempt_->begun = GuardedSet{.number = applied.set, .begun_ns = applied.begun_ns};
  attempt_->owner = std::move(applied.owner);
  return {};
}

TrialReport LiveTrial::report() {
  TrialReport report = report_of(*attempt_->trial, attempt_->meter->problem());
  if (report.ended_early.empty() && attempt_->proof->opened_later &&
      !attempt_->opened.count(figures_.connected()))
    no_connection_had_it(report);
  return report;
}

// What cannot be kept any more is undone.
Result<TrialEnd> LiveTrial::conclude_attempt(TrialReport& report) const {
  if (!attempt_->begun) return TrialEnd::NotTried;
  report.set = attempt_->begun->number;
  const Ledger before = TRY(Journal::look(kTunerDirectory));
  const ChangeSet* pending = before.find(report.set);
  const bool is_ours = pending && pending->state == SetState::Pending;
  if (const auto outcome = conclude(*attempt_->begun, report, is_proven(report)); !outcome) {
    report.ended_early = outcome.error().message();
    TRY(undo());
  }
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  const ChangeSet* set = ledger.find(report.set);
  report.kept = set && set->state == SetState::Confirmed;
  if (set && set->state == SetState::Stuck) report.outcome = undone_text(*set);
  if (report.kept) return TrialEnd::Kept;
  return is_ours ? TrialEnd::Undone : TrialEnd::EndedByOthers;
}

Result<> LiveTrial::end() {
  TrialReport report = this->report();
  const TrialEnd end = TRY(conclude_attempt(report));
  TRY(end == TrialEnd::NotTried
          ? output_.left({.key = attempt_->proposal.key, .why_not = report.ended_early})
          : output_.ended(attempt_->proposal, report));
  const Done done = std::move(attempt_->done);
  attempt_.reset();
  if (!report.outcome.empty()) {
    fmt::print(stderr, "{}", report.outcome);
    return Error(fmt::format("change set {} could not be undone wholly", report.set));
  }
  return done(end);
}

Result<> LiveTrial::undo() const {
  if (!attempt_->begun) return {};
  auto host = TRY(TunedHost::open());
  const ChangeSet* set = host->ledger().find(attempt_->begun->number);
  if (!set || set->time_ns != attempt_->begun->begun_ns || set->state != SetState::Pending)
    return {};
  return host->engine().roll_back(set->number, "interrupted", TRY(instant_now()));
}

Result<> LiveTrial::interrupt() {
  if (!attempt_) return {};
  if (!attempt_->begun)
    return output_.left({.key = attempt_->proposal.key, .why_not = "it ended before the change"});
  TRY(undo());
  return output_.interrupted(attempt_->proposal);
}

}  // namespace netsonde
