// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <functional>

#include "tuner/catalogue_connection.h"
#include "tuner/catalogue_core.h"
#include "tuner/catalogue_device.h"
#include "tuner/catalogue_other.h"
#include "tuner/catalogue_route.h"
#include "tuner/catalogue_tcp.h"
#include "tuner/tunable.h"

namespace netsonde {

namespace {

constexpr auto kTunables = [] {
  std::array<Tunable, kCoreTunables.size() + kTcpTunables.size() + kOtherTunables.size() +
                          kDeviceTunables.size() + kRouteTunables.size() +
                          kConnectionTunables.size()>
      all{};
  auto next = std::ranges::copy(kCoreTunables, all.begin()).out;
  next = std::ranges::copy(kTcpTunables, next).out;
  next = std::ranges::copy(kOtherTunables, next).out;
  next = std::ranges::copy(kDeviceTunables, next).out;
  next = std::ranges::copy(kRouteTunables, next).out;
  std::ranges::copy(kConnectionTunables, next);
  std::ranges::sort(all, {}, &Tunable::key);
  return all;
}();

static_assert(std::ranges::adjacent_find(kTunables, std::greater_equal<>(), &Tunable::key) ==
                  kTunables.end(),
              "the catalogue is not sorted, or a key stands in it twice");
static_assert(std::ranges::all_of(kTunables,
                                  [](const Tunable& row) { return row.floor <= row.ceiling; }));
constexpr std::string_view beginning_of_keys(ScopeKind kind) {
  switch (kind) {
    case ScopeKind::Host:
    case ScopeKind::Namespace: return "net.";
    case ScopeKind::Device: return "device.";
    case ScopeKind::Route: return "route.";
    case ScopeKind::Connection: return "connection.";
  }
  return {};
}

static_assert(std::ranges::all_of(kTunables, [](const Tunable& row) {
  return row.key.starts_with(beginning_of_keys(row.scope)) && !row.meaning.empty() &&
         !row.risk.empty();
}));

}  // namespace

std::span<const Tunable> tunables() {
  return kTunables;
}

const Tunable* find_tunable(std::string_view key) {
  const auto found = std::ranges::lower_bound(kTunables, key, {}, &Tunable::key);
  return found != kTunables.end() && found->key == key ? &*found : nullptr;
}

}  // namespace netsonde
