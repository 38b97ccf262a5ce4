// SPDX-License-Identifier: Apache-2.0
#include "user/tune_auto_output.h"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>

#include "tuner/plan_json.h"
#include "user/base/text.h"
#include "user/model/diagnosis/evidence_json.h"

namespace netsonde {

namespace {

std::int64_t now_ns() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::string name_of(const Proposal& proposal) {
  return fmt::format("{} ({})", proposal.key, to_text(proposal.scope));
}

std::string_view name_of(TrialDesign design) {
  return design == TrialDesign::Once ? "once" : "turns";
}

std::string effect_text(const TrialEffect& one) {
  if (!one.effect) return fmt::format("{} could not be compared", one.metric->id);
  return fmt::format("{} {:.3g} times ({:.3g}-{:.3g}): {}", one.metric->id, one.effect->ratio,
                     one.effect->interval.low, one.effect->interval.high,
                     netsonde::name_of(one.verdict));
}

Json effect_json(const TrialEffect& one) {
  if (!one.effect) return Json();
  return object_of({{"metric", one.metric->id},
                    {"blocks", one.blocks},
                    {"before", one.before},
                    {"after", one.after},
                    {"ratio", one.effect->ratio},
                    {"low", one.effect->interval.low},
                    {"high", one.effect->interval.high},
                    {"verdict", netsonde::name_of(one.verdict)}});
}

// What it is about.
Json about(const Proposal& proposal) {
  return object_of({{"key", proposal.key},
                    {"scope", to_json(proposal.scope)},
                    {"from", proposal.from},
                    {"to", proposal.to},
                    {"finding", proposal.finding}});
}

}  // namespace

Result<> AutoOutput::tell(std::string_view event, const std::string& text, Json more) const {
  const std::int64_t time_ns = now_ns();
  if (json_) {
    Json line = object_of({{"time", rfc3339(time_ns)}, {"time_ns", time_ns}, {"event", event}});
    line.update(more);
    fmt::print("{}\n", to_line(line));
  } else {
    const std::string begin = fmt::format("{}Z {:<6} ", rfc3339(time_ns).substr(11, 8), event);
    bool first = true;
    for (const std::string& line : wrap(text, 80 - static_cast<int>(begin.size()))) {
      fmt::print("{}{}\n", first ? begin : std::string(begin.size(), ' '), line);
      first = false;
    }
  }
  if (std::fflush(stdout)) return Error::from_errno("write what happens");
  return {};
}

Result<> AutoOutput::begun(const TuneOptions& options) const {
  return tell("begun",
              fmt::format("goal {}: looks at {} each, at most {} changes an hour", options.goal,
                          short_duration(options.window), options.most_per_hour),
              object_of({{"goal", options.goal},
                         {"window_s", seconds(options.window)},
                         {"most_per_hour", options.most_per_hour}}));
}

Result<> AutoOutput::left(const Considered& one) const {
  return tell("left", fmt::format("{}: {}", one.key, printable(one.why_not)),
              object_of({{"key", one.key}, {"why_not", one.why_not}}));
}

Result<> AutoOutput::trying(const Proposal& proposal, const Proof& proof) const {
  Json more = about(proposal);
  more["metric"] = proof.metric;
  more["design"] = name_of(proof.design);
  Json evidence = Json::array();
  for (const Evidence& one : proposal.evidence) evidence.push_back(to_json(one));
  more["evidence"] = std::move(evidence);
  return tell("trying",
              fmt::format("{}: {} -> {}, {}{}; judged by {}, {}", name_of(proposal),
                          printable(proposal.from), printable(proposal.to),
                          proposal.finding == kAskedFor ? "" : "because of ", because(proposal),
                          proof.metric,
                          proof.design == TrialDesign::Once ? "before and after" : "by turns"),
              std::move(more));
}

Result<> AutoOutput::ended(const Proposal& proposal, const TrialReport& report) const {
  const TrialEffect& decides = report.effects.front();
  const std::string& why = report.ended_early.empty() ? report.against : report.ended_early;
  Json more = about(proposal);
  more["set"] = report.set ? Json(report.set) : Json();
  more["blocks"] = report.blocks;
  more["effect"] = effect_json(decides);
  Json guards = Json::array();
  for (const TrialEffect& one : report.effects)
    if (&one != &decides && one.effect) guards.push_back(effect_json(one));
  more["guards"] = std::move(guards);
  more["why"] = report.kept || why.empty() ? Json() : Json(why);
  std::string text = fmt::format("{}: {}", name_of(proposal), effect_text(decides));
  if (!report.kept && !why.empty()) text += "; " + printable(why);
  const std::string_view ended = report.kept ? "kept" : report.outcome.empty() ? "undone" : "stuck";
  return tell(ended, text, std::move(more));
}

Result<> AutoOutput::finished(std::size_t kept, std::size_t undone) const {
  return tell("ended",
              kept + undone
                  ? fmt::format("tried {}: kept {}, undone {}", kept + undone, kept, undone)
                  : "nothing was tried",
              object_of({{"kept", kept}, {"undone", undone}}));
}

Result<> AutoOutput::interrupted(const Proposal& proposal) const {
  return tell("undone", name_of(proposal) + ": interrupted", about(proposal));
}

}  // namespace netsonde
