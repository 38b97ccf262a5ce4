// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/concerns.h"

namespace netsonde {

namespace {

const Connection* known_to(const Event& event, const Store& store) {
  if (const auto* histogram = std::get_if<ev_histogram>(&event))
    return store.find(histogram->cookie);
  const ev_conn* conn = connection_of(event);
  return conn ? store.find(*conn) : nullptr;
}

}  // namespace

bool concerns(const Filter& filter, const Event& event, const Store& store) {
  if (filter.empty()) return true;
  const ev_conn* conn = connection_of(event);
  const Connection* known = known_to(event, store);
  if (!conn && !known) return false;
  Connection connection = known ? *known : Connection();
  if (const auto* sample = std::get_if<ev_sample>(&event)) {
    connection.take(*sample);
    if (sample->header.kind != EV_SAMPLE) connection.closed_ns = sample->header.time_ns;
  } else if (conn && (conn->cookie || !known)) {
    connection.last.conn = *conn;
  }
  return filter.accepts(
      Row{connection, store.names(), time_of(event), store.tick().realtime_offset_ns});
}

}  // namespace netsonde
