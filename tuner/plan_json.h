// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tuner/plan.h"
#include "user/base/json.h"

namespace netsonde {

Json to_json(const ChangeScope& scope);
Json to_json(const Proposal& proposal);
Json to_json(const Plan& plan);

// Of JSON that nobody vouches for.
Result<ChangeScope> scope_from(const Json& json);
// Only of a setting in the catalogue, in a scope that it has, with values that may be written
// there: also what was there before, for it may have to be written back.
Result<Proposal> proposal_from(const Json& json);

}  // namespace netsonde
