// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace netsonde {

namespace {

constexpr int kIpv4Endpoint = 21, kIpv6Endpoint = 47;

// In the order of the screen.
constexpr std::array<std::string_view, 17> kDefaults = {"comm",
                                                        "pid",
                                                        "local_address",
                                                        "remote_address",
                                                        "state",
                                                        "srtt_us",
                                                        "min_rtt_us",
                                                        "rtt_p99_us",
                                                        "tx_bytes_per_s",
                                                        "rx_bytes_per_s",
                                                        "retransmits_per_s",
                                                        "retransmitted_segments",
                                                        "drops",
                                                        "cwnd_segments",
                                                        "congestion_control",
                                                        "limited_by",
                                                        "age_s"};

constexpr std::array<std::string_view, 8> kListenerDefaults = {
    "comm",  "pid",   "local_address", "accept_queue", "backlog", "listen_overflows",
    "netns", "cgroup"};

// The most useful first; what is not here comes behind, from left to right.
constexpr std::array<std::string_view, 17> kByUse = {"remote_address",
                                                     "comm",
                                                     "retransmits_per_s",
                                                     "srtt_us",
                                                     "tx_bytes_per_s",
                                                     "rx_bytes_per_s",
                                                     "drops",
                                                     "limited_by",
                                                     "state",
                                                     "pid",
                                                     "local_address",
                                                     "retransmitted_segments",
                                                     "rtt_p99_us",
                                                     "cwnd_segments",
                                                     "min_rtt_us",
                                                     "congestion_control",
                                                     "age_s"};

struct Flexible {
  std::string_view id;
  int narrow, wide;
};

constexpr std::array kFlexible = {
    Flexible{"comm", 9, 16},
    Flexible{"state", 11, 14},
    Flexible{"limited_by", 10, 17},
    Flexible{"cgroup", 12, 48},
    Flexible{"container", 12, 12},
    Flexible{"opened_at", 20, 30},
    Flexible{"congestion_control", 5, 10},
    Flexible{"pid", 7, 7},
    Flexible{"cookie", 8, 12},
};

constexpr std::array<std::string_view, 3> kQuantiles = {"rtt_p50_us", "rtt_p90_us", "rtt_p99_us"};

constexpr std::array<std::string_view, 8> kListenersByUse = {
    "local_address",    "comm", "accept_queue", "backlog",
    "listen_overflows", "pid",  "netns",        "cgroup"};

// What is no default was chosen with care: it goes last. The others lose in the order of their use.
int rank_of(std::string_view id, Show show) {
  const auto place = [id](std::span<const std::string_view> by_use) {
    const auto found = std::find(by_use.begin(), by_use.end(), id);
    return found == by_use.end() ? 0 : static_cast<int>(found - by_use.begin());
  };
  return show == Show::Listeners ? place(kListenersByUse) : place(kByUse);
}

TuiColumn column_of(const Field& field, int rank, bool with_port) {
  const bool address = field.id == "local_address" || field.id == "remote_address";
  if (address && with_port)
    return {.kind = TuiColumn::Kind::Endpoint,
            .field = &field,
            .title = field.title,
            .narrow = kIpv4Endpoint,
            .wide = kIpv6Endpoint,
            .rank = rank};
  const int least = std::max(field.width, static_cast<int>(field.title.size()));
  TuiColumn column = {.kind = TuiColumn::Kind::Field,
                      .field = &field,
                      .title = field.title,
                      .narrow = least,
                      .wide = address ? 39 : least,
                      .rank = rank};
  for (const Flexible& flexible : kFlexible) {
    if (flexible.id != field.id) continue;
    column.narrow = flexible.narrow;
    column.wide = flexible.wide;
  }
  return column;
}

bool chosen_has(std::span<const Field* const> chosen, std::string_view id) {
  return std::any_of(chosen.begin(), chosen.end(), [id](const Field* f) { return f->id == id; });
}

// Without these nobody knows which row is whose, wherever the columns are scrolled to.
bool names_row(std::span<const TuiColumn> columns, std::size_t index) {
  const Field* field = columns[index].field;
  return index == 0 || (field && field->id == "remote_address");
}

// Gives the space that is left to the columns that can use it, a character each in turn.
void widen(std::span<PlacedColumn> placed, int left) {
  for (bool grew = true; grew && left > 0;) {
    grew = false;
    for (PlacedColumn& p : placed) {
      if (left == 0 || p.width >= p.column.wide) continue;
      ++p.width;
      --left;
      grew = true;
    }
  }
}

}  // namespace

bool is_quantile(const Field* field) {
  return field && std::find(kQuantiles.begin(), kQuantiles.end(), field->id) != kQuantiles.end();
}

std::span<const std::string_view> default_column_ids(Show show) {
  if (show == Show::Listeners) return kListenerDefaults;
  return kDefaults;
}

std::vector<TuiColumn> columns_for(std::span<const Field* const> chosen, Show show) {
  std::vector<TuiColumn> columns;
  if (chosen.empty()) {
    for (const std::string_view id : default_column_ids(show))
      columns.push_back(column_of(*find_field(id), rank_of(id, show), true));
    return columns;
  }
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const Field& field = *chosen[i];
    const bool with_port =
        !chosen_has(chosen, field.id == "local_address" ? "local_port" : "remote_port");
    columns.push_back(column_of(field, rank_of(field.id, show), with_port));
  }
  return columns;
}

std::vector<TuiColumn> grouped(GroupBy by, std::span<const TuiColumn> columns) {
  static constexpr std::array<std::string_view, kGroupings> kTitles = {
      "CONNECTION", "PROCESS", "REMOTE HOST", "REMOTE SUBNET", "LISTENER", "CGROUP"};
  static constexpr std::array<int, kGroupings> kNarrow = {18, 18, 21, 24, 18, 32};
  const auto index = static_cast<std::size_t>(by);
  std::vector<TuiColumn> result = {{.kind = TuiColumn::Kind::Group,
                                    .field = nullptr,
                                    .title = kTitles[index],
                                    .narrow = kNarrow[index],
                                    .wide = 60,
                                    .rank = -2},
                                   {.kind = TuiColumn::Kind::Connections,
                                    .field = nullptr,
                                    .title = "CONNS",
                                    .narrow = 6,
                                    .wide = 6,
                                    .rank = -1}};
  std::copy_if(columns.begin(), columns.end(), std::back_inserter(result),
               [](const TuiColumn& column) {
                 return column.field->combine != Combine::Same && !is_quantile(column.field);
               });
  return result;
}

std::vector<PlacedColumn> place(std::span<const TuiColumn> columns, int width,
                                const Field* sorted_by, int scrolled) {
  std::vector<std::size_t> by_rank;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (names_row(columns, i) || i > static_cast<std::size_t>(scrolled)) by_rank.push_back(i);
  const auto rank = [&](std::size_t i) {
    if (scrolled > 0) return names_row(columns, i) ? -4 : static_cast<int>(i);
    return sorted_by && columns[i].field == sorted_by ? -3 : columns[i].rank;
  };
  std::stable_sort(by_rank.begin(), by_rank.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  std::vector<std::size_t> fitting;
  int left = width + 1;  // the last column needs no space behind it
  for (const std::size_t i : by_rank) {
    const int narrow = fitting.empty() ? std::min(columns[i].narrow, width) : columns[i].narrow;
    if (narrow + 1 > left) continue;
    left -= narrow + 1;
    fitting.push_back(i);
  }
  std::sort(fitting.begin(), fitting.end());
  std::vector<PlacedColumn> placed;
  for (const std::size_t i : fitting)
    placed.push_back({.column = columns[i], .x = 0, .width = std::min(columns[i].narrow, width)});
  widen(placed, left);
  const auto shows = [&placed](std::string_view id) {
    return std::any_of(placed.begin(), placed.end(), [id](const PlacedColumn& p) {
      return p.column.field && p.column.field->id == id;
    });
  };
  const bool local = shows("local_address"), state = shows("state");
  for (PlacedColumn& p : placed)
    p.column.stands_in = p.column.field && (p.column.field->id == "limited_by" ? !state : !local);
  int x = 0;
  for (PlacedColumn& p : placed) x = (p.x = x) + p.width + 1;
  return placed;
}

std::string endpoint_text(const Address& address, unsigned port, std::string_view name) {
  if (!name.empty()) return fmt::format("{}:{}", name, port);
  if (address.is_unspecified()) return port ? fmt::format("*:{}", port) : "*";
  const std::string text = to_text(address);
  return address.is_ipv4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

}  // namespace netsonde
