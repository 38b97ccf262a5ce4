// SPDX-License-Identifier: Apache-2.0
#include "user/tune_apply_auto.h"

#include <fmt/format.h>

#include "user/base/text.h"
#include "user/live_trial.h"
#include "user/request.h"
#include "user/tune_apply.h"

namespace netsonde {

namespace {

constexpr int kNotAll = 4;

Result<bool> prove(const Proposal& proposal, const Options& options, const AutoOutput& output) {
  if (!proof_of(proposal.key)) {
    TRY(output.left({.key = proposal.key,
                     .why_not = "live traffic does not tell whether it helps: not changed"}));
    return false;
  }
  bool stays = false;
  PeriodFigures figures;
  Session session =
      TRY(Session::open({.ring_bytes = options.ring_bytes, .read_host_every = kShortestTick},
                        TRY(traffic_of(std::span(&proposal, 1)))));
  session.live().want_all_histograms(true);
  session.add_sink(figures);
  LiveTrial trial(options.tune, session, figures, output);
  session.when_started([&]() -> Result<> {
    return trial.start(proposal, [&](TrialEnd end) -> Result<> {
      stays = end == TrialEnd::Kept;
      session.stop();
      return {};
    });
  });
  Result<> ran = session.run();
  const bool interrupted = trial.runs();
  TRY(trial.interrupt());
  if (!ran) return std::move(ran).error();
  if (interrupted) return Error("interrupted: what came after it was not tried");
  return stays;
}

// If none ends early.
std::string how_long(const Plan& plan, const TuneOptions& options) {
  Nanos time{0};
  for (const Proposal& proposal : plan.proposals)
    if (const Proof* proof = proof_of(proposal.key)) time += time_of_trial(options, *proof);
  return fmt::format("One after the other is tried on live traffic: about {}.\n",
                     short_duration(time));
}

}  // namespace

Result<int> apply_by_measurement(const Plan& plan, const Options& options) {
  if (!TRY(is_wanted(plan, options, how_long(plan, options.tune)))) return 1;
  Options measuring = options;
  measuring.tune.goal = plan.goal;
  const AutoOutput output(options.json);
  bool all = true;
  for (const Proposal& proposal : plan.proposals)
    if (!TRY(prove(proposal, measuring, output))) all = false;
  return all ? 0 : kNotAll;
}

}  // namespace netsonde
