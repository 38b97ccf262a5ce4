// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tuner/change_engine.h"
#include "tuner/journal.h"
#include "tuner/sysctl.h"
#include "user/capture/netns.h"
#include "user/connection_settings.h"
#include "user/device_settings.h"
#include "user/route_settings.h"

namespace netsonde {

// Where the journal lives.
inline constexpr const char* kTunerDirectory = "/var/lib/netsonde";

// On the clocks that changes are kept with.
Result<Instant> instant_now();

std::string host_name();
// Of this host, now.
Result<Plan> empty_plan(std::string goal);

// Whether a pending set has a guard, and its end still lies ahead: its time, or, where it is bound,
// whoever began it.
bool is_kept(const ChangeSet& set, const Instant& now);
// The set that has not ended and that nobody keeps any more; 0: none.
std::uint64_t interrupted_set(const Ledger& ledger, const Instant& now);

// The network namespaces of this host, entered when a setting of theirs is wanted.
class Namespaces {
 public:
  static Result<Namespaces> open();

  // The one that we are in.
  ChangeScope own() const;
  // By its inode; absent: there is none.
  std::optional<ChangeScope> find(std::uint64_t inode);
  // False: it is gone, or another one has its inode.
  Result<bool> enter(const ChangeScope& scope, const std::function<Result<>()>& function);

 private:
  Namespaces(NamespaceIdentity own, UniqueFd home) : own_(own), home_(std::move(home)) {}
  Result<> be_at_home() const;
  Result<const NetworkNamespace*> look_up(std::uint64_t inode);

  NamespaceIdentity own_;
  UniqueFd home_;
  std::map<std::uint64_t, NetworkNamespace> known_;
};

// The settings of this host, to be read. Stays where it is.
class SettingsOfHost {
 public:
  static Result<std::unique_ptr<SettingsOfHost>> open();

  Namespaces& namespaces() { return namespaces_; }
  Settings& settings() { return by_kind_; }
  ConnectionSettings& connections() { return connections_; }
  // Where a setting holds as seen from the own namespace; of a device or a route by its name.
  ChangeScope scope_of(const Tunable& tunable, const std::string& where = {}) const;
  // Fails where the plan calls a device by a name that it has not any more.
  Result<> check_names(const Plan& plan);

  // The route that leads to an address from a namespace, where it can be changed and does not lead
  // everywhere; else absent.
  std::optional<ChangeScope> route_to(const ChangeScope& space, const Address& address);

  // What there is in the own namespace.
  Result<std::vector<std::string>> devices() { return devices_.names(namespaces_.own()); }
  Result<std::vector<RouteSettings::Values>> routes() { return routes_.look(namespaces_.own()); }

 private:
  explicit SettingsOfHost(Namespaces namespaces);
  Sysctl::Enter entering();

  Namespaces namespaces_;
  std::optional<Sysctl> sysctl_;
  ConnectionSettings connections_;
  DeviceSettings devices_;
  RouteSettings routes_;
  SettingsByKind by_kind_;
};

// The same, to be changed: whoever has it is alone in changing this host. Stays where it is.
class TunedHost {
 public:
  static Result<std::unique_ptr<TunedHost>> open();

  SettingsOfHost& host() { return *host_; }
  Ledger& ledger() { return journal_.ledger(); }
  ChangeEngine& engine() { return engine_; }

  // A set that has not ended, though its guard is gone or its time is over.
  const ChangeSet* interrupted();

 private:
  TunedHost(std::unique_ptr<SettingsOfHost> host, Journal journal);

  std::unique_ptr<SettingsOfHost> host_;
  Journal journal_;
  ChangeEngine engine_;
};

}  // namespace netsonde
