// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tuner/plan.h"
#include "tuner/tunable.h"

namespace netsonde {

// Where settings are read and written: the kernel, or a test's idea of it.
class Settings {
 public:
  virtual ~Settings() = default;

  // As normal_value() has it. Absent: there is no such setting, or the scope is gone.
  virtual Result<std::optional<std::string>> read(const ChangeScope& scope,
                                                  std::string_view key) = 0;
  // False: here it may only be read.
  virtual Result<bool> can_be_written(const ChangeScope& scope, std::string_view key) = 0;
  // Only what check_value() lets pass. The kernel may make something else of it: read it back.
  virtual Result<> write(const ChangeScope& scope, const Tunable& tunable,
                         std::string_view value) = 0;
};

// Each kind of scope has its own. What has none is not available.
class SettingsByKind : public Settings {
 public:
  // Outlives it.
  void add(ScopeKind kind, Settings& settings) { by_kind_[kind] = &settings; }

  Result<std::optional<std::string>> read(const ChangeScope& scope, std::string_view key) override {
    Settings* settings = settings_of(scope);
    return settings ? settings->read(scope, key) : std::optional<std::string>();
  }
  Result<bool> can_be_written(const ChangeScope& scope, std::string_view key) override {
    Settings* settings = settings_of(scope);
    return settings ? settings->can_be_written(scope, key) : Result<bool>(false);
  }
  Result<> write(const ChangeScope& scope, const Tunable& tunable,
                 std::string_view value) override {
    if (Settings* settings = settings_of(scope)) return settings->write(scope, tunable, value);
    return Error(std::string(tunable.key) + ": not available here");
  }

 private:
  Settings* settings_of(const ChangeScope& scope) const {
    const auto found = by_kind_.find(scope.kind);
    return found == by_kind_.end() ? nullptr : found->second;
  }

  std::map<ScopeKind, Settings*> by_kind_;
};

}  // namespace netsonde
