// SPDX-License-Identifier: Apache-2.0
#include "user/model/snapshot.h"

namespace netsonde {

std::vector<const Connection*> Snapshot::select(unsigned kinds) const {
  std::vector<const Connection*> rows;
  rows.reserve(store_.connections().size() + store_.closed().size());
  for (const auto& [cookie, connection] : store_.connections())
    if (kinds & (connection.is_listener() ? Listeners : Connections)) rows.push_back(&connection);
  if (kinds & Closed)
    for (const Connection& connection : store_.closed()) rows.push_back(&connection);
  return rows;
}

}  // namespace netsonde
