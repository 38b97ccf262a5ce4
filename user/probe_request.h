// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "probes/run.h"
#include "user/cli.h"
#include "user/probing.h"

namespace netsonde {

// What the arguments of the commands that ask the network mean.

// Targets on the command line and in the file, each with what is to be measured of it. The error
// names the line.
Result<std::vector<ProbeRequest>> probe_requests(const Options& options);
ProbeRunSettings run_settings(const Options& options, std::vector<ProbeRequest> requests);
ProbingSettings probing_settings(const Options& options);

}  // namespace netsonde
