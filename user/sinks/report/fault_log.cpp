// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/fault_log.h"

#include <algorithm>

#include "user/sinks/report/connection_tables.h"

namespace netsonde {

namespace {

constexpr std::size_t kMostRows = 100;
constexpr auto kEverywhere = Column::Reach::Everywhere;

void cut(ReportTable& table) {
  if (table.rows.size() <= kMostRows) return;
  table.left_out += table.rows.size() - kMostRows;
  table.rows.resize(kMostRows);
}

// Greatest first by this column; the texts before it decide between equals.
void sort_by(ReportTable& table, std::size_t column) {
  std::ranges::sort(table.rows, [column](const auto& a, const auto& b) {
    return a[column] != b[column] ? a[column] > b[column] : a < b;
  });
  cut(table);
}

}  // namespace

FaultLog::DropKey FaultLog::key_of(const ev_drop_key& key) {
  return {key.reason, key.location, key.netns, key.protocol};
}

void FaultLog::begin(const Store& store) {
  begun_ = true;
  for (const DropCount& drop : store.drops()) drops_before_[key_of(drop.key)] = drop.count;
}

void FaultLog::on_event(const Event& event) {
  if (!begun_) return;
  if (const auto* sample = std::get_if<ev_sample>(&event)) on(*sample);
  if (const auto* reset = std::get_if<ev_reset>(&event))
    ++resets_[{reset->sent != 0, reset->reason}];
  if (const auto* overflow = std::get_if<ev_listen_overflow>(&event)) {
    overflows_ += overflow->count;
    if (const auto found = listeners_.find(overflow->conn.cookie); found != listeners_.end())
      found->second.overflows += overflow->count;
  }
}

void FaultLog::on(const ev_sample& sample) {
  if (sample.conn.direction != EV_LISTENER) return;
  auto found = listeners_.find(sample.conn.cookie);
  if (found == listeners_.end()) {
    if (listeners_.size() >= kMostListeners) {
      ++listeners_left_out_;
      return;
    }
    found = listeners_.emplace(sample.conn.cookie, Listener()).first;
  }
  Listener& listener = found->second;
  listener.last = sample;
  listener.closed = sample.header.kind == EV_LISTEN_CLOSE;
  if (!listener.closed) listener.most_queued = std::max(listener.most_queued, sample.receive_queue);
}

ReportTable FaultLog::drops(const Store& now) const {
  ReportTable table{.id = "drops",
                    .title = "Packets dropped, by reason",
                    .short_title = "Drops",
                    .note = "Packets of every protocol and network namespace."};
  table.columns = {
      {.id = "reason",
       .title = "Reason",
       .help = "As the kernel names it.",
       .reach = kEverywhere,
       .is_text = true},
      {.id = "location",
       .title = "Where",
       .help = "The kernel's function.",
       .reach = kEverywhere,
       .is_text = true},
      {.id = "harm", .title = "Harm", .help = "harmful, or why it does none.", .is_text = true},
      {.id = "packets", .title = "Packets", .help = "", .unit = Unit::Count, .reach = kEverywhere}};
  std::map<std::tuple<std::string, std::string>, std::uint64_t> counts;
  for (const DropCount& drop : now.drops()) {
    const auto before = drops_before_.find(key_of(drop.key));
    const std::uint64_t packets = drop.count - (before == drops_before_.end() ? 0 : before->second);
    if (packets)
      counts[{now.names().drop_reason(drop.key.reason),
              std::string(now.names().symbol(drop.key.location))}] += packets;
  }
  for (const auto& [key, packets] : counts) {
    const auto& [reason, location] = key;
    const BenignDrop* benign = benign_drop(reason, location);
    table.rows.push_back({reason, location.empty() ? Cell() : Cell(location),
                          benign ? std::string(benign->why) : std::string("harmful"), packets});
  }
  sort_by(table, 3);
  return table;
}

ReportTable FaultLog::resets(const Names& names) const {
  ReportTable table{.id = "resets", .title = "Resets, by reason", .short_title = "Resets"};
  table.columns = {
      {.id = "way", .title = "Way", .help = "", .reach = kEverywhere, .is_text = true},
      {.id = "reason",
       .title = "Reason",
       .help = "As the kernel names it; absent where it has none.",
       .reach = kEverywhere,
       .is_text = true},
      {.id = "resets", .title = "Resets", .help = "", .unit = Unit::Count, .reach = kEverywhere}};
  for (const auto& [key, count] : resets_)
    table.rows.push_back(
        {std::string(key.first ? "sent" : "received"),
         key.second == EV_NO_REASON ? Cell() : Cell(names.reset_reason(key.second)), count});
  sort_by(table, 2);
  return table;
}

ReportTable FaultLog::listeners(const Snapshot& last, const Filter& filter,
                                const ConnectionLog& connections) const {
  std::map<std::uint64_t, Listener> all(listeners_.begin(), listeners_.end());
  for (const Connection* connection : last.select(Snapshot::Listeners))
    if (all.size() < kMostListeners && connection->sampled)
      all.try_emplace(
          connection->last.conn.cookie,
          Listener{.last = connection->last, .most_queued = connection->last.receive_queue});
  ReportTable table{.id = "listeners", .title = "Listeners"};
  table.columns = {
      {.id = "local",
       .title = "Listens on",
       .help = "Address and port.",
       .reach = kEverywhere,
       .is_text = true},
      {.id = "comm", .title = "Process", .help = "", .reach = kEverywhere, .is_text = true},
      {.id = "netns", .title = "Namespace", .help = "", .reach = Column::Reach::Data},
      {.id = "connections",
       .title = "Accepted",
       .help = "Connections to this port and namespace that began meanwhile.",
       .unit = Unit::Count,
       .reach = kEverywhere},
      {.id = "most_queued",
       .title = "Queue",
       .help = "The most that were seen waiting for accept().",
       .unit = Unit::Count,
       .reach = kEverywhere},
      {.id = "backlog",
       .title = "Limit",
       .help = "How many may wait.",
       .unit = Unit::Count,
       .reach = kEverywhere},
      {.id = "listen_overflows",
       .title = "Overflows",
       .help = "Attempts that it had no room for.",
       .unit = Unit::Count,
       .reach = kEverywhere},
      {.id = "closed", .title = "Closed", .help = "yes: meanwhile.", .is_text = true}};
  for (const auto& [cookie, listener] : all) {
    Connection connection;
    connection.take(listener.last);
    if (!filter.empty() && !filter.accepts(last.row(connection))) continue;
    const ev_conn& conn = listener.last.conn;
    const auto accepted = connections.accepted(conn.netns, conn.local_port);
    table.rows.push_back({endpoint_text(conn.local, conn.local_port),
                          text_cell(fixed_string(conn.comm)), std::uint64_t{conn.netns},
                          accepted ? Cell(*accepted) : Cell(), std::uint64_t{listener.most_queued},
                          std::uint64_t{listener.last.backlog}, listener.overflows,
                          listener.closed ? Cell("yes") : Cell()});
  }
  table.left_out = listeners_left_out_;
  std::ranges::sort(table.rows, [](const auto& a, const auto& b) {
    const auto weight = [](const auto& row) { return std::tuple(row[6], row[4], row[3]); };
    return weight(a) != weight(b) ? weight(a) > weight(b) : a < b;
  });
  cut(table);
  return table;
}

}  // namespace netsonde
