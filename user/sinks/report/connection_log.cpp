// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/connection_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "user/sinks/report/connection_tables.h"

namespace netsonde {

namespace {

constexpr std::uint32_t kNoRtt = ~0U;
constexpr std::size_t kMostPorts = 4096;

using Criterion = double (*)(const ConnectionUse&);
constexpr std::array<Criterion, 6> kCriteria = {
    [](const ConnectionUse& use) { return static_cast<double>(use.grown.retransmitted); },
    [](const ConnectionUse& use) { return static_cast<double>(use.grown.drops); },
    [](const ConnectionUse& use) { return static_cast<double>(use.bytes()); },
    [](const ConnectionUse& use) {
      return std::max<double>(use.srtt_us, use.rtt.samples ? use.rtt.p99 : 0.0F);
    },
    [](const ConnectionUse& use) { return use.failed() ? 1.0 : 0.0; },
    [](const ConnectionUse& use) { return static_cast<double>(use.queued); },
};

bool serves(const ev_conn& conn) {
  return conn.direction == EV_IN;
}

std::string process_key(const ev_conn& conn) {
  return std::string(fixed_string(conn.comm));
}

// The peer, and the service of whoever serves.
std::string remote_key(const ev_conn& conn) {
  return fmt::format("{} {} {}", to_text(Address::from(conn.remote)), serves(conn),
                     serves(conn) ? conn.local_port : conn.remote_port);
}

// Whoever had trouble, then whoever moved most.
auto weight_of(const GroupUse& use) {
  return std::tuple(use.retransmitted + use.drops + use.failed, use.tx + use.rx, use.connections);
}

}  // namespace

Counters Counters::of(const ev_sample& s) {
  return {.tx = s.tx_bytes,
          .rx = s.rx_bytes,
          .retransmitted_bytes = s.retransmitted_bytes,
          .segments = s.segs_out,
          .retransmitted = s.retransmitted,
          .timeouts = s.retransmits_rto,
          .drops = s.drops,
          .receive_window_ms = s.rwnd_limited_ms,
          .send_buffer_ms = s.sndbuf_limited_ms};
}

Counters Counters::operator-(const Counters& before) const {
  return {.tx = tx - before.tx,
          .rx = rx - before.rx,
          .retransmitted_bytes = retransmitted_bytes - before.retransmitted_bytes,
          .segments = segments - before.segments,
          .retransmitted = retransmitted - before.retransmitted,
          .timeouts = timeouts - before.timeouts,
          .drops = drops - before.drops,
          .receive_window_ms = receive_window_ms - before.receive_window_ms,
          .send_buffer_ms = send_buffer_ms - before.send_buffer_ms};
}

void GroupUse::add(const ConnectionUse& use) {
  if (!connections) conn = use.conn;
  ++connections;
  failed += use.failed();
  tx += use.grown.tx;
  rx += use.grown.rx;
  segments += use.grown.segments;
  retransmitted += use.grown.retransmitted;
  drops += use.grown.drops;
  worst_srtt_us = std::max(worst_srtt_us, use.srtt_us);
  if (use.min_rtt_us)
    least_rtt_us = least_rtt_us ? std::min(least_rtt_us, use.min_rtt_us) : use.min_rtt_us;
  if (use.conn.owner && pids.size() < kMostPids) pids.insert(use.conn.pid);
}

void GroupUse::add(const GroupUse& other) {
  connections += other.connections;
  failed += other.failed;
  tx += other.tx;
  rx += other.rx;
  segments += other.segments;
  retransmitted += other.retransmitted;
  drops += other.drops;
  worst_srtt_us = std::max(worst_srtt_us, other.worst_srtt_us);
}

void GroupLog::add(const std::string& key, const ConnectionUse& use) {
  groups_[key].add(use);
  if (groups_.size() < 2 * kMost) return;
  const auto order = sorted();
  std::vector<std::string> light;
  for (std::size_t i = kMost; i < order.size(); ++i) {
    others_.add(order[i]->second);
    light.push_back(order[i]->first);
  }
  merged_ += light.size();
  for (const std::string& one : light) groups_.erase(one);
}

std::vector<const std::pair<const std::string, GroupUse>*> GroupLog::sorted() const {
  std::vector<const std::pair<const std::string, GroupUse>*> order;
  for (const auto& entry : groups_) order.push_back(&entry);
  std::ranges::stable_sort(order, [](const auto* a, const auto* b) {
    return weight_of(a->second) > weight_of(b->second);
  });
  return order;
}

std::vector<GroupUse> GroupLog::heaviest(std::size_t most) const {
  std::vector<GroupUse> uses;
  for (const auto* entry : sorted())
    if (uses.size() < most) uses.push_back(entry->second);
  return uses;
}

ConnectionLog::ConnectionLog(const Filter& filter)
    : filter_(filter),
      worst_(kCriteria, kMostOfEach),
      durations_(Distribution::of_microseconds()),
      sizes_(Distribution::of_bytes()) {}

void ConnectionLog::begin(const Store& store) {
  begun_ = true;
  begin_ = time_from_ns(store.tick().header.time_ns);
  for (const auto& [cookie, connection] : store.connections())
    if (connection.sampled && !connection.is_listener() && older_.size() < kMostOlder)
      older_.emplace(cookie, Counters::of(connection.last));
}

void ConnectionLog::on_event(const Event& event, const Store& store) {
  const auto* sample = std::get_if<ev_sample>(&event);
  if (!begun_ || !sample || sample->conn.direction == EV_LISTENER) return;
  if (sample->header.kind == EV_SAMPLE) {
    // One that nobody had met: what it did before is not of this time.
    const bool is_older = !sample->conn.start_ns || time_from_ns(sample->conn.start_ns) < begin_;
    if (is_older && older_.size() < kMostOlder)
      older_.try_emplace(sample->conn.cookie, Counters::of(*sample));
    return;
  }
  if (sample->header.kind != EV_CLOSE) return;
  Connection closed;
  if (const Connection* known = store.find(sample->conn.cookie)) closed = *known;
  closed.take(*sample);
  closed.closed_ns = sample->header.time_ns;
  add(closed, Snapshot(store).row(closed));
  older_.erase(sample->conn.cookie);
}

void ConnectionLog::finish(const Snapshot& last) {
  std::vector<const Connection*> open = last.select(Snapshot::Connections);
  std::ranges::sort(open, {}, [](const Connection* c) { return c->last.conn.cookie; });
  for (const Connection* connection : open)
    if (connection->sampled) add(*connection, last.row(*connection));
}

void ConnectionLog::add(const Connection& connection, Row row) {
  if (!filter_.empty() && !filter_.accepts(row)) return;
  const ev_sample& now = connection.last;
  const auto older = older_.find(now.conn.cookie);
  const bool began = now.conn.start_ns && time_from_ns(now.conn.start_ns) >= begin_;
  if (older == older_.end() && !began) {
    ++without_base_;
    return;
  }
  const Counters before = older == older_.end() ? Counters() : older->second;
  ConnectionUse use{.conn = now.conn,
                    .grown = Counters::of(now) - before,
                    .srtt_us = now.srtt_us,
                    .min_rtt_us = now.min_rtt_us == kNoRtt ? 0 : now.min_rtt_us,
                    .queued = std::uint64_t{now.send_queue} + now.receive_queue,
                    .rtt = connection.rtt,
                    .end_ns = now.header.time_ns};
  if (connection.is_closed()) use.end = end_name(now);
  count(use);
}

void ConnectionLog::count(const ConnectionUse& use) {
  if (!use.did_something()) {
    ++idle_;
    return;
  }
  ++active_;
  const ev_conn& conn = use.conn;
  if (!use.end.empty()) ++ends_[use.end];
  if (!use.end.empty() && conn.start_ns && use.end_ns > conn.start_ns)
    durations_.add(static_cast<double>(use.end_ns - conn.start_ns) / 1000);
  sizes_.add(static_cast<double>(use.bytes()));
  const std::pair service(conn.netns, conn.local_port);
  if (serves(conn) && time_from_ns(conn.start_ns) >= begin_ &&
      (accepted_.size() < kMostPorts || accepted_.contains(service)))
    ++accepted_[service];
  processes_.add(process_key(conn), use);
  remotes_.add(remote_key(conn), use);
  worst_.add(conn.cookie, use);
}

std::optional<std::uint64_t> ConnectionLog::accepted(std::uint32_t netns,
                                                     std::uint16_t port) const {
  const auto found = accepted_.find({netns, port});
  if (found != accepted_.end()) return found->second;
  return accepted_.size() < kMostPorts ? std::optional<std::uint64_t>(0) : std::nullopt;
}

std::vector<ReportTable> ConnectionLog::tables(const Names& names, std::int64_t offset) {
  return {connections_table(worst_.take(), worst_.added(), names, offset),
          processes_table(processes_), remotes_table(remotes_), ends_table(ends_)};
}

std::vector<ReportHistogram> ConnectionLog::histograms() const {
  ReportHistogram durations{.id = "duration",
                            .title = "Connection duration",
                            .note = "Of the connections that closed and whose begin is known.",
                            .unit = Unit::Microseconds};
  ReportHistogram sizes{.id = "bytes",
                        .title = "Bytes per connection",
                        .note = "Payload both ways in the time observed, of active connections.",
                        .unit = Unit::Bytes};
  durations_.fill(durations);
  sizes_.fill(sizes);
  return {std::move(durations), std::move(sizes)};
}

}  // namespace netsonde
