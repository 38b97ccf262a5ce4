// SPDX-License-Identifier: Apache-2.0
#include "user/guarded_change.h"

#include <fmt/format.h>
#include <syslog.h>

#include <algorithm>
#include <cstdio>

#include "tuner/guard.h"
#include "user/tune_output.h"
#include "user/tune_place.h"

namespace netsonde {

namespace {

// What cannot be told must not keep anything from being undone.
void tell(const std::string& text) {
  (void)std::fputs(text.c_str(), stderr);
}

// In the guard: nobody reads what it prints.
void log_rollback(std::uint64_t number, const ChangeSet& set, const std::string& why,
                  std::string_view how) {
  openlog("netsonde", LOG_PID, LOG_DAEMON);
  syslog(LOG_WARNING, "change set %llu, %s, is rolled back%s: %s",
         static_cast<unsigned long long>(number), why.c_str(), std::string(how).c_str(),
         undone_text(set).c_str());
}

// The journal is gone, or cannot be had: what was there is known all the same.
Result<bool> roll_back_from_memory(const ChangeSet& begun, const std::string& why,
                                   const Instant& now) {
  auto host = TRY(SettingsOfHost::open());
  Ledger ledger = ChangeEngine::remembered(begun);
  ChangeEngine engine(host->settings(), ledger, [](const Record&) { return Result<>(); });
  TRY(engine.roll_back(1, why, now));
  log_rollback(begun.number, ledger.sets()[0], why, ", without the journal");
  return ledger.sets()[0].state != SetState::Stuck;
}

std::size_t gone_of(const ChangeSet& set) {
  return static_cast<std::size_t>(
      std::ranges::count(set.changes, ChangeState::Vanished, &Change::state));
}

// By a journal that somebody holds and does not let go.
bool has_ended(const ChangeSet& begun) {
  const auto ledger = Journal::look(kTunerDirectory);
  const ChangeSet* set = ledger ? ledger.value().find(begun.number) : nullptr;
  return set && set->time_ns == begun.time_ns && set->state != SetState::Pending &&
         set->state != SetState::Stuck;
}

Result<bool> roll_back_as_guard(const ChangeSet& begun, const std::string& why) {
  const Instant now = TRY(instant_now());
  auto tuned = TunedHost::open();
  if (!tuned && has_ended(begun)) return true;
  const ChangeSet* set = tuned ? tuned.value()->ledger().find(begun.number) : nullptr;
  if (!set || set->time_ns != begun.time_ns) return roll_back_from_memory(begun, why, now);
  if (set->state != SetState::Pending && set->state != SetState::Stuck) return true;
  TRY(tuned.value()->engine().roll_back(begun.number, why, now));
  const ChangeSet undone = *tuned.value()->ledger().find(begun.number);
  tuned.value().reset();  // whoever listens to the log may not go on
  log_rollback(begun.number, undone, why, "");
  return undone.state != SetState::Stuck;
}

}  // namespace

Undisturbed::Undisturbed() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU})
    sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, &before_);
}

Result<> undo_interrupted(TunedHost& host) {
  while (const ChangeSet* left = host.interrupted()) {
    const std::uint64_t number = left->number;
    TRY(host.engine().recover(TRY(instant_now())));
    const ChangeSet& set = *host.ledger().find(number);
    tell(fmt::format("netsonde: change set {} was interrupted\n{}", number, undone_text(set)));
    if (set.state == SetState::Stuck) return Error("it could not be undone wholly");
  }
  return {};
}

Result<> undo_interrupted() {
  return undo_interrupted(*TRY(TunedHost::open()));
}

Result<Applied> apply(const Plan& wanted, Nanos deadline_after) {
  TRY(check_twice(wanted.proposals));
  auto host = TRY(TunedHost::open());
  Plan plan = wanted;
  TRY(add_what_is_allowed(plan, host->host()));
  const Undisturbed undisturbed;
  const Instant now = TRY(instant_now());
  const bool bound = deadline_after == Nanos(0);
  const std::uint64_t deadline =
      bound ? 0 : now.boottime_ns + static_cast<std::uint64_t>(deadline_after.count());
  const std::uint64_t number = TRY(host->engine().begin(plan, deadline, now));
  const ChangeSet begun = *host->ledger().find(number);
  const Result<> guarded = start_guard({.directory = kTunerDirectory,
                                        .set = number,
                                        .begun_ns = begun.time_ns,
                                        .deadline_ns = deadline,
                                        .bound = bound,
                                        .act = [&begun](const std::string& why) {
                                          const auto done = roll_back_as_guard(begun, why);
                                          return done && done.value();
                                        }});
  if (!guarded) {
    TRY(host->engine().roll_back(number, guarded.error().message(), now));
    return guarded.error();
  }
  const auto in_time = [deadline, number]() -> Result<> {
    if (!has_guard(kTunerDirectory, number)) return Error("the guard has died");
    if (deadline && TRY(instant_now()).boottime_ns >= deadline)
      return Error("the time to confirm is over before all was written");
    return {};
  };
  auto owner = bound ? own(kTunerDirectory, number) : Result<UniqueFd>(UniqueFd());
  if (!owner) {
    TRY(host->engine().roll_back(number, owner.error().message(), now));
    return std::move(owner).error();
  }
  if (Result<> written = host->engine().write(number, now, in_time); !written)
    return Error(fmt::format("{}; change set {} is {}", written.error().message(), number,
                             name_of(host->ledger().find(number)->state)));
  if (Result<> still = in_time(); !still) {
    TRY(host->engine().roll_back(number, still.error().message(), now));
    return std::move(still).error();
  }
  return Applied{.set = number,
                 .begun_ns = begun.time_ns,
                 .gone = gone_of(*host->ledger().find(number)),
                 .owner = std::move(owner).value()};
}

}  // namespace netsonde
