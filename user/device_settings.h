// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tuner/sysctl.h"
#include "user/base/fd.h"

namespace netsonde {

// The settings of network devices: over netlink, and in the sysfs of their namespace.
class DeviceSettings : public Settings {
 public:
  explicit DeviceSettings(Sysctl::Enter enter) : enter_(std::move(enter)) {}

  Result<std::optional<std::string>> read(const ChangeScope& scope, std::string_view key) override;
  Result<bool> can_be_written(const ChangeScope& scope, std::string_view key) override;
  Result<> write(const ChangeScope& scope, const Tunable& tunable, std::string_view value) override;

  // Fails where a device has another name by now: who reads a plan would mean another one.
  Result<> check_name(const ChangeScope& scope);
  // Those of a namespace that have a name with which they can be asked for.
  Result<std::vector<std::string>> names(const ChangeScope& space);

 private:
  // Of the namespace that we are in, whose cookie that is. Kept, for a mount takes its time to go.
  Result<int> sys(std::uint64_t cookie);
  Result<std::optional<std::string>> read_here(const ChangeScope& scope, std::string_view key);
  Result<> write_here(const ChangeScope& scope, std::string_view key, std::string_view value);

  Sysctl::Enter enter_;
  UniqueFd sys_;
  std::uint64_t sys_cookie_ = 0;
};

}  // namespace netsonde
