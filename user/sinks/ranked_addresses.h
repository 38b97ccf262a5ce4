// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "user/base/json.h"
#include "user/model/address_ranking.h"

namespace netsonde {

// The addresses of one target, best first: a list of objects.
Json to_json(std::span<const RankedAddress> ranked);
// A table of them, with what a client that races addresses would take.
std::string to_text(std::span<const RankedAddress> ranked);

}  // namespace netsonde
