// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "user/base/result.h"
#include "user/cli.h"
#include "user/model/diagnosis/diagnosis.h"
#include "user/model/filter.h"

namespace netsonde {

// Looks at the running kernel for the duration, or at a recording, and hands over what is found.
// Both are valid only then.
using UseDiagnosis = std::function<Result<>(const Diagnosis&, const Observation&)>;
Result<> diagnose_live(const Options& options, const Filter& filter, const UseDiagnosis& use);
Result<> diagnose_recorded(const Options& options, const Filter& filter, const UseDiagnosis& use);

// explain: what is wrong, in words or as JSON.
Result<int> run_explain(const Options& options);

}  // namespace netsonde
