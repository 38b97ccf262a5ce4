// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/settings.h"
#include "tuner/sysctl.h"
#include "user/capture/socket_options.h"

namespace netsonde {

// What the catalogue has of connections. The BPF program that reaches them is loaded when one is
// wanted. Those of a plan are reached fastest in the order in which they are listed.
class ConnectionSettings : public Settings {
 public:
  explicit ConnectionSettings(Sysctl::Enter enter) : enter_(std::move(enter)) {}

  Result<std::optional<std::string>> read(const ChangeScope& scope, std::string_view key) override;
  Result<bool> can_be_written(const ChangeScope& scope, std::string_view key) override;
  Result<> write(const ChangeScope& scope, const Tunable& tunable, std::string_view value) override;

  // Those of a namespace; none where that is gone.
  Result<std::vector<opt_values>> list(const ChangeScope& space);

 private:
  Result<SocketWalk*> walk();
  Result<std::optional<opt_answer>> visit(const ChangeScope& scope, const opt_request& request);

  Sysctl::Enter enter_;
  std::optional<SocketWalk> walk_;
};

// As normal_value() has it; fails where that could not be written again.
Result<std::string> value_of(std::string_view key, const opt_values& values);

}  // namespace netsonde
