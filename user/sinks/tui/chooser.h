// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/sinks/tui/screen.h"

namespace netsonde {

// A list in a box: typing narrows it, Space marks, Enter takes, Esc leaves.
class Chooser {
 public:
  struct Entry {
    std::string name, help;
    bool marked = false;
  };
  enum class Answer { None, Changed, Taken, Left };

  // Without marks Space is like Enter.
  Chooser(std::string title, std::vector<Entry> entries, bool marks);

  Answer on_key(char32_t key);
  void draw(Screen& screen) const;

  const std::vector<Entry>& entries() const { return entries_; }
  // Of the entry under the cursor; entries().size() when there is none.
  std::size_t chosen() const;

 private:
  std::vector<std::size_t> matching() const;
  void move(int by);

  std::string title_;
  std::vector<Entry> entries_;
  bool marks_;
  std::string typed_;
  std::size_t cursor_ = 0;  // in what matches
};

// A text in a box, the lines that fit; every key leaves it but those that scroll.
struct Page {
  std::string title;
  std::vector<std::string> lines;
  int scrolled = 0;

  // False: leave it.
  bool on_key(char32_t key);
  void draw(Screen& screen);
};

// What the keys do, for people.
Page help_page(int width, bool recording);

}  // namespace netsonde
