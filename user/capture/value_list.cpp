// SPDX-License-Identifier: Apache-2.0
#include "user/capture/value_list.h"

#include <charconv>

namespace netsonde {

namespace {

void join(std::string& text, ValueList::Parts parts) {
  text.clear();
  for (const std::string_view part : parts) text += part;
}

}  // namespace

void ValueList::restart() {
  used_ = 0;
  unreadable_ = 0;
}

void ValueList::add(Parts name, Parts instance, std::uint64_t value) {
  if (used_ == values_.size()) values_.emplace_back();
  HostValue& slot = values_[used_++];
  join(slot.name, name);
  join(slot.instance, instance);
  slot.value = value;
}

std::optional<std::uint64_t> ValueList::value(std::string_view name) const {
  for (std::size_t i = 0; i < used_; ++i)
    if (values_[i].name == name) return values_[i].value;
  return std::nullopt;
}

const std::vector<HostValue>& ValueList::finish() {
  values_.resize(used_);
  return values_;
}

Digits::Digits(std::uint64_t number, int base) {
  length_ = static_cast<std::size_t>(
      std::to_chars(std::begin(text_), std::end(text_), number, base).ptr - text_);
}

}  // namespace netsonde
