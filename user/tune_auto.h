// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/result.h"
#include "user/cli.h"

namespace netsonde {

// tune auto: looks at the traffic of the network namespace that it is in, tries what its findings
// allow to propose, one change at a time, and keeps only what proved itself. Until a signal, or
// the duration. What is being tried then is undone.
Result<int> run_tune_auto(const Options& options);

}  // namespace netsonde
