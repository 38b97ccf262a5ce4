// SPDX-License-Identifier: Apache-2.0
#pragma once

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

}  // namespace netsonde
