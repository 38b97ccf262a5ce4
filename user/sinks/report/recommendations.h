// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "user/model/advice.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// What was measured of one endpoint, as the report tells it. Times are microseconds.
struct EndpointFigures {
  const ProbedEndpoint& probed;
  std::optional<double> mean_total_us{}, mean_ttfb_us{}, mean_bandwidth_mbps{};
  std::optional<EndpointUse> use{};  // by this host, in the time of the report
};

// Endpoints, their addresses, what experiments found before and after.
ReportSection measurements_section(const std::vector<EndpointFigures>& endpoints);
// What is recommended, with its evidence, effect and how it is done.
ReportSection recommendations_section(const std::vector<Recommendation>& recommendations);

}  // namespace netsonde
