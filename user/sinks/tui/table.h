// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/sinks/tui/columns.h"
#include "user/sinks/tui/name_cache.h"
#include "user/sinks/tui/rows.h"
#include "user/sinks/tui/screen.h"

namespace netsonde {

// The body: column titles and as many lines as fit. The cursor stays with its connection wherever
// that goes, but while it was never moved (or after top()) it stays on the first line.
class TuiTable {
 public:
  struct Area {
    int y = 0, height = 0;
  };

  // names: null shows addresses as numbers.
  void draw(Screen& screen, Area area, Items& items, const View& view,
            std::span<const TuiColumn> columns, NameCache* names);

  void move(int lines) { moves_ += lines; }
  void move_pages(int pages) { moves_ += pages * std::max(page_ - 1, 1); }
  void top();
  void bottom() { to_bottom_ = true; }
  void scroll_columns(int by) { scrolled_ = std::max(scrolled_ + by, 0); }
  // The table shows something else from now on.
  void reset();

  // The line under the cursor as it was drawn last.
  std::optional<std::uint64_t> selected() const;
  // What a click there means.
  std::optional<std::uint64_t> line_at(int y) const;
  const Field* title_at(int y, int x) const;
  void select(std::uint64_t id);

  // Cookies of the connections on the screen, when a column needs their histograms; otherwise none.
  const std::vector<std::uint64_t>& wants_histograms() const { return histograms_; }
  const std::vector<PlacedColumn>& columns() const { return placed_; }

 private:
  void follow_cursor(Items& items);
  std::vector<TuiColumn> widened(const Screen& screen, std::span<const TuiColumn> columns,
                                 std::span<const Item> lines, const View& view, NameCache* names);
  void draw_titles(Screen& screen, const View& view) const;
  void draw_line(Screen& screen, int y, const Item& item, const View& view, NameCache* names,
                 bool under_cursor) const;
  void collect_histograms(std::span<const Item> lines, const View& view);

  Area area_;
  int page_ = 1;
  int moves_ = 0;
  bool to_bottom_ = false;
  int scrolled_ = 0;
  bool follows_ = false;
  std::uint64_t cursor_ = 0;
  std::size_t position_ = 0, top_ = 0;
  std::vector<PlacedColumn> placed_;
  std::vector<std::uint64_t> lines_;
  std::vector<std::uint64_t> histograms_;
  std::vector<std::pair<const Field*, int>>
      widest_;  // what a column of addresses or groups held so far
};

}  // namespace netsonde
