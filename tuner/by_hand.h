// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "tuner/record.h"

namespace netsonde {

// The lines of a shell that undo by hand what could not be undone:
// "sysctl -w net.core.somaxconn='4096'". Of a connection there is none: the line says what was
// there.
std::vector<std::string> by_hand(const ChangeSet& set);

}  // namespace netsonde
