// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "user/model/fields.h"

namespace netsonde {

struct FilterNode;

// The part of a filter that the kernel can decide. It accepts whatever the filter accepts, and
// more.
struct KernelFilter {
  bool any = false;  // there is such a part
  ev_filter conditions{};
};

// An expression over the fields of a row, in the one grammar of every command:
//
//   expression := and-list { "or" and-list }            also ||; keywords in any case
//   and-list   := term { "and" term }                   also &&
//   term       := "not" term | "(" expression ")" | comparison    also !
//   comparison := field                                 present, and neither no, zero nor empty
//               | field ("=" | "!=" | "in" | "not in") values     any of them; none of them
//               | field ("<" | "<=" | ">" | ">=") value
//               | field ("~" | "!~") regex              POSIX extended, anywhere in the text
//   values     := value { "," value }                   also within ( ) or { }
//   value      := number [unit] | text | address ["/" bits] | yes | no | time | "null" | "-"
//
// A field is meant by its id or alias; "port" is either end's. Text is compared exactly, but fields
// with a fixed set of words (state, direction, limited_by, ...) in any case; it needs quotes ("" or
// '') where it holds spaces or signs of the grammar, and in them \ escapes the quote alone. Units
// follow the field: ns us ms s m h d, B kB MB KiB MiB, %, and for rates kbit Mbit Gbit and /s;
// without one the number is in the field's own. Times are RFC 3339 in UTC. A network is of its own
// address family. null is the absent value: it fails every comparison but "!=", "not in", "!~" and
// "= null".
class Filter {
 public:
  // Accepts everything.
  Filter();
  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  // Blank text accepts everything. The error has three lines: what was expected, the text, and a
  // caret under the place. Fails on more than 4096 bytes or 64 levels of "not" and parentheses.
  static Result<Filter> parse(std::string_view text);

  bool accepts(const Row& row) const;
  bool empty() const { return root_ == nullptr; }
  const std::string& text() const { return text_; }
  // Needs nothing but what every event carries: addresses, ports, state, process, namespace,
  // cgroup, age.
  bool only_identity() const;

  // cgroup_id: the id of a cgroup path, 0 when there is none.
  KernelFilter kernel_part(const std::function<std::uint64_t(std::string_view)>& cgroup_id) const;

 private:
  std::string text_;
  std::unique_ptr<const FilterNode> root_;
};

}  // namespace netsonde
