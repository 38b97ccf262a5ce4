// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "user/model/test_results.h"

namespace netsonde {

// What a stage of a test, or a level of its sweep, may use. What others before it left is divided
// among it and those that follow.

// Of what is left, the part of the first of the stages that are still to come; all: these and those
// that have been. Of the time each has a fixed part, but the last stage of all takes what there is.
TestBudget stage_share(const TestBudget& whole, const TestBudget& left,
                       std::span<const TestStage> all, std::size_t first);

// 1, 2, 4, ... and the most itself.
std::vector<std::size_t> sweep_levels(std::size_t most);
// Likewise of the first of the levels that are to come: higher ones need more, for each of their
// connections is opened first. Of the time each has the same.
TestBudget level_share(const TestBudget& left, std::span<const std::size_t> levels);

}  // namespace netsonde
