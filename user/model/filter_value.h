// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <regex.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "user/base/result.h"
#include "user/model/fields.h"

namespace netsonde {

// What a field holds wherever it holds anything.
enum class FieldKind : std::uint8_t { Text, Number, Flag, Address, Time };
FieldKind kind_of(const Field& field);

// Its value is one of these few words, which no case tells apart: "established" is ESTABLISHED.
// Empty: the field may hold anything.
std::span<const std::string_view> words_of(const Field& field);

// A number in the field's own unit.
struct Number {
  double value = 0;
  std::optional<std::uint64_t> whole;  // exactly, where it is written so
};

// An address or the network that begins with it; an IPv4 address is in no IPv6 network.
struct Network {
  Address value;  // masked
  Address mask;
  bool contains(const Address& address) const;
};

// A POSIX extended regular expression.
class Regex {
 public:
  // Refuses what would take the C library long or much memory: nested counts, back-references.
  static Result<Regex> compile(const std::string& pattern, bool ignore_case);
  bool matches(std::string_view text) const;

 private:
  struct Free {
    void operator()(regex_t* compiled) const;
  };
  std::unique_ptr<regex_t, Free> compiled_;
};

// What a field is compared with; monostate: with nothing ("null").
using Operand = std::variant<std::monostate, bool, Number, std::string, Network, Timestamp, Regex>;

// The left side of a comparison.
struct FilterTarget {
  std::string_view name;  // as the user calls the field
  FieldKind kind = FieldKind::Text;
  Unit unit = Unit::None;
  std::span<const std::string_view> words = {};  // all that it can be; empty: anything
};

// The right side, from its words.
Result<Operand> parse_operand(const FilterTarget& target, const std::string& text);

}  // namespace netsonde
