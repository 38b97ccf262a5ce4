// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/model/advice.h"
#include "user/model/statistics.h"

namespace netsonde {

// What probes and experiments found of one target.
struct MeasuredEndpoint {
  ProbedEndpoint probed{};
  Statistics total_us{}, ttfb_us{}, bandwidth_mbps{};  // of attempts that went well
};

// From what `netsonde probe --json` and `netsonde experiment --json` printed, several of them after
// each other too; by target, in the order of the files. Fails on what is neither, naming the line.
Result<std::vector<MeasuredEndpoint>> read_measured(const std::vector<std::string>& paths);

}  // namespace netsonde
