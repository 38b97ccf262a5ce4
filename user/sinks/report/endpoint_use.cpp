// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/endpoint_use.h"

#include <fmt/format.h>

namespace netsonde {

Result<> EndpointUseLog::on_event(const Event& event, const Store&) {
  const ev_header& header = header_of(event);
  if (begin_ns_ == 0) {
    if (header.kind == EV_TICK) begin_ns_ = header.time_ns;
    return {};
  }
  end_ns_ = std::max<std::uint64_t>(end_ns_, header.time_ns);
  if (header.kind == EV_CLOSE)
    if (const ev_conn* conn = connection_of(event)) add(*conn);
  return {};
}

void EndpointUseLog::finish(const Snapshot& last) {
  for (const Connection* connection : last.select(Snapshot::Connections))
    add(connection->last.conn);
}

void EndpointUseLog::add(const ev_conn& conn) {
  const bool is_new = begin_ns_ != 0 && conn.start_ns >= begin_ns_;
  if (conn.direction == EV_IN) {
    if (!is_new || conn.owner != EV_OWNER_EXACT) return;
    const auto key = std::pair(conn.local_port, conn.pid);
    if (accepting_.size() >= kMost && !accepting_.contains(key)) {
      ++left_out_;
      return;
    }
    Accepting& accepting = accepting_[key];
    if (accepting.name.empty())
      accepting.name = fmt::format("{}[{}]", fixed_string(conn.comm), conn.pid);
    ++accepting.accepted;
    return;
  }
  const auto key = std::pair(Address::from(conn.remote), conn.remote_port);
  if (remotes_.size() >= kMost && !remotes_.contains(key)) {
    ++left_out_;
    return;
  }
  Use& use = remotes_[key];
  ++use.connections;
  use.opened += is_new ? 1 : 0;
}

std::optional<EndpointUse> EndpointUseLog::use_of(std::span<const ProbedAddress> addresses,
                                                  std::uint16_t port) const {
  if (begin_ns_ == 0) return std::nullopt;
  EndpointUse use;
  for (const ProbedAddress& probed : addresses) {
    const auto found = remotes_.find(std::pair(probed.address, port));
    if (found == remotes_.end()) continue;
    use.opened += found->second.opened;
    use.connections += found->second.connections;
  }
  if (use.connections == 0) return std::nullopt;
  use.seconds = static_cast<double>(end_ns_ - begin_ns_) / 1e9;
  return use;
}

std::vector<ListenerUse> EndpointUseLog::listeners() const {
  std::vector<ListenerUse> listeners;
  for (const auto& [key, accepting] : accepting_)
    listeners.push_back(
        {.name = accepting.name, .port = key.first, .accepted = accepting.accepted});
  return listeners;
}

}  // namespace netsonde
