// SPDX-License-Identifier: Apache-2.0
#include "user/tune_apply.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "tuner/drop_ins.h"
#include "tuner/guard.h"
#include "tuner/plan_json.h"
#include "user/base/text.h"
#include "user/base/text_file.h"
#include "user/guarded_change.h"
#include "user/tune_apply_auto.h"
#include "user/tune_output.h"
#include "user/tune_place.h"
#include "user/tune_plan.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

constexpr std::size_t kLargestPlan = 8 << 20;

Result<Plan> plan_of_file(const std::string& path, const Instant& now) {
  const auto text = TRY(read_text_file(path, kLargestPlan));
  if (!text) return Error::from_errno("read " + printable(path), ENOENT);
  auto plan = plan_from(*text);
  if (!plan) return std::move(plan).error().while_doing(printable(path));
  if (plan.value().host != host_name())
    return Error(fmt::format("{} was made for {}, this is {}", printable(path),
                             printable(plan.value().host), printable(host_name())));
  if (plan.value().boot != now.boot)
    return Error(printable(path) + " was made before this host was booted: make a new one");
  return plan;
}

Result<Proposal> proposal_of(const std::string& wanted, SettingsOfHost& host) {
  const WantedSetting setting = TRY(wanted_setting(wanted));
  const Tunable& tunable = *setting.tunable;
  const std::string key(tunable.key);
  const ChangeScope scope = host.scope_of(tunable, setting.where);
  const auto found = TRY(host.settings().read(scope, key));
  if (!found) TRY(check_place(setting, host));
  if (!found) return Error(key + ": not available here");
  if (auto restorable = check_value(tunable, *found); !restorable)
    return Error("what is there could not be written back: " + restorable.error().message());
  return Proposal{.key = key,
                  .scope = scope,
                  .from = *found,
                  .to = setting.value,
                  .finding = std::string(kAskedFor),
                  .risk = std::string(tunable.risk),
                  .verify = "read back"};
}

Result<Plan> plan_of(const Options& options, SettingsOfHost& host) {
  const TuneOptions& wanted = options.tune;
  if (!wanted.plan.empty()) return plan_of_file(wanted.plan, TRY(instant_now()));
  return wanted.profile.empty() ? plan_of_values(wanted.set, host)
                                : plan_of_profile(wanted.profile, host);
}

int report_outcome(const ChangeSet& set) {
  if (set.state == SetState::Confirmed) {
    fmt::print("change set {} is confirmed\n", set.number);
    return 0;
  }
  fmt::print("change set {} is {}: {}\n{}", set.number, name_of(set.state), printable(set.why),
             undone_text(set));
  return 1;
}

Result<const ChangeSet*> set_in(const Ledger& ledger, std::uint64_t number) {
  if (const ChangeSet* set = ledger.find(number)) return set;
  return Error(fmt::format("the journal does not tell of change set {} any more", number));
}

Result<int> wait_for_outcome(std::uint64_t number, std::int64_t begun_ns) {
  const Ledger begun = TRY(Journal::look(kTunerDirectory));
  TRY(wait_for_end({.directory = kTunerDirectory,
                    .set = number,
                    .begun_ns = begun_ns,
                    .deadline_ns = TRY(set_in(begun, number))->deadline_ns}));
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  const ChangeSet* set = TRY(set_in(ledger, number));
  if (set->state != SetState::Pending) return report_outcome(*set);
  auto host = TRY(TunedHost::open());  // the guard is gone
  TRY(undo_interrupted(*host));
  return report_outcome(*TRY(set_in(host->ledger(), number)));
}

// The set that confirm and rollback are about, unless told otherwise.
Result<std::uint64_t> pending_set(const Ledger& ledger) {
  const ChangeSet* open = ledger.unfinished();
  if (!open) return Error("nothing is pending");
  if (open->state == SetState::Stuck || !open->applied)
    return Error(fmt::format("change set {} was interrupted: netsonde tune recover", open->number));
  if (!open->deadline_ns)
    return Error(fmt::format("change set {} is an experiment, which ends by itself", open->number));
  return open->number;
}

// What would come back with the next boot.
std::string persisted_text(const ChangeSet& set) {
  std::string text;
  const auto persisted = read_persisted();
  if (!persisted) return text;
  for (const Change& change : set.changes)
    for (const Persisted& one : persisted.value())
      if (one.key == change.proposal.key && one.value == change.read_back)
        text +=
            hanging("  ",
                    fmt::format("{} is still in {}: netsonde tune persist brings that up to date",
                                one.key, kPersistedPath),
                    6);
  return text;
}

bool can_be_undone(const ChangeSet& set) {
  return set.state == SetState::Pending || set.state == SetState::Confirmed ||
         set.state == SetState::Stuck;
}

// Newest first.
Result<std::vector<std::uint64_t>> sets_to_undo(const Ledger& ledger, const TuneOptions& options) {
  std::vector<std::uint64_t> numbers;
  if (options.to && *options.to > ledger.sets().size())
    return Error(fmt::format("--to: there is no change set {}", *options.to));
  for (auto at = ledger.sets().rbegin(); at != ledger.sets().rend(); ++at) {
    const ChangeSet& set = *at;
    if (options.to ? set.number <= *options.to : !numbers.empty()) break;
    if (can_be_undone(set)) numbers.push_back(set.number);
  }
  if (numbers.empty()) return Error("there is nothing to roll back");
  return numbers;
}

}  // namespace

Result<Plan> plan_of_values(const std::vector<std::string>& wanted, SettingsOfHost& host) {
  Plan plan = TRY(empty_plan("asked for"));
  for (const std::string& one : wanted) {
    Proposal proposal = TRY(proposal_of(one, host));
    if (proposal.from == proposal.to)
      fmt::print(stderr, "netsonde: {} is {} already\n", one.substr(0, one.rfind('=')),
                 printable(proposal.to));
    else
      plan.proposals.push_back(std::move(proposal));
  }
  return plan;
}

Result<> check_asking(const Options& options) {
  if (options.tune.yes || isatty(STDIN_FILENO)) return {};
  return Error("nobody can be asked here: --yes applies it");
}

Result<bool> is_wanted(const Plan& plan, const Options& options, const std::string& note) {
  if (options.tune.yes) return true;
  TRY(check_asking(options));
  fmt::print("{}{}Apply {}? [y/N] ", changes_text(plan.proposals), note,
             plan.proposals.size() == 1 ? "this change" : "these changes");
  (void)std::fflush(stdout);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  fmt::print("nothing was changed\n");
  return false;
}

Result<int> apply_if_wanted(const Plan& plan, const Options& options) {
  if (plan.proposals.empty()) {
    if (!options.json) fmt::print("nothing to change\n");
    return 0;
  }
  if (options.tune.by_measurement) return apply_by_measurement(plan, options);
  if (!TRY(is_wanted(plan, options))) return 1;
  const Applied applied = TRY(apply(plan, options.tune.confirm_within));
  if (applied.gone)
    fmt::print(stderr, "netsonde: {} of {} changes are of connections that have closed meanwhile\n",
               applied.gone, plan.proposals.size());
  fmt::print("{}change set {} is applied; undone in {} unless you run: netsonde tune confirm\n",
             changes_text(plan.proposals), applied.set,
             short_duration(options.tune.confirm_within));
  (void)std::fflush(stdout);
  return options.tune.wait ? wait_for_outcome(applied.set, applied.begun_ns) : Result<int>(0);
}

Result<int> apply_plan(const Options& options) {
  TRY(undo_interrupted());
  auto settings = TRY(SettingsOfHost::open());
  Plan plan = TRY(plan_of(options, *settings));
  for (const Considered& one : leave_out(plan, options.tune))
    fmt::print(stderr, "netsonde: {}: {}\n", one.key, one.why_not);
  TRY(settings->check_names(plan));
  TRY(check_congestion(plan, *settings));
  if (!options.tune.by_measurement) TRY(add_what_is_allowed(plan, *settings));
  return apply_if_wanted(plan, options);
}

Result<int> confirm_changes() {
  auto host = TRY(TunedHost::open());
  const Undisturbed undisturbed;
  const std::uint64_t number = TRY(pending_set(host->ledger()));
  if (host->interrupted())
    return Error(
        fmt::format("the time of change set {} is over, or its guard is gone: netsonde "
                    "tune recover",
                    number));
  const auto in_time = [&host]() -> Result<> {
    if (!host->interrupted()) return {};
    return Error("the time to confirm is over: netsonde tune recover");
  };
  TRY(host->engine().confirm(number, TRY(instant_now()), in_time));
  const ChangeSet set = *host->ledger().find(number);
  host.reset();  // whoever reads what is printed may not go on
  std::string left;
  for (const Change& change : set.changes)
    if (change.state == ChangeState::Vanished)
      left += fmt::format("{} ({}): is gone\n", change.proposal.key, where_text(change.proposal));
    else if (change.state != ChangeState::Written)
      left +=
          fmt::format("{}: {}: left as it is\n", change.proposal.key, printable(change.problem));
  fmt::print("{}", left);
  return report_outcome(set);
}

Result<int> roll_back_changes(const Options& options) {
  auto host = TRY(TunedHost::open());
  const Undisturbed undisturbed;
  int status = 0;
  std::string text;
  const std::vector<std::uint64_t> numbers = TRY(sets_to_undo(host->ledger(), options.tune));
  for (const std::uint64_t number : numbers) {
    TRY(host->engine().roll_back(number, "netsonde tune rollback", TRY(instant_now())));
    const ChangeSet& set = *host->ledger().find(number);
    text += fmt::format("change set {} is {}\n{}{}", number, name_of(set.state), undone_text(set),
                        persisted_text(set));
    if (set.state != SetState::Stuck) continue;
    // An older one would find what this one has left there, and take it for somebody else's.
    if (number != numbers.back()) text += "  what is older stays until this is undone\n";
    status = 1;
    break;
  }
  host.reset();
  fmt::print("{}", text);
  return status;
}

Result<int> recover_changes() {
  auto host = TRY(TunedHost::open());
  if (!host->interrupted()) {
    fmt::print("nothing was interrupted\n");
    return 0;
  }
  const Undisturbed undisturbed;
  TRY(undo_interrupted(*host));
  return 0;
}

Result<int> hand_back_keys(const Options& options) {
  auto host = TRY(TunedHost::open());
  for (const std::string& text : options.tune.settings) {
    const NamedSetting one = TRY(named_setting(text));
    if (!TRY(host->engine().hand_back(one.tunable->key, one.where, TRY(instant_now()))))
      return Error(printable(text) + " is not left alone");
    fmt::print("{} may be changed again\n", printable(text));
  }
  return 0;
}

}  // namespace netsonde
