// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "user/base/json.h"
#include "user/model/fields.h"
#include "user/model/snapshot.h"

namespace netsonde {

// Absent values are null.
Json to_json(const Value& value);
// The chosen fields of a row, under their ids; empty: all of them.
Json to_json(const Row& row, std::span<const Field* const> chosen = {});
Json to_json(const Totals& totals);
// Who has the connection: addresses, ports, process, container, ...
Json identity_to_json(const ev_conn& conn, const Snapshot& snapshot);
// What was lost, by cause.
Json losses_to_json(const ev_tick& tick);

// One event: time, event, the identity of its connection, and what the event itself tells.
Json to_json(const Event& event, const Store& store);

}  // namespace netsonde
