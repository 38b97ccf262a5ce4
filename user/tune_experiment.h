// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// That --metric, --load and --probe mean something together.
Result<> check_experiment(const Options& options);

// tune experiment: settings tried by turns against what is there, on live traffic, a load or a
// probe. They are undone at the end, unless they proved themselves and --keep was given. Exit
// status: 0 better, 4 not; 1 when nothing could be measured.
Result<int> run_tune_experiment(const Options& options);

}  // namespace netsonde
