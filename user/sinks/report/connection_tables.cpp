// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/connection_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace netsonde {

namespace {

constexpr std::size_t kMostRows = 100;
constexpr auto kData = Column::Reach::Data;
constexpr auto kEverywhere = Column::Reach::Everywhere;

std::string_view direction_of(const ev_conn& conn) {
  return conn.direction == EV_IN ? "in" : conn.direction == EV_OUT ? "out" : "";
}

Cell comm_cell(const ev_conn& conn) {
  return text_cell(fixed_string(conn.comm));
}

const std::vector<Column>& connection_columns() {
  static const std::vector<Column> kColumns = {
      {"cookie", "Cookie", "The kernel's socket cookie.", Unit::None, kData},
      {"comm", "Process", "Name of the process that owns it.", Unit::None, kEverywhere, true},
      {"pid", "PID", "Its number.", Unit::None},
      {"direction", "Way", "out: this end connected; in: it accepted.", Unit::None,
       Column::Reach::Page, true},
      {"local", "Local", "Address and port of this end.", Unit::None, Column::Reach::Page, true},
      {"remote", "Remote", "Address and port of the peer.", Unit::None, kEverywhere, true},
      {"container", "Container", "Its container, where the cgroup shows one.", Unit::None, kData,
       true},
      {"netns", "Namespace", "Inode of its network namespace.", Unit::None, kData},
      {"opened_at", "Opened", "When it began; absent where it is older than netsonde.", Unit::None,
       kData, true},
      {"duration_s", "Duration", "From its begin to its end, or to when it last did something.",
       Unit::Seconds},
      {"end", "End", "How it ended; absent where it was still open.", Unit::None, kEverywhere,
       true},
      {"tx_bytes", "Sent", "Payload bytes that the peer acknowledged.", Unit::Bytes, kEverywhere},
      {"rx_bytes", "Received", "Payload bytes received in order.", Unit::Bytes, kEverywhere},
      {"tx_segments", "Segments", "Segments sent.", Unit::Segments, kData},
      {"retransmitted_segments", "Retr.", "Segments retransmitted.", Unit::Segments, kEverywhere},
      {"retransmit_percent", "Retr. %", "The same in percent of the segments sent.", Unit::Percent},
      {"retransmitted_bytes", "Retr. bytes", "Bytes retransmitted.", Unit::Bytes, kData},
      {"retransmits_rto", "Timeouts", "Segments retransmitted after a timeout.", Unit::Segments},
      {"drops", "Drops", "Harmful drops on this host tied to it.", Unit::Count, kEverywhere},
      {"receive_window_limited_ms", "Window", "Time that the peer's window held it back.",
       Unit::Milliseconds},
      {"send_buffer_limited_ms", "Buffer", "Time that the send buffer held it back.",
       Unit::Milliseconds},
      {"queued_bytes", "Queued", "Bytes that wait at the end: not acknowledged, or not read.",
       Unit::Bytes},
      {"srtt_us", "RTT", "Smoothed round-trip time, the newest.", Unit::Microseconds, kEverywhere},
      {"min_rtt_us", "Min RTT", "The kernel's windowed minimum.", Unit::Microseconds},
      {"rtt_p99_us", "RTT p99", "99th percentile since it began.", Unit::Microseconds}};
  return kColumns;
}

std::vector<Cell> row_of(const ConnectionUse& use, const Names& names, std::int64_t offset) {
  const ev_conn& c = use.conn;
  const Counters& g = use.grown;
  const std::uint64_t start = c.start_ns;
  const auto rtt = static_cast<std::uint64_t>(use.rtt.p99);
  return {
      std::uint64_t{c.cookie},
      comm_cell(c),
      cell_or_absent(c.pid, c.owner),
      text_cell(direction_of(c)),
      endpoint_text(c.local, c.local_port),
      endpoint_text(c.remote, c.remote_port),
      text_cell(container_of(names.cgroup(c.cgroup))),
      std::uint64_t{c.netns},
      start ? Cell(rfc3339(static_cast<std::int64_t>(start) + offset)) : Cell(),
      start ? Cell(static_cast<double>(use.end_ns - std::min(start, use.end_ns)) / 1e9) : Cell(),
      text_cell(use.end),
      g.tx,
      g.rx,
      std::uint64_t{g.segments},
      std::uint64_t{g.retransmitted},
      percent_cell(g.retransmitted, g.segments),
      g.retransmitted_bytes,
      std::uint64_t{g.timeouts},
      std::uint64_t{g.drops},
      std::uint64_t{g.receive_window_ms},
      std::uint64_t{g.send_buffer_ms},
      use.queued,
      cell_or_absent(use.srtt_us, use.srtt_us),
      cell_or_absent(use.min_rtt_us, use.min_rtt_us),
      cell_or_absent(rtt, use.rtt.samples)};
}

// The figures of a group, behind what it is.
std::vector<Column> group_columns(std::vector<Column> who) {
  const std::vector<Column> figures = {
      {"connections", "Connections", "That were active.", Unit::Count, kEverywhere},
      {"failed", "Failed", "Of these ended in another way than by a close of both ends.",
       Unit::Count, kEverywhere},
      {"tx_bytes", "Sent", "Payload bytes that the peer acknowledged.", Unit::Bytes, kEverywhere},
      {"rx_bytes", "Received", "Payload bytes received in order.", Unit::Bytes, kEverywhere},
      {"tx_segments", "Segments", "Segments sent.", Unit::Segments, kData},
      {"retransmitted_segments", "Retr.", "Segments retransmitted.", Unit::Segments, kEverywhere},
      {"retransmit_percent", "Retr. %", "The same in percent of the segments sent.", Unit::Percent},
      {"drops", "Drops", "Harmful drops on this host tied to them.", Unit::Count, kEverywhere},
      {"worst_srtt_us", "Worst RTT", "The greatest smoothed round-trip time at their end.",
       Unit::Microseconds, kEverywhere},
      {"min_rtt_us", "Min RTT", "The least of the kernel's minima.", Unit::Microseconds}};
  who.insert(who.end(), figures.begin(), figures.end());
  return who;
}

void add_figures(std::vector<Cell>& row, const GroupUse& use) {
  row.insert(row.end(), {use.connections, use.failed, use.tx, use.rx, use.segments,
                         use.retransmitted, percent_cell(use.retransmitted, use.segments),
                         use.drops, cell_or_absent(use.worst_srtt_us, use.worst_srtt_us),
                         cell_or_absent(use.least_rtt_us, use.least_rtt_us)});
}

void note_left_out(ReportTable& table, const GroupLog& groups) {
  table.left_out = groups.size() + groups.merged() - table.rows.size();
}

}  // namespace

std::string endpoint_text(const std::uint8_t (&raw)[16], std::uint16_t port) {
  const Address address = Address::from(raw);
  const std::string text = to_text(address);
  return address.is_ipv4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

Cell text_cell(std::string_view text) {
  return text.empty() ? Cell() : Cell(std::string(text));
}

Cell cell_or_absent(std::uint64_t value, bool known) {
  return known ? Cell(value) : Cell();
}

Cell percent_cell(std::uint64_t part, std::uint64_t whole) {
  if (!whole) return {};
  return 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

ReportTable connections_table(std::vector<ConnectionUse> uses, std::uint64_t active,
                              const Names& names, std::int64_t offset) {
  std::ranges::sort(uses, [](const ConnectionUse& a, const ConnectionUse& b) {
    const auto weight = [](const ConnectionUse& use) {
      return std::tuple(use.grown.retransmitted + use.grown.drops, use.failed(), use.bytes());
    };
    const auto left = weight(a), right = weight(b);
    return left != right ? left > right : a.conn.cookie < b.conn.cookie;
  });
  ReportTable table{.id = "connections",
                    .title = "Worst connections",
                    .short_title = "Connections",
                    .note =
                        "Counts are of the time observed. Of all that were active, those with "
                        "the most retransmissions, drops, bytes, waiting bytes, the longest "
                        "round-trip times and failed ends.",
                    .columns = connection_columns()};
  for (const ConnectionUse& use : uses) table.rows.push_back(row_of(use, names, offset));
  table.left_out = active - table.rows.size();
  return table;
}

ReportTable processes_table(const GroupLog& groups) {
  ReportTable table{.id = "processes", .title = "Processes", .note = "By name."};
  table.columns = group_columns(
      {{"comm", "Process", "Name; absent: nobody knows whose they were.", Unit::None, kEverywhere,
        true},
       {"processes", "How many", "Processes of that name, as far as they are known.", Unit::Count},
       {"pid", "PID", "The number, where there is one.", Unit::None, kData}});
  for (const GroupUse& use : groups.heaviest(kMostRows)) {
    const bool single = use.pids.size() == 1;
    table.rows.push_back({comm_cell(use.conn), cell_or_absent(use.pids.size(), !use.pids.empty()),
                          single ? Cell(std::uint64_t{*use.pids.begin()}) : Cell()});
    add_figures(table.rows.back(), use);
  }
  note_left_out(table, groups);
  return table;
}

ReportTable remotes_table(const GroupLog& groups) {
  ReportTable table{.id = "remotes",
                    .title = "Remote ends",
                    .short_title = "Remotes",
                    .note = "By address and service."};
  table.columns = group_columns(
      {{"remote_address", "Remote", "Address of the peer.", Unit::None, kEverywhere, true},
       {"direction", "Way", "out: we connected; in: it did.", Unit::None, kEverywhere, true},
       {"service_port", "Port", "The port connected to, there or here.", Unit::None, kEverywhere},
       {"comm", "Process", "One of ours that talked to it.", Unit::None, Column::Reach::Page,
        true}});
  for (const GroupUse& use : groups.heaviest(kMostRows)) {
    const ev_conn& conn = use.conn;
    const std::uint64_t port = conn.direction == EV_IN ? conn.local_port : conn.remote_port;
    table.rows.push_back({to_text(Address::from(conn.remote)), text_cell(direction_of(conn)), port,
                          comm_cell(conn)});
    add_figures(table.rows.back(), use);
  }
  note_left_out(table, groups);
  return table;
}

ReportTable ends_table(const std::map<std::string_view, std::uint64_t>& ends) {
  ReportTable table{.id = "ends", .title = "How connections ended", .short_title = "Ends"};
  table.columns = {{"end", "End", "As in the field end.", Unit::None, kEverywhere, true},
                   {"connections", "Connections", "", Unit::Count, kEverywhere}};
  for (const auto& [end, count] : ends) table.rows.push_back({std::string(end), count});
  std::ranges::stable_sort(table.rows, [](const auto& a, const auto& b) { return a[1] > b[1]; });
  return table;
}

}  // namespace netsonde
