// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "tuner/tunable.h"
#include "user/base/result.h"

namespace netsonde {

// Fails on what the kernel calls nothing of this kind, and on what could be called otherwise: a
// device has a name of printable ASCII that could stand in a path, a route its destination as
// to_text(Prefix) has it.
Result<> check_scope_name(ScopeKind kind, std::string_view name);

}  // namespace netsonde
