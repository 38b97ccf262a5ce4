// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "user/sinks/json_rows.h"

namespace netsonde {

namespace {

struct LossText {
  std::string_view one, more;
};

constexpr std::array kLossTexts = {
    LossText{.one = "lifecycle record", .more = "lifecycle records"},
    LossText{.one = "event", .more = "events"},
    LossText{.one = "sampling pass", .more = "sampling passes"},
    LossText{.one = "socket without memory for its state",
             .more = "sockets without memory for their state"},
    LossText{.one = "histogram", .more = "histograms"},
    LossText{.one = "kind of drops", .more = "kinds of drops"},
    LossText{.one = "drop event above the rate limit", .more = "drop events above the rate limit"},
    LossText{.one = "run that the kernel skipped", .more = "runs that the kernel skipped"},
    LossText{.one = "retransmitted segment that no program was told of",
             .more = "retransmitted segments that no program was told of"},
    LossText{.one = "record not kept by the recorder", .more = "records not kept by the recorder"}};
static_assert(kLossTexts.size() == EV_LOSSES);

double number_of(const Field& field, const Row& row) {
  const Value value = field.get(row);
  if (const auto* n = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*n);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return 0;
}

// How badly a connection fares, most telling first.
std::array<double, 3> badness(const Row& row) {
  static const Field& retransmits = *find_field("retransmits_per_s");
  static const Field& drops = *find_field("drops_per_s");
  static const Field& tx = *find_field("tx_bytes_per_s");
  static const Field& rx = *find_field("rx_bytes_per_s");
  return {number_of(retransmits, row), number_of(drops, row),
          number_of(tx, row) + number_of(rx, row)};
}

std::string percent(const std::optional<double>& value) {
  return value ? human(*value, Unit::Percent) + "%" : "-";
}

std::string microseconds(const std::optional<double>& value) {
  return value ? human(*value, Unit::Microseconds) : "-";
}

}  // namespace

void sort_rows(std::vector<Row>& rows, const Field* field, std::size_t limit) {
  struct Keyed {
    Value value;
    std::array<double, 3> bad;
    std::uint64_t cookie;
    const Row* row;
  };
  std::vector<Keyed> keys;
  keys.reserve(rows.size());
  for (const Row& row : rows)
    keys.push_back({field ? field->get(row) : Value(),
                    field ? std::array<double, 3>{} : badness(row), row.connection.last.conn.cookie,
                    &row});
  const auto before = [&](const Keyed& a, const Keyed& b) {
    if (field) {
      const bool descending = !std::holds_alternative<std::string_view>(a.value) &&
                              !std::holds_alternative<Address>(a.value);
      if (sorts_before(a.value, b.value, descending)) return true;
      if (sorts_before(b.value, a.value, descending)) return false;
    }
    if (a.bad != b.bad) return a.bad > b.bad;
    return a.cookie < b.cookie;
  };
  if (limit && limit < keys.size()) {
    std::partial_sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(limit), keys.end(),
                      before);
    keys.resize(limit);
  } else {
    std::sort(keys.begin(), keys.end(), before);
  }
  std::vector<Row> sorted;
  sorted.reserve(keys.size());
  for (const Keyed& key : keys) sorted.push_back(*key.row);
  rows.swap(sorted);
}

std::span<const Field* const> default_columns() {
  static const std::vector<const Field*> kColumns =
      parse_fields(
          "comm,pid,local_address,local_port,remote_address,remote_port,state,srtt_us,min_rtt_us,"
          "tx_bytes_per_s,rx_bytes_per_s,retransmitted_segments,retransmits_per_s,drops,cwnd_"
          "segments,"
          "congestion_control,limited_by,end")
          .value();
  return kColumns;
}

std::string losses_text(const ev_tick& tick) {
  std::string text;
  for (std::size_t cause = 0; cause < kLossTexts.size(); ++cause)
    if (const auto lost = tick.lost[cause])
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", lost,
                          lost == 1 ? kLossTexts[cause].one : kLossTexts[cause].more);
  return text;
}

std::string summary_text(const Snapshot& snapshot) {
  const Totals& t = snapshot.totals();
  const std::string lost = losses_text(snapshot.tick());
  return fmt::format(
      "{}  {}  {} connections, {} listeners; opened {}/s, closed {}/s{}; lost events: {}\n"
      "tx {}B/s  rx {}B/s  retransmitted {}/s ({})  RTT p50 {} p99 {}  drops {}/s  resets {}/s  "
      "listen overflows {}/s\n",
      printable(snapshot.names().host), rfc3339(snapshot.realtime_ns()), t.connections, t.listeners,
      human(t.opened_rate, Unit::PerSecond), human(t.closed_rate, Unit::PerSecond),
      t.closed_not_kept ? fmt::format(" ({} not shown)", t.closed_not_kept) : "",
      lost.empty() ? "none" : lost, short_bytes(t.tx_rate), short_bytes(t.rx_rate),
      human(t.retransmit_rate, Unit::PerSecond), percent(t.retransmit_percent),
      microseconds(t.rtt_p50_us), microseconds(t.rtt_p99_us), human(t.drop_rate, Unit::PerSecond),
      human(t.resets_sent_rate + t.resets_received_rate, Unit::PerSecond),
      human(t.listen_overflow_rate, Unit::PerSecond));
}

Result<> Table::on_snapshot(const Snapshot& snapshot) {
  std::vector<Row> rows;
  const unsigned kinds = Snapshot::Connections | Snapshot::Closed |
                         (settings_.listeners ? unsigned{Snapshot::Listeners} : 0U);
  for (const Connection* connection : snapshot.select(kinds)) {
    const Row row = snapshot.row(*connection);
    // Those that closed before the interval were shown already.
    const auto interval = static_cast<std::uint64_t>(snapshot.interval().count());
    const bool stale = connection->is_closed() &&
                       connection->closed_ns + interval < snapshot.tick().header.time_ns;
    if (!stale && filter_.accepts(row)) rows.push_back(row);
  }
  sort_rows(rows, settings_.sort, settings_.limit);
  settings_.json ? print_json(snapshot, rows) : print_text(snapshot, rows);
  if (std::fflush(out_) || std::ferror(out_)) return Error::from_errno("write the table");
  return {};
}

void Table::print_json(const Snapshot& snapshot, std::span<const Row> rows) const {
  Json json;
  json["time"] = rfc3339(snapshot.realtime_ns());
  json["host"] = snapshot.names().host;
  json["interval_s"] = seconds(snapshot.interval());
  json["lost_events"] = snapshot.lost();
  json["lost"] = losses_to_json(snapshot.tick());
  json["totals"] = to_json(snapshot.totals());
  json["connections"] = Json::array();
  // Row by row, so that 100,000 of them never stand in memory as one JSON tree.
  const std::string head = to_line(json);
  std::fwrite(head.data(), 1, head.size() - 2, out_);  // without "]}"
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string line = (i ? "," : "") + to_line(to_json(rows[i], settings_.columns));
    std::fwrite(line.data(), 1, line.size(), out_);
  }
  std::fputs("]}\n", out_);
}

void Table::print_text(const Snapshot& snapshot, std::span<const Row> rows) const {
  const std::span<const Field* const> columns =
      settings_.columns.empty() ? default_columns()
                                : std::span<const Field* const>(settings_.columns);
  std::vector<int> widths;
  for (const Field* field : columns) {
    int width = display_width(field->title);
    for (const Row& row : rows)
      width = std::max(width, display_width(human(field->get(row), field->unit)));
    widths.push_back(width);
  }
  const auto line = [&](auto&& cell) {
    std::string text;
    for (std::size_t i = 0; i < columns.size(); ++i)
      text += fit(cell(*columns[i]), widths[i], columns[i]->unit != Unit::None) + "  ";
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
    std::fputs(text.c_str(), out_);
  };
  std::fputs((summary_text(snapshot) + "\n").c_str(), out_);
  line([](const Field& field) { return std::string(field.title); });
  for (const Row& row : rows)
    line([&row](const Field& field) { return human(field.get(row), field.unit); });
}

}  // namespace netsonde
