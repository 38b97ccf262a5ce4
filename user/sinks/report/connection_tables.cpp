// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/connection_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

constexpr std::array kConnectionColumns = {
    Column{
        .id = "cookie", .title = "Cookie", .help = "The kernel's socket cookie.", .reach = kData},
    Column{.id = "comm",
           .title = "Process",
           .help = "Name of the process that owns it.",
           .reach = kEverywhere,
           .is_text = true},
    Column{.id = "pid", .title = "PID", .help = "Its number."},
    Column{.id = "direction",
           .title = "Way",
           .help = "out: this end connected; in: it accepted.",
           .is_text = true},
    Column{
        .id = "local", .title = "Local", .help = "Address and port of this end.", .is_text = true},
    Column{.id = "remote",
           .title = "Remote",
           .help = "Address and port of the peer.",
           .reach = kEverywhere,
           .is_text = true},
    Column{.id = "container",
           .title = "Container",
           .help = "Its container, where the cgroup shows one.",
           .reach = kData,
           .is_text = true},
    Column{.id = "netns",
           .title = "Namespace",
           .help = "Inode of its network namespace.",
           .reach = kData},
    Column{.id = "opened_at",
           .title = "Opened",
           .help = "When it began; absent where it is older than netsonde.",
           .reach = kData,
           .is_text = true},
    Column{.id = "duration_s",
           .title = "Duration",
           .help = "From its begin to its end, or to when it last did something.",
           .unit = Unit::Seconds},
    Column{.id = "end",
           .title = "End",
           .help = "How it ended; absent where it was still open.",
           .reach = kEverywhere,
           .is_text = true},
    Column{.id = "tx_bytes",
           .title = "Sent",
           .help = "Payload bytes that the peer acknowledged.",
           .unit = Unit::Bytes,
           .reach = kEverywhere},
    Column{.id = "rx_bytes",
           .title = "Received",
           .help = "Payload bytes received in order.",
           .unit = Unit::Bytes,
           .reach = kEverywhere},
    Column{.id = "tx_segments",
           .title = "Segments",
           .help = "Segments sent.",
           .unit = Unit::Segments,
           .reach = kData},
    Column{.id = "retransmitted_segments",
           .title = "Retr.",
           .help = "Segments retransmitted.",
           .unit = Unit::Segments,
           .reach = kEverywhere},
    Column{.id = "retransmit_percent",
           .title = "Retr. %",
           .help = "The same in percent of the segments sent.",
           .unit = Unit::Percent},
    Column{.id = "retransmitted_bytes",
           .title = "Retr. bytes",
           .help = "Bytes retransmitted.",
           .unit = Unit::Bytes,
           .reach = kData},
    Column{.id = "retransmits_rto",
           .title = "Timeouts",
           .help = "Segments retransmitted after a timeout.",
           .unit = Unit::Segments},
    Column{.id = "drops",
           .title = "Drops",
           .help = "Harmful drops on this host tied to it.",
           .unit = Unit::Count,
           .reach = kEverywhere},
    Column{.id = "receive_window_limited_ms",
           .title = "Window",
           .help = "Time that the peer's window held it back.",
           .unit = Unit::Milliseconds},
    Column{.id = "send_buffer_limited_ms",
           .title = "Buffer",
           .help = "Time that the send buffer held it back.",
           .unit = Unit::Milliseconds},
    Column{.id = "queued_bytes",
           .title = "Queued",
           .help = "Bytes that wait at the end: not acknowledged, or not read.",
           .unit = Unit::Bytes},
    Column{.id = "srtt_us",
           .title = "RTT",
           .help = "Smoothed round-trip time, the newest.",
           .unit = Unit::Microseconds,
           .reach = kEverywhere},
    Column{.id = "min_rtt_us",
           .title = "Min RTT",
           .help = "The kernel's windowed minimum.",
           .unit = Unit::Microseconds},
    Column{.id = "rtt_p99_us",
           .title = "RTT p99",
           .help = "99th percentile since it began.",
           .unit = Unit::Microseconds}};

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

constexpr std::array kGroupFigures = {
    Column{.id = "connections",
           .title = "Connections",
           .help = "That were active.",
           .unit = Unit::Count,
           .reach = kEverywhere},
    Column{.id = "failed",
           .title = "Failed",
           .help = "Of these ended in another way than by a close of both ends.",
           .unit = Unit::Count,
           .reach = kEverywhere},
    Column{.id = "tx_bytes",
           .title = "Sent",
           .help = "Payload bytes that the peer acknowledged.",
           .unit = Unit::Bytes,
           .reach = kEverywhere},
    Column{.id = "rx_bytes",
           .title = "Received",
           .help = "Payload bytes received in order.",
           .unit = Unit::Bytes,
           .reach = kEverywhere},
    Column{.id = "tx_segments",
           .title = "Segments",
           .help = "Segments sent.",
           .unit = Unit::Segments,
           .reach = kData},
    Column{.id = "retransmitted_segments",
           .title = "Retr.",
           .help = "Segments retransmitted.",
           .unit = Unit::Segments,
           .reach = kEverywhere},
    Column{.id = "retransmit_percent",
           .title = "Retr. %",
           .help = "The same in percent of the segments sent.",
           .unit = Unit::Percent},
    Column{.id = "drops",
           .title = "Drops",
           .help = "Harmful drops on this host tied to them.",
           .unit = Unit::Count,
           .reach = kEverywhere},
    Column{.id = "worst_srtt_us",
           .title = "Worst RTT",
           .help = "The greatest smoothed round-trip time at their end.",
           .unit = Unit::Microseconds,
           .reach = kEverywhere},
    Column{.id = "min_rtt_us",
           .title = "Min RTT",
           .help = "The least of the kernel's minima.",
           .unit = Unit::Microseconds}};

// Behind what the group is.
std::vector<Column> group_columns(std::vector<Column> who) {
  who.insert(who.end(), kGroupFigures.begin(), kGroupFigures.end());
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
                    .columns = {kConnectionColumns.begin(), kConnectionColumns.end()}};
  for (const ConnectionUse& use : uses) table.rows.push_back(row_of(use, names, offset));
  table.left_out = active - table.rows.size();
  return table;
}

ReportTable processes_table(const GroupLog& groups) {
  ReportTable table{.id = "processes", .title = "Processes", .note = "By name."};
  table.columns = group_columns(
      {{.id = "comm",
        .title = "Process",
        .help = "Name; absent: nobody knows whose they were.",
        .reach = kEverywhere,
        .is_text = true},
       {.id = "processes",
        .title = "How many",
        .help = "Processes of that name, as far as they are known.",
        .unit = Unit::Count},
       {.id = "pid", .title = "PID", .help = "The number, where there is one.", .reach = kData}});
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
  table.columns = group_columns({{.id = "remote_address",
                                  .title = "Remote",
                                  .help = "Address of the peer.",
                                  .reach = kEverywhere,
                                  .is_text = true},
                                 {.id = "direction",
                                  .title = "Way",
                                  .help = "out: we connected; in: it did.",
                                  .reach = kEverywhere,
                                  .is_text = true},
                                 {.id = "service_port",
                                  .title = "Port",
                                  .help = "The port connected to, there or here.",
                                  .reach = kEverywhere},
                                 {.id = "comm",
                                  .title = "Process",
                                  .help = "One of ours that talked to it.",
                                  .is_text = true}});
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
  table.columns = {{.id = "end",
                    .title = "End",
                    .help = "As in the field end.",
                    .reach = kEverywhere,
                    .is_text = true},
                   {.id = "connections",
                    .title = "Connections",
                    .help = "",
                    .unit = Unit::Count,
                    .reach = kEverywhere}};
  for (const auto& [end, count] : ends) table.rows.push_back({std::string(end), count});
  std::ranges::stable_sort(table.rows, [](const auto& a, const auto& b) { return a[1] > b[1]; });
  return table;
}

}  // namespace netsonde
