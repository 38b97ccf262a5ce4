// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace netsonde {

namespace {

unsigned kinds_of(const View& view) {
  const unsigned live = view.show == Show::Connections ? Snapshot::Connections
                        : view.show == Show::Listeners
                            ? Snapshot::Listeners
                            : Snapshot::Connections | Snapshot::Listeners;
  // A group is of what lives: what ended would hide it behind its own numbers.
  const bool closed =
      view.closed && view.show != Show::Listeners && view.group == GroupBy::Connection;
  return live | (closed ? Snapshot::Closed : 0U);
}

bool wanted(const Row& row, const View& view) {
  const bool by_remote = view.group == GroupBy::RemoteHost || view.group == GroupBy::RemoteSubnet;
  if (by_remote && row.connection.is_listener()) return false;
  if (view.faults_only && !has_fault(row.connection)) return false;
  if (view.open_group && group_key(view.open_group->by, row) != view.open_group->key) return false;
  return view.filter.accepts(row);
}

double known(float rate) {
  return std::isnan(rate) ? 0 : static_cast<double>(rate);
}

// What ended a moment ago comes before what is at rest.
std::array<double, 4> badness(std::span<const Row> rows) {
  std::array<double, 4> worst{};
  for (const Row& row : rows) {
    const Connection& c = row.connection;
    worst[0] += known(c.retransmit_rate);
    worst[1] += known(c.drop_rate);
    worst[2] += known(c.tx_rate) + known(c.rx_rate);
    worst[3] += c.is_closed();
  }
  return worst;
}

// FNV-1a.
std::uint64_t hash_of(const GroupKey& key) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ key.number;
  hash *= 0x100000001b3;
  for (const std::uint8_t byte : key.address.bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

}  // namespace

Items::Items(const Snapshot& snapshot, const View& view) : sort_(view.sort) {
  select(snapshot, view);
  make_items(view.group);
}

void Items::select(const Snapshot& snapshot, const View& view) {
  std::vector<std::pair<GroupKey, const Connection*>> chosen;
  const auto all = snapshot.select(kinds_of(view));
  available_ = all.size();
  chosen.reserve(all.size());
  const bool grouped = view.group != GroupBy::Connection;
  for (const Connection* connection : all) {
    const Row row = snapshot.row(*connection);
    if (wanted(row, view))
      chosen.emplace_back(grouped ? group_key(view.group, row) : GroupKey(), connection);
  }
  if (grouped)
    std::sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first, a.second->last.conn.cookie) <
             std::pair(b.first, b.second->last.conn.cookie);
    });
  rows_.reserve(chosen.size());
  for (const auto& [key, connection] : chosen) rows_.push_back(snapshot.row(*connection));
}

std::size_t Items::closed() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(rows_, [](const Row& row) { return row.connection.is_closed(); }));
}

void Items::make_items(GroupBy by) {
  const std::span<const Row> rows(rows_);
  if (by == GroupBy::Connection) items_.reserve(rows.size());
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    const GroupKey key = group_key(by, rows[begin]);
    end = begin + 1;
    if (by != GroupBy::Connection)
      while (end < rows.size() && group_key(by, rows[end]) == key) ++end;
    Item& item = items_.emplace_back();
    item.id = by == GroupBy::Connection ? key.number : hash_of(key);
    item.rows = rows.subspan(begin, end - begin);
    set_key(item);
  }
}

void Items::set_key(Item& item) const {
  if (!sort_.field)
    item.worst = badness(item.rows);
  else if (item.rows.size() == 1)
    item.key = sort_.field->get(item.first());
  else
    item.key = combined(*sort_.field, item.rows);
}

bool Items::before(const Item& a, const Item& b) const {
  if (!sort_.field) {
    if (a.worst != b.worst) return (a.worst > b.worst) == sort_.descending;
  } else {
    if (sorts_before(a.key, b.key, sort_.descending)) return true;
    if (sorts_before(b.key, a.key, sort_.descending)) return false;
  }
  return a.id < b.id;
}

std::span<const Item> Items::window(std::size_t top, std::size_t count) {
  const auto in_order = [this](const Item& a, const Item& b) { return before(a, b); };
  top = std::min(top, items_.size());
  count = std::min(count, items_.size() - top);
  const auto begin = items_.begin() + static_cast<std::ptrdiff_t>(top);
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  if (begin != items_.end() && top > 0)
    std::nth_element(items_.begin(), begin, items_.end(), in_order);
  std::partial_sort(begin, end, items_.end(), in_order);
  return std::span<const Item>(items_).subspan(top, count);
}

std::optional<std::size_t> Items::position_of(std::uint64_t id) const {
  const auto found =
      std::find_if(items_.begin(), items_.end(), [id](const Item& item) { return item.id == id; });
  if (found == items_.end()) return std::nullopt;
  const auto ahead = std::count_if(items_.begin(), items_.end(),
                                   [&](const Item& item) { return before(item, *found); });
  return static_cast<std::size_t>(ahead);
}

}  // namespace netsonde
