// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "user/model/comparison.h"

namespace netsonde {

// What an experiment found, and what it was.
struct ExperimentReport {
  std::string url{}, address{};
  std::size_t blocks = 0, blocks_wanted = 0, units = 0;
  std::uint64_t seed = 0, requests = 0;
  std::string ended_early{};  // why; empty: it did not
  std::vector<FactorFigures> factors{};
  std::vector<ArmComparison> comparisons{};

  // Whether any two arms have a block in common.
  bool measured() const;
};

// A table per factor, and what to do.
std::string to_text(const ExperimentReport& report);
// One object per comparison and per arm that is not available, and a summary.
std::string to_json_lines(const ExperimentReport& report, std::int64_t now_ns);

}  // namespace netsonde
