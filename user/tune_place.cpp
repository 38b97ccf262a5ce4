// SPDX-License-Identifier: Apache-2.0
#include "user/tune_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "tuner/catalogue_connection.h"
#include "tuner/scope_name.h"
#include "user/base/prefix.h"
#include "user/base/text.h"
#include "user/capture/host.h"
#include "user/capture/netns.h"

namespace netsonde {

namespace {

// Of what there is, so many are told.
constexpr std::size_t kMostNames = 20;

std::string_view word_for_place(ScopeKind kind) {
  return kind == ScopeKind::Route ? "DESTINATION" : "DEVICE";
}

Result<> check_has_place(const Tunable& tunable, bool has_place) {
  if (tunable.scope == ScopeKind::Connection)
    return Error(fmt::format(
        "{} is of single connections: netsonde tune connection --where FILTER ...", tunable.key));
  if (is_sysctl(tunable) && has_place)
    return Error(fmt::format("{} is no setting of a device or a route: no @", tunable.key));
  if (is_sysctl(tunable) || has_place) return {};
  return Error(fmt::format("{0} is of a {1}: {0}@{2}=VALUE", tunable.key, name_of(tunable.scope),
                           word_for_place(tunable.scope)));
}

// A destination may be written in several ways.
Result<std::string> place_named(const Tunable& tunable, const std::string& text) {
  std::string where = text;
  if (const auto prefix = parse_prefix(text); prefix && tunable.scope == ScopeKind::Route)
    where = to_text(*prefix);
  if (check_scope_name(tunable.scope, where)) return where;
  return Error(fmt::format("{}: '{}' is no {}", tunable.key, printable(text),
                           tunable.scope == ScopeKind::Route
                               ? "destination as default, 10.0.0.0/8 or 2001:db8::/32"
                               : "name of a device"));
}

std::string list_of(const std::vector<std::string>& names) {
  if (names.empty()) return "there is none at all";
  const std::size_t count = std::min(names.size(), kMostNames);
  std::string text = fmt::format(
      "there are {}",
      fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count), ", "));
  if (names.size() > count) text += fmt::format(" and {} more", names.size() - count);
  return text;
}

Result<std::vector<std::string>> places(ScopeKind kind, SettingsOfHost& host) {
  if (kind == ScopeKind::Device) return host.devices();
  std::vector<std::string> names;
  for (RouteSettings::Values& route : TRY(host.routes())) names.push_back(std::move(route.name));
  return names;
}

constexpr std::array kOfCongestion = {std::string_view("net.ipv4.tcp_congestion_control"),
                                      std::string_view("net.ipv4.tcp_allowed_congestion_control"),
                                      std::string_view("route.congestion_control"),
                                      kConnectionCongestion};

ChangeScope space_of(const ChangeScope& scope) {
  if (scope.kind == ScopeKind::Namespace) return scope;
  return {
      .kind = ScopeKind::Namespace, .name = std::to_string(scope.netns), .cookie = scope.cookie};
}

}  // namespace

Result<NamedSetting> named_setting(const std::string& text) {
  const std::size_t at = text.find('@');
  const std::string key = normal_value(text.substr(0, at));
  NamedSetting named{.tunable = find_tunable(key)};
  if (!named.tunable)
    return Error(printable(key) + " is not in the catalogue (netsonde tune list --all)");
  if (at == std::string::npos) return named;
  TRY(check_has_place(*named.tunable, true));
  named.where = TRY(place_named(*named.tunable, text.substr(at + 1)));
  return named;
}

bool names_any(const std::vector<std::string>& settings, const Proposal& proposal) {
  return std::ranges::any_of(settings, [&proposal](const std::string& text) {
    const auto named = named_setting(text);
    return named && named.value().tunable->key == proposal.key &&
           (named.value().where.empty() || named.value().where == proposal.scope.name);
  });
}

// The name of a device may have an "=" in it, no value has.
Result<WantedSetting> wanted_setting(const std::string& text) {
  const std::size_t sign = text.find_first_of("@=");
  const std::size_t equals = text.rfind('=');
  const bool has_place = sign != std::string::npos && text[sign] == '@';
  const std::size_t begin_of_value = has_place ? equals : sign;
  if (equals == std::string::npos || begin_of_value < sign)
    return Error("'" + printable(text) + "' is not KEY=VALUE");
  WantedSetting wanted{TRY(named_setting(text.substr(0, begin_of_value)))};
  TRY(check_has_place(*wanted.tunable, has_place));
  const std::string value = text.substr(begin_of_value + 1);
  TRY(check_value(*wanted.tunable, normal_value(value)));
  wanted.value = normal_value(*wanted.tunable, value);
  return wanted;
}

Result<> check_place(const NamedSetting& setting, SettingsOfHost& host) {
  if (is_sysctl(*setting.tunable)) return {};
  const ScopeKind kind = setting.tunable->scope;
  const std::vector<std::string> names = TRY(places(kind, host));
  if (std::ranges::find(names, setting.where) != names.end()) return {};
  return Error(fmt::format("{}: there is no {} {}; {}", setting.tunable->key,
                           kind == ScopeKind::Route ? "route to" : "device", setting.where,
                           list_of(names)));
}

constexpr std::string_view kDefaultControl = "net.ipv4.tcp_congestion_control";
constexpr std::string_view kAllowedControls = "net.ipv4.tcp_allowed_congestion_control";

std::optional<bool> is_first(const ChangeScope& space) {
  return is_first_namespace(std::strtoull(space.name.c_str(), nullptr, 10));
}

bool has_word(const std::string& text, std::string_view word) {
  std::istringstream words(text);
  for (std::string one; words >> one;)
    if (one == word) return true;
  return false;
}

// Others than the first may take as their default only what that one allows everybody.
Result<> check_allowed(std::string_view name, const ChangeScope& space, SettingsOfHost& host) {
  if (is_first(space).value_or(true)) return {};
  const auto value = TRY(host.settings().read(ChangeScope(), kAllowedControls));
  if (has_word(value.value_or(""), name)) return {};
  return Error(fmt::format(
      "congestion control {} is not allowed to netns {}: net.ipv4.tcp_allowed_congestion_control "
      "of the first one has {}",
      printable(name), space.name, value ? *value : "nothing"));
}

Result<> check_congestion(std::string_view name, const ChangeScope& space, SettingsOfHost& host) {
  std::vector<std::string> available;
  const bool is_there = TRY(host.namespaces().enter(space, [&available]() -> Result<> {
    available = congestion_controls();
    return {};
  }));
  if (!is_there || std::ranges::find(available, name) != available.end()) return {};
  return Error(fmt::format(
      "congestion control {} is not available in netns {}, which has {}; a module must be "
      "loaded first",
      printable(name), space.name, fmt::join(available, " ")));
}

Result<> check_congestion(const Plan& plan, SettingsOfHost& host) {
  std::set<std::pair<std::string, std::string>> checked;  // a thousand connections want the same
  for (const Proposal& proposal : plan.proposals) {
    if (std::ranges::find(kOfCongestion, proposal.key) == kOfCongestion.end()) continue;
    const ChangeScope space = space_of(proposal.scope);
    const bool is_none = proposal.scope.kind == ScopeKind::Route &&
                         is_standard(*find_tunable(proposal.key), proposal.to);
    if (is_none || !checked.emplace(space.name, proposal.to).second) continue;
    std::istringstream names(proposal.to);
    for (std::string name; names >> name;) {
      TRY(check_congestion(name, space, host));
      if (proposal.key == "net.ipv4.tcp_congestion_control") TRY(check_allowed(name, space, host));
    }
  }
  return {};
}

Result<> add_what_is_allowed(Plan& plan, SettingsOfHost& host) {
  const auto wanted = std::ranges::find(plan.proposals, kDefaultControl, &Proposal::key);
  const auto allowed = std::ranges::find(plan.proposals, kAllowedControls, &Proposal::key);
  if (wanted == plan.proposals.end() || allowed != plan.proposals.end() ||
      !is_first(wanted->scope).value_or(false))
    return {};
  const auto before = TRY(host.settings().read(ChangeScope(), kAllowedControls));
  if (!before || has_word(*before, wanted->to)) return {};
  // The kernel lists them in the order of those that are available.
  std::vector<std::string> after = congestion_controls();
  std::erase_if(
      after, [&](const std::string& one) { return one != wanted->to && !has_word(*before, one); });
  const Tunable& tunable = *find_tunable(kAllowedControls);
  plan.proposals.insert(wanted,
                        Proposal{.key = std::string(kAllowedControls),
                                 .from = *before,
                                 .to = fmt::format("{}", fmt::join(after, " ")),
                                 .evidence = wanted->evidence,
                                 .finding = wanted->finding,
                                 .expected = "what is the default is allowed to every program",
                                 .risk = std::string(tunable.risk),
                                 .verify = "read back"});
  return {};
}

}  // namespace netsonde
