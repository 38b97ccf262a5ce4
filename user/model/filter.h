// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "user/model/fields.h"

namespace netsonde {

struct FilterNode;

// The part of a filter that the kernel can decide. It accepts whatever the filter accepts, and more.
struct KernelFilter {
  bool any = false;  // there is such a part
  ev_filter conditions{};
};

// An expression over the fields of a row, in the one grammar of every command:
//
//   expression := and-list { "or" and-list }
//   and-list   := term { "and" term }
//   term       := "not" term | "(" expression ")" | comparison
//   comparison := field operator value | field "in" cidr-or-address { "," cidr-or-address }
//               | field                                       (true and present)
//   operator   := "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"      (~: extended regex)
//   value      := number [unit] | "text" | 'text' | word | address
//
// Besides the fields of the catalogue: "port", either end's. Units follow the field: us ms s m h, B KiB MiB kB MB,
// %, /s, and for rates kbit Mbit Gbit. An absent value fails every comparison except "!=" and "!~".
class Filter {
 public:
  // Accepts everything.
  Filter();
  // The error is two more lines: the text, and a caret under the column with what was expected there.
  static Result<Filter> parse(std::string_view text);

  bool accepts(const Row& row) const;
  bool empty() const { return root_ == nullptr; }
  const std::string& text() const { return text_; }
  // Needs nothing but what every event carries: addresses, ports, state, process, namespace, cgroup.
  bool only_identity() const;

  // cgroup_id: the id of a cgroup path, 0 when there is none.
  KernelFilter kernel_part(const std::function<std::uint64_t(std::string_view)>& cgroup_id) const;

 private:
  std::string text_;
  std::shared_ptr<const FilterNode> root_;  // shared by copies, never changed
};

}  // namespace netsonde
