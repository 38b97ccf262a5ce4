// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tuner/sysctl.h"

namespace netsonde {

// The settings of the routes in the main table. A destination to which several routes lead (of
// other metrics, types of service, devices) is not one that could be meant.
class RouteSettings : public Settings {
 public:
  explicit RouteSettings(Sysctl::Enter enter) : enter_(std::move(enter)) {}

  Result<std::optional<std::string>> read(const ChangeScope& scope, std::string_view key) override;
  Result<bool> can_be_written(const ChangeScope& scope, std::string_view key) override;
  Result<> write(const ChangeScope& scope, const Tunable& tunable, std::string_view value) override;

  struct Values {
    std::string name{};
    std::string why_not{};                             // empty: they may be changed
    std::map<std::string_view, std::string> values{};  // by key; none where several lead there
  };
  // All of a namespace with one look: tables can be long.
  Result<std::vector<Values>> look(const ChangeScope& space);
  // Which of them leads to an address, where it can be changed and does not lead everywhere; else
  // absent.
  Result<std::optional<std::string>> towards(const ChangeScope& space, const Address& address);

 private:
  Sysctl::Enter enter_;
};

}  // namespace netsonde
