// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/result.h"

namespace netsonde {

enum class TokenKind : std::uint8_t {
  Word,    // whatever is no other: a field, a number with its unit, an address, bare text
  Quoted,  // text between quotes, without them
  And,
  Or,
  Not,
  In,
  Open,   // ( or {
  Close,  // ) or }
  Comma,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Match,
  NotMatch,
  End,
};

struct Token {
  TokenKind kind = TokenKind::End;
  std::string text;
  std::size_t offset = 0;  // of its first byte in the expression
};

// The words and signs of a filter; the last token is an End.
Result<std::vector<Token>> tokenize(std::string_view expression);

// What is wrong, the expression on one line, and a caret under the byte at the offset.
Error filter_error(std::string_view expression, std::size_t offset, std::string_view what);

}  // namespace netsonde
