// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "user/model/filter.h"
#include "user/model/snapshot.h"

namespace netsonde {

// Whether the event belongs to a connection that the filter accepts, as it is with the event; the
// host's own events are accepted by the empty filter alone. The store may know the event already,
// or not yet.
bool concerns(const Filter& filter, const Event& event, const Store& store);

}  // namespace netsonde
