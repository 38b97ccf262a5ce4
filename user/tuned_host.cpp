// SPDX-License-Identifier: Apache-2.0
#include "user/tuned_host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>
#include <ctime>
#include <fstream>

#include "tuner/guard.h"
#include "user/capture/links.h"

namespace netsonde {

namespace {

std::int64_t nanoseconds_of(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::uint64_t inode_of(const ChangeScope& scope) {
  if (scope.kind != ScopeKind::Namespace) return scope.netns;
  std::uint64_t inode = 0;
  std::from_chars(scope.name.data(), scope.name.data() + scope.name.size(), inode);
  return inode;
}

ChangeScope scope_of(const NamespaceIdentity& identity) {
  return {.kind = ScopeKind::Namespace,
          .name = std::to_string(identity.inode),
          .cookie = identity.cookie};
}

}  // namespace

Result<Instant> instant_now() {
  Instant now{.time_ns = nanoseconds_of(CLOCK_REALTIME),
              .boottime_ns = static_cast<std::uint64_t>(nanoseconds_of(CLOCK_BOOTTIME))};
  constexpr const char* kPath = "/proc/sys/kernel/random/boot_id";
  std::ifstream file(kPath);
  if (!(file >> now.boot)) return Error(std::string("read ") + kPath + ": it cannot be read");
  return now;
}

bool is_kept(const ChangeSet& set, const Instant& now) {
  if (set.state != SetState::Pending || !has_guard(kTunerDirectory, set.number)) return false;
  return set.deadline_ns ? set.deadline_ns > now.boottime_ns
                         : has_owner(kTunerDirectory, set.number);
}

std::uint64_t interrupted_set(const Ledger& ledger, const Instant& now) {
  const ChangeSet* open = ledger.unfinished();
  return open && open->state == SetState::Pending && !is_kept(*open, now) ? open->number : 0;
}

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

Result<Plan> empty_plan(std::string goal) {
  const Instant now = TRY(instant_now());
  return Plan{
      .time_ns = now.time_ns, .host = host_name(), .boot = now.boot, .goal = std::move(goal)};
}

Result<Namespaces> Namespaces::open() {
  UniqueFd home(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) return Error::from_errno("open own network namespace");
  return Namespaces(TRY(own_namespace()), std::move(home));
}

ChangeScope Namespaces::own() const {
  return scope_of(own_);
}

Result<const NetworkNamespace*> Namespaces::look_up(std::uint64_t inode) {
  if (const auto known = known_.find(inode); known != known_.end()) return &known->second;
  NetworkNamespaces all = network_namespaces();
  for (NetworkNamespace& one : all.found) known_.try_emplace(one.inode, std::move(one));
  const auto found = known_.find(inode);
  if (found != known_.end()) return &found->second;
  if (!all.not_opened) return nullptr;
  return Error(fmt::format("look for netns {}: {}", inode, all.problem));
}

std::optional<ChangeScope> Namespaces::find(std::uint64_t inode) {
  if (inode == own_.inode) return own();
  const auto found = look_up(inode);
  std::optional<ChangeScope> scope;
  if (!found || !found.value()) return scope;
  (void)inside(*found.value(), [&scope]() -> Result<> {
    scope = netsonde::scope_of(TRY(own_namespace()));
    return {};
  });
  return scope;
}

// The way back from another one can fail.
Result<> Namespaces::be_at_home() const {
  if (TRY(own_namespace()).inode == own_.inode) return {};
  if (setns(home_.get(), CLONE_NEWNET)) return Error::from_errno("return to own network namespace");
  return {};
}

// A namespace whose descriptor we hold does not go; one that had the inode before it has another
// cookie.
Result<bool> Namespaces::enter(const ChangeScope& scope,
                               const std::function<Result<>()>& function) {
  if (scope.kind == ScopeKind::Host || is_within(scope, own())) {
    TRY(be_at_home());
    TRY(function());
    return true;
  }
  const NetworkNamespace* found = TRY(look_up(inode_of(scope)));
  if (!found) return false;
  bool same = false;
  TRY(inside(*found, [&]() -> Result<> {
    same = TRY(own_namespace()).cookie == scope.cookie;
    return same ? function() : Result<>();
  }));
  return same;
}

SettingsOfHost::SettingsOfHost(Namespaces namespaces)
    : namespaces_(std::move(namespaces)),
      connections_(entering()),
      devices_(entering()),
      routes_(entering()) {
  by_kind_.add(ScopeKind::Connection, connections_);
  by_kind_.add(ScopeKind::Device, devices_);
  by_kind_.add(ScopeKind::Route, routes_);
}

Sysctl::Enter SettingsOfHost::entering() {
  return [this](const auto& scope, const auto& function) {
    return namespaces_.enter(scope, function);
  };
}

Result<std::unique_ptr<SettingsOfHost>> SettingsOfHost::open() {
  std::unique_ptr<SettingsOfHost> host(new SettingsOfHost(TRY(Namespaces::open())));
  host->sysctl_ = TRY(Sysctl::open("/proc/sys", host->entering()));
  host->by_kind_.add(ScopeKind::Host, *host->sysctl_);
  host->by_kind_.add(ScopeKind::Namespace, *host->sysctl_);
  return host;
}

ChangeScope SettingsOfHost::scope_of(const Tunable& tunable, const std::string& where) const {
  ChangeScope own = namespaces_.own();
  if (tunable.scope == ScopeKind::Host) return {};
  if (tunable.scope == ScopeKind::Namespace) return own;
  ChangeScope scope{
      .kind = tunable.scope, .name = where, .cookie = own.cookie, .netns = inode_of(own)};
  if (tunable.scope != ScopeKind::Device) return scope;
  auto links = Links::open();
  if (!links) return scope;
  if (const auto link = links.value().find(where); link && link.value()) {
    scope.index = link.value()->index;
    scope.address = link.value()->address;
  }
  return scope;
}

Result<> SettingsOfHost::check_names(const Plan& plan) {
  for (const Proposal& proposal : plan.proposals)
    if (proposal.scope.kind == ScopeKind::Device) TRY(devices_.check_name(proposal.scope));
  return {};
}

std::optional<ChangeScope> SettingsOfHost::route_to(const ChangeScope& space,
                                                    const Address& address) {
  const auto name = routes_.towards(space, address);
  if (!name || !name.value()) return std::nullopt;
  return ChangeScope{.kind = ScopeKind::Route,
                     .name = *name.value(),
                     .cookie = space.cookie,
                     .netns = inode_of(space)};
}

TunedHost::TunedHost(std::unique_ptr<SettingsOfHost> host, Journal journal)
    : host_(std::move(host)),
      journal_(std::move(journal)),
      engine_(host_->settings(), journal_.ledger(),
              [this](const Record& record) { return journal_.append(record); }) {}

Result<std::unique_ptr<TunedHost>> TunedHost::open() {
  if (geteuid() != 0) return Error("changing settings needs root: sudo netsonde tune ...");
  auto host = TRY(SettingsOfHost::open());
  Journal journal = TRY(Journal::open(kTunerDirectory));
  return std::unique_ptr<TunedHost>(new TunedHost(std::move(host), std::move(journal)));
}

const ChangeSet* TunedHost::interrupted() {
  const ChangeSet* open = ledger().unfinished();
  const Instant now{.boottime_ns = static_cast<std::uint64_t>(nanoseconds_of(CLOCK_BOOTTIME))};
  return open && !is_kept(*open, now) ? open : nullptr;
}

}  // namespace netsonde
