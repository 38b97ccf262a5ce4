// SPDX-License-Identifier: Apache-2.0
#include "user/tune_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tuner/by_hand.h"
#include "tuner/catalogue_connection.h"
#include "tuner/plan_json.h"
#include "user/base/text.h"
#include "user/model/diagnosis/evidence_json.h"

namespace netsonde {

std::vector<std::string> lines_of(const std::string& text, int width) {
  std::vector<std::string> lines;
  for (std::string& line : wrap(text, width)) {
    while (display_width(line) > width) {
      std::string part = fit(line, width, false, "");
      while (part.ends_with(' ')) part.pop_back();
      line.erase(0, part.size());
      lines.push_back(std::move(part));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

namespace {

constexpr int kWidth = 80;
constexpr std::string_view kNeedsRecovery = "needs-recovery";

}  // namespace

std::string value_text(const Proposal& proposal, const std::string& value) {
  const bool is_rate = proposal.key == kConnectionPacing;
  if (is_rate && (value == "4294967295" || value == "18446744073709551615")) return "unlimited";
  return printable(value) + (is_rate ? " bytes/s" : "");
}

namespace {

std::string effect_note(const Change& change) {
  if (!change.effect) return "";
  const ChangeEffect& effect = *change.effect;
  return fmt::format("; {} {:.3g} times ({:.3g}-{:.3g}): {}", printable(effect.metric),
                     effect.ratio, effect.low, effect.high, printable(effect.verdict));
}

std::string scope_note(const Proposal& proposal) {
  return proposal.scope.kind == ScopeKind::Host ? "" : fmt::format(" ({})", where_text(proposal));
}

// "net.core.somaxconn (netns 4026531840): 64 -> 256"
std::string change_text(const Proposal& proposal) {
  return fmt::format("{}{}: {} -> {}", proposal.key, scope_note(proposal),
                     value_text(proposal, proposal.from), value_text(proposal, proposal.to));
}

// A name, and what there is to say, on as many lines as it takes.
void add_line(std::string& text, std::string_view name, const std::string& words) {
  if (words.empty()) return;
  const std::string begin = fmt::format("  {:<9} ", name);
  const int width = kWidth - static_cast<int>(begin.size());
  const bool fits = width > kWidth / 2;
  if (!fits) text += begin + "\n";
  bool first = fits;
  for (const std::string& line : lines_of(printable(words), fits ? width : kWidth - 6))
    text += (std::exchange(first, false) ? begin : std::string(fits ? begin.size() : 6, ' ')) +
            line + "\n";
}

}  // namespace

std::string hanging(const std::string& begin, const std::string& words, std::size_t indent) {
  const std::string first = lines_of(words, kWidth - static_cast<int>(begin.size())).front();
  std::string text = begin + first + "\n";
  const std::size_t rest = words.find_first_not_of(' ', first.size());
  if (rest == std::string::npos) return text;
  for (const std::string& line : lines_of(words.substr(rest), kWidth - static_cast<int>(indent)))
    text += std::string(indent, ' ') + line + "\n";
  return text;
}

std::string because(const Proposal& proposal) {
  std::string text = printable(proposal.finding);
  for (const Evidence& one : proposal.evidence)
    text += fmt::format("{} {} {}", &one == proposal.evidence.data() ? ":" : ",",
                        printable(one.field), human(one));
  return text;
}

std::string outcome_of(const ChangeSet& set, const Change& change, std::uint64_t interrupted) {
  if (set.state == SetState::Rebooted) return "ended with the boot";
  if (change.state == ChangeState::Foreign) return "left to somebody else";
  if (change.state == ChangeState::Vanished) return "gone";
  if (change.state == ChangeState::Stuck) return "stuck";
  if (change.state == ChangeState::Restored) return std::string(name_of(SetState::RolledBack));
  if (set.number == interrupted) return std::string(kNeedsRecovery);
  return std::string(name_of(set.state));
}

bool is_in_force(const ChangeSet& set, const Change& change) {
  return (set.state == SetState::Confirmed || set.state == SetState::Pending) &&
         change.state == ChangeState::Written;
}

std::string changes_text(const std::vector<Proposal>& proposals) {
  std::string text;
  for (const Proposal& proposal : proposals) text += hanging("  ", change_text(proposal), 6);
  return text;
}

namespace {

std::string number_of(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string observed_text(const PlanObserved& observed) {
  const auto span = std::chrono::duration<double>(observed.seconds);
  return hanging("",
                 fmt::format("Observed for {}: {} and {} active; {} lost.",
                             short_duration(std::chrono::duration_cast<Nanos>(span)),
                             number_of(observed.connections, "connection"),
                             number_of(observed.listeners, "listener"),
                             observed.lost ? number_of(observed.lost, "event") : "no event"),
                 0);
}

}  // namespace

std::string plan_text(const Plan& plan) {
  std::string text;
  if (plan.observed) text += observed_text(*plan.observed) + "\n";
  for (const Proposal& proposal : plan.proposals) {
    text += hanging("", change_text(proposal), 4);
    add_line(text, "because", because(proposal));
    add_line(text, "subject", proposal.subject);
    add_line(text, "expected", proposal.expected);
    add_line(text, "risk", proposal.risk);
    add_line(text, "verify", proposal.verify);
  }
  if (plan.proposals.empty()) text += "Nothing is proposed.\n";
  if (!plan.considered.empty()) text += "Considered:\n";
  for (const Considered& one : plan.considered) add_line(text, one.key, one.why_not);
  return text;
}

Json to_json(const TuneStatus& status) {
  Json changes = Json::array(), left_alone = Json::array();
  const std::uint64_t interrupted = status.state == kNeedsRecovery ? status.set->number : 0;
  for (const ChangeInForce& one : status.changes) {
    changes.push_back(log_json(*one.set, *one.change, interrupted));
    changes.back()["value_now"] = one.now ? Json(*one.now) : Json();
    changes.back()["replaced_by"] = one.replaced_by ? Json(one.replaced_by) : Json();
  }
  for (const ForeignKey& one : status.left_alone)
    left_alone.push_back(object_of({{"key", one.key}, {"scope", to_json(one.scope)}}));
  const bool pending = status.seconds_left.has_value();
  return object_of({{"schema", 1},
                    {"state", status.state},
                    {"set", status.set ? Json(status.set->number) : Json()},
                    {"deadline", pending ? Json(rfc3339(status.deadline_time_ns)) : Json()},
                    {"seconds_left", pending ? Json(*status.seconds_left) : Json()},
                    {"changes", std::move(changes)},
                    {"left_alone", std::move(left_alone)}});
}

namespace {

// What became of the set that counts, and what is still to come.
std::string state_text(const TuneStatus& status) {
  std::string text = status.state;
  if (!status.set) return text + ": nothing was changed since this host was booted";
  text += fmt::format(": change set {}", status.set->number);
  if (status.state == "rolled-back" && !status.set->why.empty())
    text += " (" + printable(status.set->why) + ")";
  if (status.seconds_left)
    text += fmt::format(", rolled back in {} s unless you run: netsonde tune confirm",
                        std::max<std::int64_t>(0, *status.seconds_left));
  else if (status.state == "pending")
    text += ", an experiment, undone when it ends";
  else if (status.state == kNeedsRecovery)
    text += "; run: netsonde tune recover";
  else
    text += "; nothing is pending";
  return text;
}

std::string text_of(const ChangeInForce& one) {
  std::string text =
      fmt::format("{}, by change set {}", change_text(one.change->proposal), one.set->number);
  if (one.replaced_by) return text + fmt::format(", below change set {}", one.replaced_by);
  if (one.now == one.change->read_back) return text;
  if (!one.problem.empty())
    return text + ", but what is there cannot be told: " + printable(one.problem);
  return text + (one.now ? ", but somebody else has set it to " + printable(*one.now)
                         : ", but that is gone");
}

std::string text_of(const ForeignKey& one) {
  return fmt::format("{} ({}): somebody else has set it", one.key, to_text(one.scope));
}

}  // namespace

std::string status_text(const TuneStatus& status) {
  std::string text = hanging("", state_text(status), 4);
  const bool is_known = status.state != kNeedsRecovery;
  if (status.changes.empty() && is_known) text += "In force, set by netsonde: nothing\n";
  if (!status.changes.empty()) text += "In force, set by netsonde:\n";
  for (const ChangeInForce& one : status.changes) text += hanging("  ", text_of(one), 6);
  if (!status.left_alone.empty()) text += "Left alone:\n";
  for (const ForeignKey& one : status.left_alone) text += hanging("  ", text_of(one), 6);
  if (status.set && status.set->state == SetState::Stuck) text += undone_text(*status.set);
  return text;
}

Json log_json(const ChangeSet& set, const Change& change, std::uint64_t interrupted) {
  const Proposal& proposal = change.proposal;
  Json evidence = Json::array();
  for (const Evidence& one : proposal.evidence) evidence.push_back(to_json(one));
  return object_of({{"set", set.number},
                    {"time", rfc3339(set.time_ns)},
                    {"key", proposal.key},
                    {"scope", to_json(proposal.scope)},
                    {"before", proposal.from},
                    {"after", proposal.to},
                    {"read_back", change.read_back ? Json(*change.read_back) : Json()},
                    {"evidence", std::move(evidence)},
                    {"finding", or_null(proposal.finding)},
                    {"effect", change.effect ? to_json(*change.effect) : Json()},
                    {"outcome", outcome_of(set, change, interrupted)},
                    {"problem", or_null(change.problem)},
                    {"ended", set.ended_ns ? Json(rfc3339(set.ended_ns)) : Json()},
                    {"why", or_null(set.why)}});
}

namespace {

std::string to_the_second(std::int64_t time_ns) {
  return rfc3339(time_ns).substr(0, 19) + "Z";
}

}  // namespace

std::string log_text(const std::vector<ChangeSet>& sets, std::uint64_t interrupted) {
  std::string text;
  for (const ChangeSet& set : sets) {
    text += hanging("",
                    fmt::format("{}  change set {}: {}{}{}", to_the_second(set.time_ns), set.number,
                                set.number == interrupted ? kNeedsRecovery : name_of(set.state),
                                set.ended_ns ? " " + to_the_second(set.ended_ns) : "",
                                set.why.empty() ? "" : ": " + printable(set.why)),
                    6);
    for (const Change& change : set.changes) {
      text += hanging("  ",
                      fmt::format("{}: {}{}{}", change_text(change.proposal),
                                  outcome_of(set, change, interrupted),
                                  change.problem.empty() ? "" : ": " + printable(change.problem),
                                  effect_note(change)),
                      6);
      if (change.proposal.finding != kAskedFor)
        text += hanging("      because ", because(change.proposal), 8);
    }
  }
  return text;
}

std::string undone_text(const ChangeSet& set) {
  std::string text;
  for (const Change& change : set.changes) {
    const std::string problem = change.problem.empty() ? "" : ": " + printable(change.problem);
    text += hanging(
        "  ",
        fmt::format("{}{}: {}{}", change.proposal.key, scope_note(change.proposal),
                    change.state == ChangeState::Restored
                        ? "is " + value_text(change.proposal, change.proposal.from) + " again"
                        : outcome_of(set, change),
                    problem),
        6);
  }
  const std::vector<std::string> lines = by_hand(set);
  if (!lines.empty()) text += "What remains, by hand:\n";
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

}  // namespace netsonde
