// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/tuned_host.h"

namespace netsonde {

// What an argument names.
struct NamedSetting {
  const Tunable* tunable = nullptr;
  std::string where{};  // the device, or the route's destination; empty: any, or it is of neither
};
// "net.core.somaxconn", "device.txqueuelen", "device.txqueuelen@eth0".
Result<NamedSetting> named_setting(const std::string& text);
// Whether a proposal is of a setting that one of these names; of those that are none, none is.
bool names_any(const std::vector<std::string>& settings, const Proposal& proposal);

// What an argument asks for.
struct WantedSetting : NamedSetting {
  std::string value{};
};

// "net.core.somaxconn=5000", "device.txqueuelen@eth0=2000", "route.initcwnd@10.0.0.0/8=20".
Result<WantedSetting> wanted_setting(const std::string& text);
// Fails, and tells what there is, when that device or that route is not there.
Result<> check_place(const NamedSetting& setting, SettingsOfHost& host);

// Fails, and tells what there is, on a congestion control that is not available in that network
// namespace: no module is loaded for it.
Result<> check_congestion(std::string_view name, const ChangeScope& space, SettingsOfHost& host);
// On any that the plan wants: of new connections, of those to somewhere, of live ones.
Result<> check_congestion(const Plan& plan, SettingsOfHost& host);
// A default congestion control that the first network namespace does not allow to everybody yet it
// allows from then on, as the kernel does it: that becomes a change of its own, which is undone
// too.
Result<> add_what_is_allowed(Plan& plan, SettingsOfHost& host);

}  // namespace netsonde
