// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "tuner/settings.h"
#include "user/base/fd.h"

namespace netsonde {

// The settings below /proc/sys. Files are opened below that folder alone, through no link.
class Sysctl : public Settings {
 public:
  // Runs the function where the scope is; false when that is gone.
  using Enter = std::function<Result<bool>(const ChangeScope&, const std::function<Result<>()>&)>;

  static Result<Sysctl> open(const std::string& folder, Enter enter);

  Result<std::optional<std::string>> read(const ChangeScope& scope, std::string_view key) override;
  Result<bool> can_be_written(const ChangeScope& scope, std::string_view key) override;
  Result<> write(const ChangeScope& scope, const Tunable& tunable, std::string_view value) override;

 private:
  Sysctl(UniqueFd folder, Enter enter) : folder_(std::move(folder)), enter_(std::move(enter)) {}
  UniqueFd open_file(std::string_view key, int flags) const;

  UniqueFd folder_;
  Enter enter_;
};

}  // namespace netsonde
