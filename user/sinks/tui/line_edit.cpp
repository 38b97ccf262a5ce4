// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/line_edit.h"

#include <algorithm>
#include <cctype>

#include "user/sinks/tui/keys.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongest = 1000;

bool continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

std::string utf8(char32_t c) {
  const auto tail = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

}  // namespace

std::size_t LineEdit::previous() const {
  std::size_t at = cursor_;
  while (at > 0 && continues(text_[--at])) continue;
  return at;
}

std::size_t LineEdit::next() const {
  std::size_t at = std::min(cursor_ + 1, text_.size());
  while (at < text_.size() && continues(text_[at])) ++at;
  return at;
}

void LineEdit::insert(char32_t character) {
  if (text_.size() >= kLongest) return;
  const std::string bytes = utf8(character);
  text_.insert(cursor_, bytes);
  cursor_ += bytes.size();
}

bool LineEdit::on_key(char32_t key) {
  constexpr char32_t kCtrlA = 1, kCtrlE = 5, kCtrlU = 21, kCtrlW = 23;
  const auto erase_back_to = [this](std::size_t at) {
    text_.erase(at, cursor_ - at);
    cursor_ = at;
  };
  switch (key) {
    case kLeft: cursor_ = previous(); return true;
    case kRight: cursor_ = next(); return true;
    case kHome:
    case kCtrlA: cursor_ = 0; return true;
    case kEnd:
    case kCtrlE: cursor_ = text_.size(); return true;
    case kBackspace: erase_back_to(previous()); return true;
    case kDelete: text_.erase(cursor_, next() - cursor_); return true;
    case kCtrlU: erase_back_to(0); return true;
    case kCtrlW: {
      std::size_t at = cursor_;
      while (at > 0 && text_[at - 1] == ' ') --at;
      while (at > 0 && text_[at - 1] != ' ') --at;
      erase_back_to(at);
      return true;
    }
    default: break;
  }
  if (key < 0x20 || key == 0x7f || key >= 0x110000) return false;
  insert(key);
  return true;
}

std::vector<std::string_view> LineEdit::complete(const std::vector<std::string_view>& words) {
  std::size_t begin = cursor_;
  while (begin > 0 &&
         (std::isalnum(static_cast<unsigned char>(text_[begin - 1])) || text_[begin - 1] == '_'))
    --begin;
  const std::string typed = text_.substr(begin, cursor_ - begin);
  std::vector<std::string_view> matching;
  std::copy_if(words.begin(), words.end(), std::back_inserter(matching),
               [&](std::string_view word) { return word.starts_with(typed); });
  if (matching.empty()) return matching;
  std::string_view common = matching.front();
  for (const std::string_view word : matching) {
    const auto differ = std::mismatch(common.begin(), common.end(), word.begin(), word.end());
    common = common.substr(0, static_cast<std::size_t>(differ.first - common.begin()));
  }
  const std::string rest(common.substr(typed.size()));
  text_.insert(cursor_, rest);
  cursor_ += rest.size();
  return matching;
}

}  // namespace netsonde
