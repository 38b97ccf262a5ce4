// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/base/json.h"
#include "user/model/diagnosis/finding.h"

namespace netsonde {

// {"field", "value", "unit"}; a unit of none is null.
Json to_json(const Evidence& evidence);
// Of JSON that nobody vouches for.
Result<Evidence> evidence_from(const Json& json);

}  // namespace netsonde
