// SPDX-License-Identifier: Apache-2.0
#include "user/tune.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "tuner/guard.h"
#include "user/base/text.h"
#include "user/tune_apply.h"
#include "user/tune_experiment.h"
#include "user/tune_output.h"
#include "user/tune_plan.h"
#include "user/tune_report.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

// Without root nobody can look into it; that is no reason not to list the values.
Ledger known_changes() {
  auto ledger = Journal::look(kTunerDirectory);
  return ledger ? std::move(ledger).value() : Ledger();
}

Result<std::vector<const Tunable*>> wanted_tunables(const Options& options) {
  std::vector<const Tunable*> wanted;
  for (const std::string& key : options.tune.keys) {
    wanted.push_back(find_tunable(key));
    if (!wanted.back())
      return Error(printable(key) + " is not in the catalogue (netsonde tune list --all)");
  }
  if (options.tune.keys.empty())
    for (const Tunable& tunable : tunables()) wanted.push_back(&tunable);
  return wanted;
}

class Lister {
 public:
  Lister(SettingsOfHost& host, std::string boot)
      : host_(host), boot_(std::move(boot)), ledger_(known_changes()) {}

  ListedSetting look(const Tunable& tunable) {
    const ChangeScope scope = host_.scope_of(tunable);
    ListedSetting setting{.tunable = &tunable, .at_boot = at_boot_.find(tunable.key)};
    const auto value = host_.settings().read(scope, tunable.key);
    if (value) setting.value = value.value();
    setting.why_not = value ? why_not(tunable, scope, setting) : value.error().message();
    setting.set = set_in_force(tunable, scope, setting);
    return setting;
  }
  const std::vector<std::string>& not_read() const { return at_boot_.not_read(); }

 private:
  std::string why_not(const Tunable& tunable, const ChangeScope& scope,
                      const ListedSetting& setting) const {
    if (!setting.value) return "this kernel, or this namespace, does not have it";
    const auto can = host_.settings().can_be_written(scope, tunable.key);
    return geteuid() == 0 && can && !can.value() ? "here it may only be read" : "";
  }
  std::uint64_t set_in_force(const Tunable& tunable, const ChangeScope& scope,
                             const ListedSetting& setting) const {
    const auto place = ledger_.confirmed(std::string(tunable.key), scope, boot_);
    if (!place) return 0;
    const Change& change = ledger_.sets()[place->set - 1].changes[place->change];
    return change.read_back == setting.value ? place->set : 0;
  }

  SettingsOfHost& host_;
  std::string boot_;
  Ledger ledger_;
  DropIns at_boot_ = DropIns::read();
};

Result<int> list_settings(const Options& options) {
  const auto wanted = TRY(wanted_tunables(options));
  auto host = TRY(SettingsOfHost::open());
  Lister lister(*host, TRY(instant_now()).boot);
  const bool all = options.tune.all || !options.tune.keys.empty();
  std::vector<ListedSetting> listed;
  for (const Tunable* tunable : wanted)
    if (ListedSetting setting = lister.look(*tunable); all || setting.value)
      listed.push_back(std::move(setting));
  if (options.json)
    for (const ListedSetting& setting : listed) fmt::print("{}\n", to_line(to_json(setting)));
  else if (options.tune.keys.empty())
    fmt::print("{}", list_text(listed));
  else
    for (const ListedSetting& setting : listed) fmt::print("{}", details_text(setting));
  for (const std::string& problem : lister.not_read())
    fmt::print(stderr, "netsonde: not read: {}\n", printable(problem));
  return 0;
}

std::string state_of(const ChangeSet& set, const Instant& now) {
  if (set.state == SetState::Confirmed || set.state == SetState::RolledBack)
    return std::string(name_of(set.state));
  const bool guarded = set.state == SetState::Pending && set.boot == now.boot && set.applied &&
                       has_guard(kTunerDirectory);
  return guarded ? "pending" : "needs-recovery";
}

constexpr std::int64_t kSecond = 1'000'000'000;

TuneStatus status_of(const Ledger& ledger, const Instant& now) {
  TuneStatus status{.state = "none", .left_alone = &ledger.foreign()};
  for (const ChangeSet& set : ledger.sets()) {
    const bool open = set.state == SetState::Pending || set.state == SetState::Stuck;
    if (set.boot != now.boot && !open) continue;
    status.set = &set;
    for (const Change& change : set.changes)
      if (is_in_force(set, change)) status.changes.push_back({.set = &set, .change = &change});
  }
  if (!status.set) return status;
  status.state = state_of(*status.set, now);
  if (status.state != "pending") return status;
  const auto left = static_cast<std::int64_t>(status.set->deadline_ns - now.boottime_ns);
  status.seconds_left = left / kSecond;
  status.deadline_time_ns = now.time_ns + left;
  return status;
}

Result<int> print_status(const Options& options) {
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  const TuneStatus status = status_of(ledger, TRY(instant_now()));
  fmt::print("{}", options.json ? to_line(to_json(status)) + "\n" : status_text(status));
  return 0;
}

Result<int> print_log(const Options& options) {
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  if (!options.json) fmt::print("{}", log_text(ledger.sets()));
  if (options.json)
    for (const ChangeSet& set : ledger.sets())
      for (const Change& change : set.changes) fmt::print("{}\n", to_line(log_json(set, change)));
  return 0;
}

std::string comment_of(const ChangeSet& set, const Change& change) {
  const Proposal& proposal = change.proposal;
  std::string comment = fmt::format("{} ({}), was {}, change set {}", proposal.finding,
                                    rfc3339(set.time_ns), proposal.from, set.number);
  for (const Evidence& one : proposal.evidence)
    comment += fmt::format(", {} {}", printable(one.field), human(one));
  return comment;
}

// Only what holds for the host and for the namespace that we are in: the others have no files.
Result<std::vector<Persisted>> to_persist(const Instant& now) {
  auto host = TRY(SettingsOfHost::open());
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  std::map<std::string, Persisted> settings;
  for (Persisted& one : TRY(read_persisted())) settings[one.key] = one;
  for (const ChangeSet& set : ledger.sets()) {
    if (set.state != SetState::Confirmed || set.boot != now.boot) continue;
    for (const Change& change : set.changes) {
      const Tunable* tunable = find_tunable(change.proposal.key);
      if (change.state != ChangeState::Written || change.proposal.scope != host->scope_of(*tunable))
        continue;
      settings[change.proposal.key] = {.key = change.proposal.key,
                                       .value = *change.read_back,
                                       .comment = comment_of(set, change)};
    }
  }
  std::vector<Persisted> all;
  for (auto& [key, one] : settings) all.push_back(std::move(one));
  return all;
}

Result<int> persist() {
  const std::vector<Persisted> settings = TRY(to_persist(TRY(instant_now())));
  if (settings.empty()) return Error("nothing is confirmed: there is nothing to persist");
  TRY(write_persisted(settings));
  fmt::print("{}: {} setting{}\n", kPersistedPath, settings.size(),
             settings.size() == 1 ? "" : "s");
  const DropIns files = DropIns::read();
  for (const Persisted& one : settings)
    for (const Assignment& later : files.later_than(kPersistedName, one.key))
      fmt::print(stderr, "netsonde: {}:{} overrides {}\n", printable(later.file), later.line,
                 one.key);
  return 0;
}

Result<int> unpersist() {
  const bool removed = TRY(remove_persisted());
  fmt::print("{} {}\n", kPersistedPath, removed ? "is removed" : "is not there");
  return 0;
}

}  // namespace

Result<int> run_tune(const Options& options) {
  switch (options.tune.action) {
    case TuneAction::List: return list_settings(options);
    case TuneAction::Plan: return run_tune_plan(options);
    case TuneAction::ProfileList: return list_profiles();
    case TuneAction::ProfileShow: return show_profile(options);
    case TuneAction::Experiment: return run_tune_experiment(options);
    case TuneAction::Apply: return apply_plan(options);
    case TuneAction::Confirm: return confirm_changes();
    case TuneAction::Rollback: return roll_back_changes(options);
    case TuneAction::Recover: return recover_changes();
    case TuneAction::HandBack: return hand_back_keys(options);
    case TuneAction::Status: return print_status(options);
    case TuneAction::Report: return run_tune_report(options);
    case TuneAction::Log: return print_log(options);
    case TuneAction::Persist: return persist();
    case TuneAction::Unpersist: return unpersist();
  }
  return 0;
}

}  // namespace netsonde
