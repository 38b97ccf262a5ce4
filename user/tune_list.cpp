// SPDX-License-Identifier: Apache-2.0
#include "user/tune_list.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "user/base/text.h"
#include "user/capture/netns.h"
#include "user/tune_output.h"
#include "user/tune_place.h"
#include "user/tuned_host.h"

namespace netsonde {

namespace {

// Without root nobody can look into it; that is no reason not to list the values.
Ledger known_changes() {
  auto ledger = Journal::look(kTunerDirectory);
  return ledger ? std::move(ledger).value() : Ledger();
}

Result<std::vector<NamedSetting>> wanted_settings(const TuneOptions& options) {
  std::vector<NamedSetting> wanted;
  for (const std::string& text : options.settings) wanted.push_back(TRY(named_setting(text)));
  if (options.settings.empty())
    for (const Tunable& tunable : tunables()) wanted.push_back({.tunable = &tunable});
  return wanted;
}

class Lister {
 public:
  Lister(SettingsOfHost& host, const Instant& now)
      : host_(host),
        boot_(now.boot),
        ledger_(known_changes()),
        interrupted_(interrupted_set(ledger_, now)) {}

  // One for each device, for each route.
  std::vector<ListedSetting> look(const Tunable& tunable) {
    if (is_sysctl(tunable)) return {look_at_sysctl(tunable)};
    if (tunable.scope == ScopeKind::Connection)
      return {{.tunable = &tunable,
               .why_not = "each connection has its own: netsonde tune connection"}};
    std::vector<ListedSetting> settings =
        tunable.scope == ScopeKind::Device ? look_at_devices(tunable) : look_at_routes(tunable);
    if (settings.empty())
      settings.push_back(
          {.tunable = &tunable, .why_not = fmt::format("there is no {}", name_of(tunable.scope))});
    return settings;
  }
  const std::vector<std::string>& not_read() const { return at_boot_.not_read(); }

 private:
  static bool are_read_here() {
    const auto own = own_namespace();
    return !own || is_first_namespace(own.value().inode).value_or(true);
  }
  ListedSetting look_at_sysctl(const Tunable& tunable) {
    ListedSetting setting{.tunable = &tunable};
    if (tunable.scope == ScopeKind::Host || is_first_) setting.at_boot = at_boot_.find(tunable.key);
    read_into(setting);
    return setting;
  }

  std::vector<ListedSetting> look_at_devices(const Tunable& tunable) {
    if (!devices_) devices_ = host_.devices();
    if (!*devices_) return {{.tunable = &tunable, .why_not = devices_->error().message()}};
    std::vector<ListedSetting> settings;
    for (const std::string& device : devices_->value()) {
      settings.push_back({.tunable = &tunable, .where = device});
      read_into(settings.back());
    }
    return settings;
  }

  std::vector<ListedSetting> look_at_routes(const Tunable& tunable) {
    if (!routes_) routes_ = host_.routes();
    if (!*routes_) return {{.tunable = &tunable, .why_not = routes_->error().message()}};
    std::vector<ListedSetting> settings;
    for (const RouteSettings::Values& route : routes_->value()) {
      ListedSetting setting{.tunable = &tunable, .where = route.name, .why_not = route.why_not};
      const auto value = route.values.find(tunable.key);
      if (value != route.values.end()) setting.value = value->second;
      note_set(host_.scope_of(tunable, route.name), setting);
      settings.push_back(std::move(setting));
    }
    return settings;
  }

  void read_into(ListedSetting& setting) {
    const ChangeScope scope = host_.scope_of(*setting.tunable, setting.where);
    const auto value = host_.settings().read(scope, setting.tunable->key);
    if (value) setting.value = value.value();
    setting.why_not = value ? why_not(scope, setting) : value.error().message();
    note_set(scope, setting);
  }
  std::string why_not(const ChangeScope& scope, const ListedSetting& setting) const {
    if (!setting.value) return "this kernel, or this " + here(scope) + ", does not have it";
    const auto can = host_.settings().can_be_written(scope, setting.tunable->key);
    return can && !can.value() ? "here it may only be read" : "";
  }
  static std::string here(const ChangeScope& scope) {
    return scope.kind == ScopeKind::Device ? "device" : "namespace";
  }
  // A pending one is the last.
  void note_set(const ChangeScope& scope, ListedSetting& setting) const {
    setting.has_journal = geteuid() == 0;
    for (const ChangeSet& set : ledger_.sets())
      for (const Change& change : set.changes)
        if (set.boot == boot_ && is_in_force(set, change) && change.read_back == setting.value &&
            change.proposal.key == setting.tunable->key && change.proposal.scope == scope) {
          setting.set = set.number;
          setting.outcome =
              set.state == SetState::Pending ? outcome_of(set, change, interrupted_) : "";
        }
  }

  SettingsOfHost& host_;
  std::string boot_;
  Ledger ledger_;
  std::uint64_t interrupted_;
  DropIns at_boot_ = DropIns::read();
  // Nobody reads them for others.
  bool is_first_ = are_read_here();
  std::optional<Result<std::vector<std::string>>> devices_;
  std::optional<Result<std::vector<RouteSettings::Values>>> routes_;
};

// There are many devices and routes, and of most nothing is set.
bool is_worth_a_line(const ListedSetting& setting) {
  return setting.value &&
         (is_sysctl(*setting.tunable) || !is_standard(*setting.tunable, *setting.value));
}

void print(const std::vector<ListedSetting>& listed, const Options& options) {
  if (options.json)
    for (const ListedSetting& setting : listed) fmt::print("{}\n", to_line(to_json(setting)));
  else if (options.tune.settings.empty())
    fmt::print("{}", list_text(listed));
  else
    for (const ListedSetting& setting : listed) fmt::print("{}", details_text(setting));
}

}  // namespace

Result<int> list_settings(const Options& options) {
  const std::vector<NamedSetting> wanted = TRY(wanted_settings(options.tune));
  auto host = TRY(SettingsOfHost::open());
  Lister lister(*host, TRY(instant_now()));
  const bool all = options.tune.all || !options.tune.settings.empty();
  std::vector<ListedSetting> listed;
  for (const NamedSetting& one : wanted) {
    if (!one.where.empty()) TRY(check_place(one, *host));
    for (ListedSetting& setting : lister.look(*one.tunable))
      if ((one.where.empty() || one.where == setting.where) && (all || is_worth_a_line(setting)))
        listed.push_back(std::move(setting));
  }
  print(listed, options);
  for (const std::string& problem : lister.not_read())
    fmt::print(stderr, "netsonde: not read: {}\n", printable(problem));
  return 0;
}

}  // namespace netsonde
