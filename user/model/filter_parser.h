// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "user/base/result.h"
#include "user/model/fields.h"
#include "user/model/filter_value.h"

namespace netsonde {

enum class Comparator : std::uint8_t {
  Present,
  Equal,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Match
};

// True when one of the fields stands in the relation to one of the operands; negated: when none
// does.
struct Comparison {
  std::array<const Field*, 2> fields{};  // the second only for "port", either end's
  Comparator comparator = Comparator::Present;
  bool negated = false;
  bool ignore_case = false;
  std::vector<Operand> operands;
};

struct FilterNode {
  enum class Kind : std::uint8_t { All, Any, Not, Comparison };
  Kind kind = Kind::Comparison;
  std::vector<FilterNode> children;
  Comparison comparison;
};

// What an expression speaks of: rows, or anything else that has fields.
struct Vocabulary {
  std::string_view expression;  // what one is called: "filter"
  std::span<const Field> fields;
  std::string_view lists;  // what lists the fields, for who named none of them
};

inline constexpr std::size_t kLongestFilter = 4096;  // bytes
inline constexpr int kDeepestFilter = 64;            // "not" and parentheses inside each other

// The expression must not be blank. The vocabulary's fields must outlive what is returned.
Result<FilterNode> parse_filter(std::string_view expression, const Vocabulary& vocabulary);

}  // namespace netsonde
