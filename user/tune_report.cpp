// SPDX-License-Identifier: Apache-2.0
#include "user/tune_report.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <set>

#include "tuner/journal.h"
#include "user/base/text.h"
#include "user/model/trial.h"
#include "user/report.h"
#include "user/tune_output.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

constexpr auto kEverywhere = Column::Reach::Everywhere;

Column text(std::string_view id, std::string_view title, std::string_view help,
            Column::Reach reach = kEverywhere) {
  return {.id = id, .title = title, .help = help, .reach = reach, .is_text = true};
}

Column percent(std::string_view id, std::string_view title, std::string_view help) {
  return {.id = id, .title = title, .help = help, .unit = Unit::Percent, .reach = kEverywhere};
}

ReportTable empty_table() {
  return {.id = "changes",
          .title = "Changes",
          .note =
              "What an effect improved, in percent of what was there before, with its interval "
              "of 95%; negative: it became worse. Without one nobody measured it.",
          .columns = {{.id = "set",
                       .title = "Set",
                       .help = "Its number.",
                       .unit = Unit::Count,
                       .reach = kEverywhere},
                      text("key", "Setting", "Its key."),
                      text("before", "Before", "What was there."),
                      text("after", "After", "What was written."),
                      text("outcome", "Outcome", "What became of it."),
                      text("time", "Time", "When it was written."),
                      text("ended_why", "Ended by", "What undid it, or failed."),
                      text("scope", "Where",
                           "The host, network namespace, device, route or connection."),
                      text("read_back", "Read back", "After writing.", Column::Reach::Data),
                      text("why", "Why", "The finding and its figures, a profile, or asked for."),
                      text("metric", "Metric", "Of the effect."),
                      percent("improved_percent", "Improved %", "By the metric."),
                      percent("improved_low_percent", "at least %", "The interval's worse end."),
                      percent("improved_high_percent", "at most %", "The interval's better end."),
                      text("verdict", "Verdict", "Of the experiment.")},
          .is_whole = true};
}

// By how much less, or more, of the metric is there, as far as that is better.
double improved(const ChangeEffect& effect, double ratio) {
  const TrialMetric* metric = find_trial_metric(effect.metric);
  return 100 * (metric && !metric->less_is_better ? ratio - 1 : 1 - ratio);
}

void add_effect(std::vector<Cell>& row, const std::optional<ChangeEffect>& effect) {
  if (!effect) {
    row.insert(row.end(), {Cell(), Cell(), Cell(), Cell(), Cell()});
    return;
  }
  const double one = improved(*effect, effect->low), other = improved(*effect, effect->high);
  row.insert(row.end(), {effect->metric, improved(*effect, effect->ratio), std::min(one, other),
                         std::max(one, other), effect->verdict});
}

std::vector<Cell> row_of(const ChangeSet& set, const Change& change, std::uint64_t interrupted) {
  const Proposal& proposal = change.proposal;
  const std::string& ended_by = change.problem.empty() ? set.why : change.problem;
  std::vector<Cell> row{set.number,
                        proposal.key,
                        value_text(proposal, proposal.from),
                        value_text(proposal, proposal.to),
                        outcome_of(set, change, interrupted),
                        rfc3339(set.time_ns).substr(0, 19) + "Z",
                        ended_by.empty() ? Cell() : Cell(ended_by),
                        where_text(proposal)};
  row.push_back(change.read_back ? Cell(*change.read_back) : Cell());
  row.push_back(because(proposal));
  add_effect(row, change.effect);
  return row;
}

// Settings, however often each was changed.
std::size_t in_force(const Ledger& ledger, const std::string& boot) {
  std::set<std::pair<std::string, std::string>> settings;
  for (const ChangeSet& set : ledger.sets())
    for (const Change& change : set.changes)
      if (set.boot == boot && is_in_force(set, change))
        settings.emplace(change.proposal.key, to_text(change.proposal.scope));
  return settings.size();
}

Result<Report> report_of(const Ledger& ledger) {
  const Instant now = TRY(instant_now());
  utsname system = {};
  uname(&system);
  Report report;
  report.kind = "changes";
  report.host = host_name();
  report.origin = {.program = "netsonde " NETSONDE_VERSION,
                   .kernel = system.release,
                   .source = "the journal of changes"};
  report.begin_ns = ledger.sets().empty() ? now.time_ns : ledger.sets().front().time_ns;
  report.end_ns = now.time_ns;
  report.losses = Json::object();
  report.host_faults = {.id = "host_faults", .title = "Faults of the host"};
  const std::size_t sets = ledger.sets().size(), there = in_force(ledger, now.boot);
  report.verdict =
      fmt::format("{} set{} of changes {} made, {} change{} in force.", sets, sets == 1 ? "" : "s",
                  sets == 1 ? "was" : "were", there, there == 1 ? " is" : "s are");
  report.sections.push_back(changes_section(ledger, now));
  return report;
}

}  // namespace

ReportSection changes_section(const Ledger& ledger, const Instant& now) {
  const std::uint64_t interrupted = interrupted_set(ledger, now);
  ReportSection section{.id = "changes", .title = "Changes"};
  ReportTable table = empty_table();
  for (auto set = ledger.sets().rbegin(); set != ledger.sets().rend(); ++set)
    for (const Change& change : set->changes)
      table.rows.push_back(row_of(*set, change, interrupted));
  for (const ForeignKey& one : ledger.foreign()) {
    if (one.scope.kind == ScopeKind::Connection) continue;  // which may be gone long since
    section.words.push_back(fmt::format("{} is left alone: somebody else has set it.", one.key));
  }
  if (table.rows.empty()) section.words.emplace_back("Nothing was changed.");
  section.tables.push_back(std::move(table));
  return section;
}

std::vector<TimelineMark> change_marks(const Ledger& ledger, const Instant& now,
                                       std::int64_t from_ns, std::int64_t to_ns) {
  const std::uint64_t interrupted = interrupted_set(ledger, now);
  std::vector<TimelineMark> marks;
  for (const ChangeSet& set : ledger.sets()) {
    if (set.time_ns < from_ns || set.time_ns > to_ns) continue;
    for (const Change& change : set.changes)
      marks.push_back({.from_ns = set.time_ns,
                       .to_ns = set.ended_ns ? set.ended_ns : to_ns,
                       .kind = "change",
                       .text = fmt::format("{}: {} -> {}, {}", change.proposal.key,
                                           value_text(change.proposal, change.proposal.from),
                                           value_text(change.proposal, change.proposal.to),
                                           outcome_of(set, change, interrupted))});
  }
  return marks;
}

Result<int> run_tune_report(const Options& options) {
  TRY(check_report_file(options));
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  TRY(write_report(TRY(report_of(ledger)), options));
  return 0;
}

}  // namespace netsonde
