// SPDX-License-Identifier: Apache-2.0
#include "user/guarded_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "tuner/guard.h"
#include "user/base/prefix.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

ChangeEffect effect_to_note(const TrialEffect& one) {
  return {.metric = std::string(one.metric->id),
          .blocks = one.blocks,
          .ratio = one.effect->ratio,
          .low = one.effect->interval.low,
          .high = one.effect->interval.high,
          .verdict = std::string(name_of(one.verdict))};
}

}  // namespace

Result<Filter> traffic_of(std::span<const Proposal> proposals) {
  const bool everywhere = std::ranges::any_of(
      proposals, [](const Proposal& proposal) { return proposal.scope.kind == ScopeKind::Host; });
  const ChangeScope& scope = proposals.front().scope;
  const std::string own =
      scope.kind == ScopeKind::Namespace ? scope.name : std::to_string(scope.netns);
  if (everywhere) return Filter::parse("");
  const auto goes_there = [&scope](const Proposal& proposal) { return proposal.scope == scope; };
  if (scope.kind == ScopeKind::Route && std::ranges::all_of(proposals, goes_there) &&
      parse_prefix(scope.name).value_or(Prefix()).bits)
    return Filter::parse(fmt::format("netns = {} and remote in {}", own, scope.name));
  return Filter::parse("netns = " + own);
}

Result<> switch_guarded(GuardedSet& set, bool tried) {
  auto host = TRY(TunedHost::open());
  const ChangeSet* found = host->ledger().find(set.number);
  if (!found) return Error("the journal does not tell of it any more");
  if (found->state != SetState::Pending) return Error("somebody else has ended it");
  if (!has_guard(kTunerDirectory, set.number)) return Error("the guard has died");
  const ChangeEngine::Turn turn{.was_in_force = std::exchange(set.in_force, tried),
                                .in_force = tried};
  return host->engine().switch_to(set.number, turn, TRY(instant_now()));
}

TrialReport report_of(const Trial& trial, const std::string& problem) {
  TrialReport report{.blocks = trial.blocks().size(),
                     .blocks_wanted = trial.settings().blocks,
                     .seed = trial.settings().seed,
                     .harmed = trial.harmed(),
                     .ended_early = trial.ended_early()};
  if (!problem.empty() && !report.ended_early.empty()) report.ended_early += ": " + problem;
  report.effects = judge_trial(trial.blocks(), trial.settings().decides, report.seed);
  report.against = harm_in(report.effects, trial.settings().tolerance);
  const auto compared = [](const TrialEffect& one) { return one.effect.has_value(); };
  if (std::ranges::none_of(std::span(report.effects).subspan(1), compared))
    report.against = "no figure that guards could be measured: the periods are too short";
  if (const TrialEffect& decides = report.effects.front();
      !decides.effect && report.ended_early.empty())
    report.against = fmt::format(
        "{} had a value in both turns of {} of {} blocks, too few to compare: there was too little "
        "traffic of that kind, or the periods are too short",
        decides.metric->id, decides.blocks, report.blocks);
  return report;
}

void no_connection_had_it(TrialReport& report) {
  report.ended_early = "no connection was opened meanwhile, and open ones keep what they have";
  report.effects.front().effect.reset();
  report.effects.front().verdict = Verdict::Inconclusive;
}

bool is_proven(const TrialReport& report) {
  return report.ended_early.empty() && report.against.empty() &&
         report.effects.front().verdict == Verdict::Better;
}

Result<std::string> conclude(const GuardedSet& begun, const TrialReport& report, bool keep) {
  auto host = TRY(TunedHost::open());
  const Instant now = TRY(instant_now());
  const ChangeSet* set = host->ledger().find(begun.number);
  if (!set || set->time_ns != begun.begun_ns)
    return Error("the journal does not tell of the experiment any more: its guard undoes it");
  if (set->state == SetState::Pending && report.effects.front().effect)
    TRY(host->engine().note_effect(begun.number, effect_to_note(report.effects.front()), now));
  if (set->state == SetState::Pending && keep) {
    TRY(host->engine().switch_to(begun.number, {.was_in_force = begun.in_force}, now));
    TRY(host->engine().confirm(begun.number, now));
  } else if (set->state == SetState::Pending) {
    const std::string& why = report.ended_early.empty() ? report.against : report.ended_early;
    TRY(host->engine().roll_back(begun.number,
                                 why.empty() ? "an experiment" : "an experiment: " + why, now));
  }
  const ChangeSet& ended = *host->ledger().find(begun.number);
  return fmt::format("change set {} is {}\n{}", ended.number, name_of(ended.state),
                     ended.state == SetState::Confirmed ? "" : undone_text(ended));
}

}  // namespace netsonde
