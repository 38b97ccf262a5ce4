// SPDX-License-Identifier: Apache-2.0
#include "user/guarded_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

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

Result<> switch_guarded(std::uint64_t set, bool tried) {
  auto host = TRY(TunedHost::open());
  const ChangeSet* found = host->ledger().find(set);
  if (!found) return Error("the journal does not tell of it any more");
  if (found->state != SetState::Pending) return Error("somebody else has ended it");
  if (!has_guard(kTunerDirectory, set)) return Error("the guard has died");
  return host->engine().switch_to(set, tried);
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
  return report;
}

bool is_proven(const TrialReport& report) {
  return report.ended_early.empty() && report.against.empty() &&
         report.effects.front().verdict == Verdict::Better;
}

Result<std::string> conclude(const ChangeSet& begun, const TrialReport& report, bool keep) {
  auto host = TRY(TunedHost::open());
  const Instant now = TRY(instant_now());
  const ChangeSet* set = host->ledger().find(begun.number);
  if (!set || set->time_ns != begun.time_ns)
    return Error("the journal does not tell of the experiment any more: its guard undoes it");
  if (set->state == SetState::Pending && report.effects.front().effect)
    TRY(host->engine().note_effect(begun.number, effect_to_note(report.effects.front()), now));
  if (set->state == SetState::Pending && keep) {
    TRY(host->engine().switch_to(begun.number, true));
    TRY(host->engine().confirm(begun.number, now));
  } else if (set->state == SetState::Pending) {
    TRY(host->engine().roll_back(begun.number, "an experiment", now));
  }
  const ChangeSet& ended = *host->ledger().find(begun.number);
  return fmt::format("change set {} is {}\n{}", ended.number, name_of(ended.state),
                     ended.state == SetState::Confirmed ? "" : undone_text(ended));
}

}  // namespace netsonde
