// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace netsonde {

// One line of text that is being typed, in UTF-8, with the usual keys: Left, Right, Home, End,
// Backspace, Delete, Ctrl-A, Ctrl-E, Ctrl-U, Ctrl-W.
class LineEdit {
 public:
  explicit LineEdit(std::string text = {}) : text_(std::move(text)), cursor_(text_.size()) {}

  // False: the key is none of the line's.
  bool on_key(char32_t key);
  // Completes the word before the cursor as far as all words that begin so agree; returns these.
  std::vector<std::string_view> complete(const std::vector<std::string_view>& words);

  const std::string& text() const { return text_; }
  std::string_view before_cursor() const { return std::string_view(text_).substr(0, cursor_); }

 private:
  void insert(char32_t character);
  std::size_t previous() const;
  std::size_t next() const;

  std::string text_;
  std::size_t cursor_ = 0;
};

}  // namespace netsonde
