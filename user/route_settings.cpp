// SPDX-License-Identifier: Apache-2.0
#include "user/route_settings.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "tuner/scope_name.h"
#include "user/base/prefix.h"
#include "user/capture/route_table.h"

namespace netsonde {

namespace {

constexpr std::string_view kNoControl = "default";

struct RouteSetting {
  std::string_view key{};
  std::uint16_t metric = 0;
};

constexpr std::array kSettings = {
    RouteSetting{.key = "route.congestion_control", .metric = RTAX_CC_ALGO},
    RouteSetting{.key = "route.initcwnd", .metric = RTAX_INITCWND},
    RouteSetting{.key = "route.initrwnd", .metric = RTAX_INITRWND},
    RouteSetting{.key = "route.quickack", .metric = RTAX_QUICKACK},
    RouteSetting{.key = "route.rto_min", .metric = RTAX_RTO_MIN},
};

Result<const RouteSetting*> setting_of(std::string_view key) {
  for (const RouteSetting& setting : kSettings)
    if (setting.key == key) return &setting;
  return Error(std::string(key) + " is none of a route's");
}

std::string value_of(const Route& route, const RouteSetting& setting) {
  if (setting.metric == RTAX_CC_ALGO)
    return route.congestion_control.empty() ? std::string(kNoControl) : route.congestion_control;
  const auto found = route.metrics.find(setting.metric);
  return std::to_string(found == route.metrics.end() ? 0 : found->second);
}

// A minimum that is not locked, which the kernel does not heed, would come back as one that is.
bool can_be_written_back(const Route& route, const RouteSetting& setting) {
  if (!route.why_fixed.empty()) return false;
  return setting.metric != RTAX_RTO_MIN || !route.metrics.contains(RTAX_RTO_MIN) ||
         route.is_locked(RTAX_RTO_MIN);
}

Result<RouteMetric> metric_of(const RouteSetting& setting, std::string_view value) {
  RouteMetric metric{.type = setting.metric};
  if (setting.metric == RTAX_CC_ALGO) {
    if (value != kNoControl) metric.text = value;
    return metric;
  }
  const auto [end, error] =
      std::from_chars(value.data(), value.data() + value.size(), metric.number);
  if (error == std::errc() && end == value.data() + value.size()) return metric;
  return Error("that is no number");
}

std::string several(std::size_t count, const std::string& name) {
  return fmt::format("{} routes lead to {}: which is meant cannot be said", count, name);
}

// Absent: none leads there. Fails where several do.
Result<std::optional<Route>> route_to(RouteTable& table, const std::string& name) {
  std::vector<Route> routes = TRY(table.all());
  const auto destination = parse_prefix(name);
  std::erase_if(routes, [&](const Route& route) { return route.destination != destination; });
  if (routes.size() > 1) return Error(several(routes.size(), name));
  if (routes.empty()) return std::optional<Route>();
  return std::optional(std::move(routes.front()));
}

Result<> write_here(const std::string& name, const RouteSetting& setting, std::string_view value) {
  RouteTable table = TRY(RouteTable::open());
  const auto route = TRY(route_to(table, name));
  if (!route) return Error("it is gone");
  if (!can_be_written_back(*route, setting))
    return Error("it may only be read: " + route->why_fixed);
  const RouteMetric metric = TRY(metric_of(setting, value));
  return table.replace(*route, metric);
}

RouteSettings::Values values_of(const Route& route) {
  RouteSettings::Values values{.name = to_text(route.destination), .why_not = route.why_fixed};
  for (const RouteSetting& setting : kSettings)
    values.values.emplace(setting.key, value_of(route, setting));
  return values;
}

}  // namespace

Result<std::optional<std::string>> RouteSettings::read(const ChangeScope& scope,
                                                       std::string_view key) {
  TRY(check_scope_name(ScopeKind::Route, scope.name));
  const RouteSetting* setting = TRY(setting_of(key));
  std::optional<std::string> value;
  TRY(enter_(scope, [&]() -> Result<> {
    RouteTable table = TRY(RouteTable::open());
    if (const auto route = TRY(route_to(table, scope.name))) value = value_of(*route, *setting);
    return {};
  }));
  return value;
}

Result<bool> RouteSettings::can_be_written(const ChangeScope& scope, std::string_view key) {
  TRY(check_scope_name(ScopeKind::Route, scope.name));
  const RouteSetting* setting = TRY(setting_of(key));
  bool can = false;
  TRY(enter_(scope, [&]() -> Result<> {
    RouteTable table = TRY(RouteTable::open());
    const auto route = TRY(route_to(table, scope.name));
    can = route && can_be_written_back(*route, *setting);
    return {};
  }));
  return can;
}

Result<> RouteSettings::write(const ChangeScope& scope, const Tunable& tunable,
                              std::string_view value) {
  TRY(check_scope_name(ScopeKind::Route, scope.name));
  TRY(check_value(tunable, value));
  const RouteSetting* setting = TRY(setting_of(tunable.key));
  Result<> written;
  const bool there = TRY(enter_(scope, [&]() -> Result<> {
    written = write_here(scope.name, *setting, value);
    return {};
  }));
  if (!there) return Error(fmt::format("{}: {} is gone", tunable.key, to_text(scope)));
  if (written) return {};
  return std::move(written).error().while_doing(
      fmt::format("set {} of {} to {}", tunable.key, scope.name, value));
}

Result<std::vector<RouteSettings::Values>> RouteSettings::look(const ChangeScope& space) {
  std::vector<Route> routes;
  TRY(enter_(space, [&]() -> Result<> {
    RouteTable table = TRY(RouteTable::open());
    routes = TRY(table.all());
    return {};
  }));
  std::map<std::string, std::vector<const Route*>> by_name;
  for (const Route& route : routes) by_name[to_text(route.destination)].push_back(&route);
  std::vector<Values> all;
  for (const auto& [name, same] : by_name)
    all.push_back(same.size() == 1 ? values_of(*same.front())
                                   : Values{.name = name, .why_not = several(same.size(), name)});
  return all;
}

Result<std::optional<std::string>> RouteSettings::towards(const ChangeScope& space,
                                                          const Address& address) {
  const std::vector<Values> routes = TRY(look(space));
  const Values* best = nullptr;
  int bits = 0;
  for (const Values& route : routes) {
    const auto destination = parse_prefix(route.name);
    if (!destination || destination->bits <= bits || !contains(*destination, address)) continue;
    best = &route;
    bits = destination->bits;
  }
  if (!best || !best->why_not.empty()) return std::optional<std::string>();
  return std::optional(best->name);
}

}  // namespace netsonde
