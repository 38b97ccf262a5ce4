// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/table.h"

#include <algorithm>

#include "user/sinks/tui/cells.h"

namespace netsonde {

namespace {

// Grows with what it has to hold; the others have one width for good.
bool grows(const TuiColumn& column) {
  return column.kind == TuiColumn::Kind::Endpoint || column.kind == TuiColumn::Kind::Group ||
         (column.field && column.field->id == "cgroup");
}

// An endpoint that is cut keeps its port.
std::string fitted(std::string_view text, const PlacedColumn& placed) {
  const std::size_t colon = text.rfind(':');
  if (placed.column.kind != TuiColumn::Kind::Endpoint || colon == std::string_view::npos ||
      display_width(text) <= placed.width)
    return fit(text, placed.width, right_aligned(placed.column));
  const std::string_view port = text.substr(colon);
  return fit(text.substr(0, colon), placed.width - static_cast<int>(port.size())) +
         std::string(port);
}

}  // namespace

void TuiTable::top() {
  follows_ = false;
  moves_ = 0;
  position_ = top_ = 0;
}

void TuiTable::reset() {
  top();
  scrolled_ = 0;
  widest_.clear();
  lines_.clear();
}

std::optional<std::uint64_t> TuiTable::selected() const {
  if (position_ < top_ || position_ - top_ >= lines_.size()) return std::nullopt;
  return lines_[position_ - top_];
}

void TuiTable::select(std::uint64_t id) {
  follows_ = true;
  cursor_ = id;
}

std::optional<std::uint64_t> TuiTable::line_at(int y) const {
  const int line = y - area_.y - 1;
  if (line < 0 || line >= static_cast<int>(lines_.size())) return std::nullopt;
  return lines_[static_cast<std::size_t>(line)];
}

const Field* TuiTable::title_at(int y, int x) const {
  if (y != area_.y) return nullptr;
  const auto found = std::find_if(placed_.begin(), placed_.end(), [x](const PlacedColumn& p) {
    return x >= p.x && x <= p.x + p.width;
  });
  return found == placed_.end() ? nullptr : found->column.field;
}

// Brings position_ and top_ in line with where the connection under the cursor is now.
void TuiTable::follow_cursor(Items& items) {
  const auto last = static_cast<std::ptrdiff_t>(items.size()) - 1;
  auto position = static_cast<std::ptrdiff_t>(position_);
  if (follows_)
    if (const auto now = items.position_of(cursor_)) position = static_cast<std::ptrdiff_t>(*now);
  position += moves_;
  if (to_bottom_) position = last;
  position_ = static_cast<std::size_t>(
      std::clamp(position, std::ptrdiff_t{0}, std::max(last, std::ptrdiff_t{0})));
  const bool moved = moves_ != 0 || to_bottom_;
  if (moved) follows_ = true;
  moves_ = 0;
  to_bottom_ = false;
  const auto page = static_cast<std::size_t>(page_);
  if (position_ < top_) top_ = position_;
  if (position_ >= top_ + page) top_ = position_ - page + 1;
  if (top_ + page > items.size()) top_ = items.size() > page ? items.size() - page : 0;
}

std::vector<TuiColumn> TuiTable::widened(const Screen& screen, std::span<const TuiColumn> columns,
                                         std::span<const Item> lines, const View& view,
                                         NameCache* names) {
  std::vector<TuiColumn> result(columns.begin(), columns.end());
  for (TuiColumn& column : result) {
    if (!grows(column)) continue;
    auto found = std::find_if(widest_.begin(), widest_.end(),
                              [&](const auto& entry) { return entry.first == column.field; });
    if (found == widest_.end())
      found = widest_.insert(widest_.end(), {column.field, column.narrow});
    for (const Item& item : lines)
      found->second = std::max(
          found->second,
          display_width(screen.clean(cell_text(column, column.wide, item, view.group, names))));
    column.wide = std::clamp(found->second, column.narrow, column.wide);
  }
  return result;
}

void TuiTable::draw_titles(Screen& screen, const View& view) const {
  screen.put(area_.y, 0, screen.columns(), "", Style::Title);
  for (const PlacedColumn& p : placed_) {
    const bool sorted = view.sort.field && p.column.field == view.sort.field;
    std::string title(p.column.title);
    if (sorted)
      title += screen.unicode() ? (view.sort.descending ? "▼" : "▲")
                                : (view.sort.descending ? "v" : "^");
    screen.put(area_.y, p.x, p.width, fit(title, p.width, right_aligned(p.column), ""),
               Style::Title);
  }
}

void TuiTable::draw_line(Screen& screen, int y, const Item& item, const View& view,
                         NameCache* names, bool under_cursor) const {
  const bool over = is_over(item);
  if (under_cursor) screen.put(y, 0, screen.columns(), "", Style::Normal, true);
  for (const PlacedColumn& p : placed_) {
    const std::string text = screen.clean(cell_text(p.column, p.width, item, view.group, names));
    const Style style = cell_style(p.column, item);
    screen.put(y, p.x, p.width, fitted(text, p), over && style != Style::Warn ? Style::Dim : style,
               under_cursor);
  }
}

void TuiTable::collect_histograms(std::span<const Item> lines, const View& view) {
  histograms_.clear();
  const bool shown = std::any_of(placed_.begin(), placed_.end(),
                                 [](const PlacedColumn& p) { return is_quantile(p.column.field); });
  if (!shown || view.group != GroupBy::Connection) return;
  for (const Item& item : lines)
    if (!item.first().connection.is_listener() && !item.first().connection.is_closed())
      histograms_.push_back(item.id);
  std::sort(histograms_.begin(), histograms_.end());
}

void TuiTable::draw(Screen& screen, Area area, Items& items, const View& view,
                    std::span<const TuiColumn> columns, NameCache* names) {
  area_ = area;
  page_ = std::max(area.height - 1, 1);
  follow_cursor(items);
  const auto lines = items.window(top_, static_cast<std::size_t>(page_));
  scrolled_ = std::clamp(scrolled_, 0, std::max(static_cast<int>(columns.size()) - 2, 0));
  placed_ = place(widened(screen, columns, lines, view, names), screen.columns(), view.sort.field,
                  scrolled_);
  draw_titles(screen, view);
  lines_.clear();
  int y = area.y + 1;
  for (const Item& item : lines) {
    const bool under_cursor = top_ + lines_.size() == position_;
    draw_line(screen, y, item, view, names, under_cursor);
    if (under_cursor) cursor_ = item.id;
    lines_.push_back(item.id);
    ++y;
  }
  collect_histograms(lines, view);
}

}  // namespace netsonde
