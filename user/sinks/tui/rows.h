// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "user/sinks/tui/view.h"

namespace netsonde {

// One line of the table: a connection, or a group of them.
struct Item {
  std::uint64_t id = 0;  // the cookie; of a group, a number that is the same in every snapshot
  std::span<const Row> rows;
  Value key;                      // what it is sorted by
  std::array<double, 4> worst{};  // the same, when the worst comes first

  const Row& first() const { return rows.front(); }
};

// The lines of a table as a view wants them. Only what is looked at is brought into order, so a
// hundred thousand lines cost a pass over them and not more. Valid as long as the snapshot.
class Items {
 public:
  Items(const Snapshot& snapshot, const View& view);

  std::size_t size() const { return items_.size(); }
  // Connections that the view shows, and those that it could have shown.
  std::size_t shown() const { return rows_.size(); }
  std::size_t available() const { return available_; }
  // Of those that it shows.
  std::size_t closed() const;

  // The lines at these positions of the order.
  std::span<const Item> window(std::size_t top, std::size_t count);
  std::optional<std::size_t> position_of(std::uint64_t id) const;

 private:
  void select(const Snapshot& snapshot, const View& view);
  void make_items(GroupBy by);
  void set_key(Item& item) const;
  bool before(const Item& a, const Item& b) const;

  Sort sort_;
  std::size_t available_ = 0;
  std::vector<Row> rows_;
  std::vector<Item> items_;
};

}  // namespace netsonde
