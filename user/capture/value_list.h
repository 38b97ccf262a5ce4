// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/model/host_value.h"

namespace netsonde {

// Values in the order in which they were read. The strings of the reading before are written over:
// as long as the host looks the same, nothing is allocated.
class ValueList {
 public:
  using Parts = std::initializer_list<std::string_view>;  // joined without anything between

  void restart();
  void add(Parts name, Parts instance, std::uint64_t value);
  void add(std::string_view name, std::uint64_t value) { add({name}, {}, value); }
  // Of the first that was added under this name.
  std::optional<std::uint64_t> value(std::string_view name) const;
  // Something that is there but makes no sense.
  void not_understood() { ++unreadable_; }

  // What was added since the mark is taken back.
  std::size_t mark() const { return used_; }
  void take_back(std::size_t mark) { used_ = mark; }

  // Until the next restart().
  const std::vector<HostValue>& finish();
  std::uint64_t unreadable() const { return unreadable_; }

 private:
  std::vector<HostValue> values_;
  std::size_t used_ = 0;
  std::uint64_t unreadable_ = 0;
};

// A number as decimal text, without allocation.
class Digits {
 public:
  explicit Digits(std::uint64_t number, int base = 10);
  operator std::string_view() const { return {text_, length_}; }

 private:
  char text_[20] = {};
  std::size_t length_ = 0;
};

}  // namespace netsonde
