// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter_lexer.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <utility>

#include "user/base/text.h"

namespace netsonde {

namespace {

struct Sign {
  std::string_view text;
  TokenKind kind;
};

// The longer of two that begin alike comes first.
constexpr std::array kSigns = {
    Sign{.text = "==", .kind = TokenKind::Equal},
    Sign{.text = "=", .kind = TokenKind::Equal},
    Sign{.text = "!=", .kind = TokenKind::NotEqual},
    Sign{.text = "!~", .kind = TokenKind::NotMatch},
    Sign{.text = "!", .kind = TokenKind::Not},
    Sign{.text = "<=", .kind = TokenKind::LessEqual},
    Sign{.text = "<", .kind = TokenKind::Less},
    Sign{.text = ">=", .kind = TokenKind::GreaterEqual},
    Sign{.text = ">", .kind = TokenKind::Greater},
    Sign{.text = "~", .kind = TokenKind::Match},
    Sign{.text = "&&", .kind = TokenKind::And},
    Sign{.text = "||", .kind = TokenKind::Or},
    Sign{.text = "(", .kind = TokenKind::Open},
    Sign{.text = "{", .kind = TokenKind::Open},
    Sign{.text = ")", .kind = TokenKind::Close},
    Sign{.text = "}", .kind = TokenKind::Close},
    Sign{.text = ",", .kind = TokenKind::Comma},
};

constexpr std::array kKeywords = {
    Sign{.text = "and", .kind = TokenKind::And},
    Sign{.text = "or", .kind = TokenKind::Or},
    Sign{.text = "not", .kind = TokenKind::Not},
    Sign{.text = "in", .kind = TokenKind::In},
};

constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kEndsWord = " \t\r\n()=!<>~&|,\"'{}";

TokenKind kind_of_word(const std::string& word) {
  for (const Sign& keyword : kKeywords)
    if (strcasecmp(word.c_str(), keyword.text.data()) == 0) return keyword.kind;
  return TokenKind::Word;
}

class Lexer {
 public:
  explicit Lexer(std::string_view expression) : expression_(expression) {}

  Result<Token> next() {
    at_ = std::min(expression_.find_first_not_of(kSpace, at_), expression_.size());
    if (at_ == expression_.size()) return Token{.kind = TokenKind::End, .text = "", .offset = at_};
    if (expression_[at_] == '"' || expression_[at_] == '\'') return quoted();
    const std::string_view rest = expression_.substr(at_);
    for (const Sign& sign : kSigns)
      if (rest.starts_with(sign.text)) return take(sign.text.size(), sign.kind);
    if (rest[0] == '&') return filter_error(expression_, at_, "expected 'and' or '&&'");
    if (rest[0] == '|') return filter_error(expression_, at_, "expected 'or' or '||'");
    return word();
  }

 private:
  Token take(std::size_t length, TokenKind kind) {
    const std::size_t begin = std::exchange(at_, at_ + length);
    return {.kind = kind, .text = std::string(expression_.substr(begin, length)), .offset = begin};
  }

  Token word() {
    const std::size_t end = std::min(expression_.find_first_of(kEndsWord, at_), expression_.size());
    Token token = take(end - at_, TokenKind::Word);
    token.kind = kind_of_word(token.text);
    return token;
  }

  // A backslash means something before the quote alone, so that regular expressions keep theirs.
  Result<Token> quoted() {
    const char quote = expression_[at_];
    Token token{.kind = TokenKind::Quoted, .text = "", .offset = at_++};
    while (at_ < expression_.size() && expression_[at_] != quote) {
      const bool last = at_ + 1 == expression_.size();
      if (expression_[at_] == '\\' && !last && expression_[at_ + 1] == quote) ++at_;
      token.text += expression_[at_++];
    }
    if (at_ == expression_.size())
      return filter_error(expression_, token.offset,
                          fmt::format("expected a closing {} for this quote", quote));
    ++at_;
    return token;
  }

  std::string_view expression_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view expression) {
  const std::size_t null = expression.find('\0');
  if (null != std::string_view::npos)
    return filter_error(expression, null, "expected text, found a null byte");
  Lexer lexer(expression);
  std::vector<Token> tokens;
  do tokens.push_back(TRY(lexer.next()));
  while (tokens.back().kind != TokenKind::End);
  return tokens;
}

Error filter_error(std::string_view expression, std::size_t offset, std::string_view what) {
  const std::string before = printable(expression.substr(0, offset));
  return Error(
      fmt::format("{}\n  {}\n  {:{}}^", what, printable(expression), "", display_width(before)));
}

}  // namespace netsonde
