// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/chooser.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "user/base/text.h"

namespace netsonde {

namespace {

struct Box {
  int y, x, height, width;  // inside
};

// A frame above the bottom line, and what is inside of it.
Box draw_box(Screen& screen, int height, int width, std::string_view title,
             std::string_view bottom) {
  height = std::min(height, screen.rows() - 3);
  width = std::min(width, screen.columns() - 4);
  const Box box = {.y = screen.rows() - 2 - height,
                   .x = (screen.columns() - width) / 2,
                   .height = height,
                   .width = width};
  const auto line = [&](std::string_view left, std::string_view right, std::string_view text) {
    std::string middle = text.empty() ? "" : fmt::format(" {} ", text);
    while (display_width(middle) < width + 2) middle += screen.unicode() ? "─" : "-";
    return std::string(left) + fit(middle, width + 2, false, "") + std::string(right);
  };
  const bool unicode = screen.unicode();
  screen.put(box.y - 1, box.x - 2, width + 4,
             line(unicode ? "┌" : "+", unicode ? "┐" : "+", title));
  for (int y = box.y; y < box.y + height; ++y) {
    screen.put(y, box.x - 2, width + 4, "");
    screen.put(y, box.x - 2, 1, unicode ? "│" : "|");
    screen.put(y, box.x + width + 1, 1, unicode ? "│" : "|");
  }
  screen.put(box.y + height, box.x - 2, width + 4,
             line(unicode ? "└" : "+", unicode ? "┘" : "+", bottom));
  return box;
}

// Lines of at most so many characters, broken at spaces. ASCII only.
std::vector<std::string_view> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string_view> lines;
  while (text.size() > width) {
    const std::size_t space = text.rfind(' ', width);
    const std::size_t end = space == std::string_view::npos || space == 0 ? width : space;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + (end == space), text.size()));
  }
  lines.push_back(text);
  return lines;
}

}  // namespace

Chooser::Chooser(std::string title, std::vector<Entry> entries, bool marks)
    : title_(std::move(title)), entries_(std::move(entries)), marks_(marks) {}

std::vector<std::size_t> Chooser::matching() const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].name.find(typed_) != std::string::npos) found.push_back(i);
  return found;
}

std::size_t Chooser::chosen() const {
  const auto found = matching();
  return cursor_ < found.size() ? found[cursor_] : entries_.size();
}

void Chooser::move(int by) {
  const int last = static_cast<int>(matching().size()) - 1;
  cursor_ =
      static_cast<std::size_t>(std::clamp(static_cast<int>(cursor_) + by, 0, std::max(last, 0)));
}

Chooser::Answer Chooser::on_key(char32_t key) {
  switch (key) {
    case kUp:
    case kWheelUp: move(-1); return Answer::None;
    case kDown:
    case kWheelDown: move(1); return Answer::None;
    case kPageUp: move(-10); return Answer::None;
    case kPageDown: move(10); return Answer::None;
    case kHome: cursor_ = 0; return Answer::None;
    case kEnd: move(static_cast<int>(entries_.size())); return Answer::None;
    case kEscape: return Answer::Left;
    case kEnter: return Answer::Taken;
    case kBackspace:
      if (!typed_.empty()) typed_.pop_back();
      cursor_ = 0;
      return Answer::None;
    case U' ':
      if (!marks_) return Answer::Taken;
      if (chosen() < entries_.size()) entries_[chosen()].marked ^= true;
      return Answer::Changed;
    default: break;
  }
  if (key > 0x20 && key < 0x7f) {
    typed_ += static_cast<char>(key);
    cursor_ = 0;
  }
  return Answer::None;
}

void Chooser::draw(Screen& screen) const {
  const auto found = matching();
  const int width = std::min(screen.columns() - 4, 100);
  const std::string bottom =
      fmt::format("{}Enter {}  Esc leave  type to search{}{}", marks_ ? "Space mark  " : "",
                  marks_ ? "done" : "take", typed_.empty() ? "" : ": ", typed_);
  const Box box =
      draw_box(screen, std::clamp(screen.rows() - 13, 4, static_cast<int>(entries_.size())), width,
               title_, bottom);
  const auto height = static_cast<std::size_t>(std::max(box.height, 1));
  const std::size_t top = cursor_ < height ? 0 : cursor_ - height + 1;
  for (std::size_t i = top; i < std::min(found.size(), top + height); ++i) {
    const Entry& entry = entries_[found[i]];
    const std::string mark = !marks_ ? "" : entry.marked ? "[x] " : "[ ] ";
    const int y = box.y + static_cast<int>(i - top);
    screen.put(y, box.x, width, fmt::format("{}{:<26} {}", mark, entry.name, entry.help),
               entry.marked ? Style::Strong : Style::Normal, i == cursor_);
  }
}

bool Page::on_key(char32_t key) {
  switch (key) {
    case kDown:
    case kWheelDown:
    case U'j': ++scrolled; return true;
    case kUp:
    case kWheelUp:
    case U'k': --scrolled; return true;
    case kPageDown:
    case U' ': scrolled += 10; return true;
    case kPageUp: scrolled -= 10; return true;
    case kHome: scrolled = 0; return true;
    case kEnd: scrolled = static_cast<int>(lines.size()); return true;
    case kIgnored: return true;
    default: return false;
  }
}

void Page::draw(Screen& screen) {
  int widest = 0;
  for (const std::string& line : lines) widest = std::max(widest, display_width(line));
  const int fits = screen.rows() - 2, count = static_cast<int>(lines.size());
  const bool all = count <= fits;
  scrolled = std::clamp(scrolled, 0, std::max(count - fits, 0));
  const Box box = draw_box(screen, count, widest, title,
                           all ? "any key: back" : "Up Down: more; any other key: back");
  for (int i = 0; i < box.height; ++i)
    screen.put(box.y + i, box.x, box.width,
               lines[static_cast<std::size_t>(scrolled) + static_cast<std::size_t>(i)]);
}

Page help_page(int width, bool recording) {
  constexpr std::size_t kNames = 14;
  const auto room = static_cast<std::size_t>(std::max(std::min(width, 100) - 4, 20)) - kNames;
  Page page = {.title = "netsonde keys", .lines = {}, .scrolled = 0};
  for (const KeyBinding& binding : key_bindings()) {
    if (!binding.applies(recording)) continue;
    std::string_view names = binding.names;
    for (const std::string_view line : wrapped(binding.help, room))
      page.lines.push_back(fmt::format("{:<{}}{}", std::exchange(names, ""), kNames, line));
  }
  return page;
}

}  // namespace netsonde
