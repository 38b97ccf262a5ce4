// SPDX-License-Identifier: Apache-2.0
#include "user/tune.h"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <set>

#include "user/base/text.h"
#include "user/capture/netns.h"
#include "user/tune_apply.h"
#include "user/tune_auto.h"
#include "user/tune_connection.h"
#include "user/tune_experiment.h"
#include "user/tune_list.h"
#include "user/tune_output.h"
#include "user/tune_place.h"
#include "user/tune_plan.h"
#include "user/tune_report.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

std::string state_of(const ChangeSet& set, const Instant& now) {
  if (set.state == SetState::Confirmed || set.state == SetState::RolledBack)
    return std::string(name_of(set.state));
  const bool pending = set.boot == now.boot && set.applied && is_kept(set, now);
  return pending ? "pending" : "needs-recovery";
}

constexpr std::int64_t kSecond = 1'000'000'000;

// The set that has not ended, or else the newest of this run of the kernel.
const ChangeSet* set_that_counts(const Ledger& ledger, const Instant& now) {
  if (const ChangeSet* open = ledger.unfinished()) return open;
  const ChangeSet* newest = nullptr;
  for (const ChangeSet& set : ledger.sets())
    if (set.boot == now.boot) newest = &set;
  return newest;
}

TuneStatus status_of(const Ledger& ledger, const Instant& now) {
  TuneStatus status{.state = "none", .set = set_that_counts(ledger, now)};
  for (const ForeignKey& one : ledger.foreign())
    if (ledger.is_foreign(one.key, one.scope, now.boot)) status.left_alone.push_back(one);
  for (const ChangeSet& set : ledger.sets())
    for (const Change& change : set.changes)
      if (set.boot == now.boot && is_in_force(set, change)) {
        for (ChangeInForce& one : status.changes)
          if (one.change->proposal.key == change.proposal.key &&
              one.change->proposal.scope == change.proposal.scope)
            one.replaced_by = set.number;
        status.changes.push_back({.set = &set, .change = &change});
      }
  if (!status.set) return status;
  status.state = state_of(*status.set, now);
  if (status.state != "pending" || !status.set->deadline_ns) return status;
  const auto left = static_cast<std::int64_t>(status.set->deadline_ns - now.boottime_ns);
  status.seconds_left = left / kSecond;
  status.deadline_time_ns = now.time_ns + left;
  return status;
}

// Nobody else needs to be spared where the connection is gone.
Result<> forget_closed(std::vector<ForeignKey>& left_alone, SettingsOfHost& host) {
  std::vector<ForeignKey> there;
  for (ForeignKey& one : left_alone)
    if (one.scope.kind != ScopeKind::Connection || TRY(host.settings().read(one.scope, one.key)))
      there.push_back(std::move(one));
  left_alone = std::move(there);
  return {};
}

Result<int> print_status(const Options& options) {
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  TuneStatus status = status_of(ledger, TRY(instant_now()));
  auto host = TRY(SettingsOfHost::open());
  for (ChangeInForce& one : status.changes) {
    const Proposal& proposal = one.change->proposal;
    auto now = host->settings().read(proposal.scope, proposal.key);
    if (now)
      one.now = std::move(now).value();
    else
      one.problem = now.error().message();
  }
  TRY(forget_closed(status.left_alone, *host));
  fmt::print("{}", options.json ? to_line(to_json(status)) + "\n" : status_text(status));
  return 0;
}

Result<int> print_log(const Options& options) {
  const Ledger ledger = TRY(Journal::look(kTunerDirectory));
  const std::uint64_t interrupted = interrupted_set(ledger, TRY(instant_now()));
  if (!options.json) fmt::print("{}", log_text(ledger.sets(), interrupted));
  if (options.json)
    for (const ChangeSet& set : ledger.sets())
      for (const Change& change : set.changes)
        fmt::print("{}\n", to_line(log_json(set, change, interrupted)));
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

// Only what holds for the host and for the namespace that we are in: the others have no files. What
// was undone since, or is not so any more, goes.
class Persisting {
 public:
  Persisting(SettingsOfHost& host, const Instant& now) : host_(host), now_(now) {}

  // Of devices and routes, which no file of sysctl.d can hold: "device.txqueuelen@eth0".
  const std::vector<std::string>& not_sysctls() const { return not_sysctls_; }

  Result<std::vector<Persisted>> settings() {
    for (Persisted& one : TRY(read_persisted())) in_file_[one.key] = one;
    settings_ = in_file_;
    const Ledger ledger = TRY(Journal::look(kTunerDirectory));
    for (const ChangeSet& set : ledger.sets())
      for (const Change& change : set.changes) take(set, change);
    if (of_connections_)
      fmt::print(stderr, "netsonde: what was changed of connections ends with them: left out\n");
    std::vector<Persisted> all;
    for (auto& [key, one] : settings_)
      if (TRY(is_allowed(one))) all.push_back(std::move(one));
    return all;
  }

 private:
  void take(const ChangeSet& set, const Change& change) {
    const std::string& key = change.proposal.key;
    if (change.proposal.scope.kind == ScopeKind::Connection) {
      of_connections_ += is_in_force(set, change) && set.boot == now_.boot;
      return;
    }
    const Tunable* tunable = find_tunable(key);
    if (!tunable) return;
    if (!is_sysctl(*tunable)) {
      const bool holds = is_in_force(set, change) && set.state == SetState::Confirmed;
      if (holds && set.boot == now_.boot)
        not_sysctls_.push_back(key + "@" + change.proposal.scope.name);
      return;
    }
    if (change.proposal.scope == host_.scope_of(*tunable)) take_sysctl(set, change);
  }
  // In the order of the sets. What is pending is above what stays; what was undone takes only its
  // own value out, and not what an older one, of this boot or before it, has there again.
  void take_sysctl(const ChangeSet& set, const Change& change) {
    const std::string& key = change.proposal.key;
    const auto there = settings_.find(key);
    if (set.state == SetState::Pending) {
      pending_.insert(key);
    } else if (!is_in_force(set, change)) {
      if (there != settings_.end() && there->second.value == change.read_back)
        settings_.erase(there);
    } else if (set.boot == now_.boot) {
      settings_[key] = {.key = key, .value = *change.read_back, .comment = comment_of(set, change)};
    } else if (const auto file = in_file_.find(key);
               file != in_file_.end() && file->second.value == change.read_back) {
      settings_[key] = file->second;
    }
  }
  Result<bool> is_allowed(const Persisted& one) {
    const Tunable* tunable = find_tunable(one.key);
    if (!tunable || !is_sysctl(*tunable) || !check_value(*tunable, one.value)) {
      fmt::print(stderr, "netsonde: {} = {} is none of ours: left out\n", printable(one.key),
                 printable(one.value));
      return false;
    }
    if (pending_.contains(one.key)) return true;
    const auto found = TRY(host_.settings().read(host_.scope_of(*tunable), one.key));
    if (!found || *found == one.value) return true;
    fmt::print(stderr, "netsonde: {} is {} now, not {}: left out\n", one.key, printable(*found),
               printable(one.value));
    return false;
  }

  SettingsOfHost& host_;
  Instant now_;
  std::map<std::string, Persisted> in_file_, settings_;
  std::set<std::string> pending_;
  std::size_t of_connections_ = 0;  // changes
  std::vector<std::string> not_sysctls_;
};

std::string words_on_lost(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  return fmt::format("not kept over a boot, for sysctl's files hold only sysctls: {}",
                     fmt::join(names, ", "));
}

Result<int> persist() {
  if (!is_first_namespace(TRY(own_namespace()).inode).value_or(true))
    return Error(
        "at boot the files of sysctl.d are read for the first network namespace, not for this one: "
        "nothing is persisted");
  auto held = TRY(TunedHost::open());  // nothing is undone meanwhile
  auto host = TRY(SettingsOfHost::open());
  Persisting persisting(*host, TRY(instant_now()));
  const std::vector<Persisted> settings = TRY(persisting.settings());
  const std::string lost = words_on_lost(persisting.not_sysctls());
  if (settings.empty()) {
    if (TRY(remove_persisted())) {
      fmt::print("{} is removed: nothing that it would hold is in force\n", kPersistedPath);
      return 0;
    }
    return Error(lost.empty() ? "nothing that holds here is confirmed: there is nothing to persist"
                              : lost);
  }
  if (!lost.empty()) fmt::print(stderr, "netsonde: {}\n", printable(lost));
  TRY(write_persisted(settings));
  fmt::print("{}: {} setting{}\n", kPersistedPath, settings.size(),
             settings.size() == 1 ? "" : "s");
  const DropIns files = DropIns::read();
  for (const std::string& problem : files.not_read())
    fmt::print(stderr, "netsonde: {}\n", printable(problem));
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

bool changes_something(TuneAction action) {
  switch (action) {
    case TuneAction::List:
    case TuneAction::Plan:
    case TuneAction::ProfileList:
    case TuneAction::ProfileShow:
    case TuneAction::Status:
    case TuneAction::Log:
    case TuneAction::Report: return false;
    default: return true;
  }
}

bool needs_root(TuneAction action) {
  return action == TuneAction::Status || action == TuneAction::Log ||
         action == TuneAction::Report || action == TuneAction::Persist ||
         action == TuneAction::Unpersist;
}

Result<> check_sources(const Options& options) {
  const TuneOptions& tune = options.tune;
  if (!options.from.empty() && !tune.profile.empty())
    return Error("--from and --profile: a profile looks at no recording");
  if (tune.action != TuneAction::Apply) return {};
  if (!tune.plan.empty() + !tune.profile.empty() + !tune.set.empty() == 1) return {};
  return Error("apply wants one of a plan, --profile and --set");
}

// What would mean nothing on any host.
Result<> check_arguments(const Options& options) {
  TRY(check_sources(options));
  TRY(check_settings(options.tune));
  for (const std::string& one : options.tune.set) TRY(wanted_setting(one));
  if (!options.tune.profile.empty()) TRY(check_profile(options.tune.profile));
  return options.tune.action == TuneAction::Experiment ? check_experiment(options) : Result<>();
}

// One line and the exit status of a bad argument.
int refuse(const Error& error) {
  fmt::print(stderr, "netsonde: {}\n", error.message());
  return 2;
}

}  // namespace

Result<int> run_tune(const Options& options) {
  // Whoever reads what we print, or a limit on files, does not end us between two steps.
  if (changes_something(options.tune.action))
    for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
  if (const Result<> checked = check_arguments(options); !checked) return refuse(checked.error());
  if (needs_root(options.tune.action) && geteuid() != 0)
    return Error("what was changed is kept for root alone: sudo netsonde tune ...");
  switch (options.tune.action) {
    case TuneAction::List: return list_settings(options);
    case TuneAction::Plan: return run_tune_plan(options);
    case TuneAction::ProfileList: return list_profiles(options);
    case TuneAction::ProfileShow: return show_profile(options);
    case TuneAction::Experiment: return run_tune_experiment(options);
    case TuneAction::Auto: return run_tune_auto(options);
    case TuneAction::Apply: return apply_plan(options);
    case TuneAction::Connection: return change_connections(options);
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
