// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter_evaluation.h"

#include <strings.h>

#include <algorithm>

namespace netsonde {

namespace {

template <typename T>
bool stands(Comparator comparator, const T& left, const T& right) {
  switch (comparator) {
    case Comparator::Less: return left < right;
    case Comparator::LessEqual: return left <= right;
    case Comparator::Greater: return left > right;
    case Comparator::GreaterEqual: return left >= right;
    default: return left == right;
  }
}

bool is_present(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return *number != 0;
  if (const auto* number = std::get_if<double>(&value)) return *number != 0;
  if (const auto* text = std::get_if<std::string_view>(&value)) return !text->empty();
  if (const auto* address = std::get_if<Address>(&value)) return !address->is_unspecified();
  return !is_absent(value);
}

bool matches_text(const Comparison& comparison, std::string_view text, const Operand& operand) {
  if (const auto* regex = std::get_if<Regex>(&operand)) return regex->matches(text);
  const auto* other = std::get_if<std::string>(&operand);
  if (!other || other->size() != text.size()) return false;
  return comparison.ignore_case ? strncasecmp(text.data(), other->data(), text.size()) == 0
                                : text == *other;
}

bool matches(const Comparison& comparison, const Value& value, const Operand& operand) {
  if (std::holds_alternative<std::monostate>(operand)) return is_absent(value);
  if (const auto* number = std::get_if<Number>(&operand)) {
    const auto* whole = std::get_if<std::uint64_t>(&value);
    if (whole && number->whole) return stands(comparison.comparator, *whole, *number->whole);
    if (whole) return stands(comparison.comparator, static_cast<double>(*whole), number->value);
    const auto* real = std::get_if<double>(&value);
    return real && stands(comparison.comparator, *real, number->value);
  }
  if (const auto* text = std::get_if<std::string_view>(&value))
    return matches_text(comparison, *text, operand);
  if (const auto* address = std::get_if<Address>(&value)) {
    const auto* network = std::get_if<Network>(&operand);
    return network && network->contains(*address);
  }
  if (const auto* flag = std::get_if<bool>(&operand)) return value == Value(*flag);
  const auto* time = std::get_if<Timestamp>(&value);
  const auto* other = std::get_if<Timestamp>(&operand);
  return time && other && stands(comparison.comparator, *time, *other);
}

bool any_matches(const Comparison& comparison, const Value& value) {
  if (comparison.comparator == Comparator::Present) return is_present(value);
  for (const Operand& operand : comparison.operands)
    if (matches(comparison, value, operand)) return true;
  return false;
}

bool holds(const Comparison& comparison, const FilterSubject& subject) {
  for (const Field* field : comparison.fields)
    if (field && any_matches(comparison, subject.value_of(*field))) return !comparison.negated;
  return comparison.negated;
}

}  // namespace

bool holds(const FilterNode& node, const FilterSubject& subject) {
  const auto holds_too = [&subject](const FilterNode& child) { return holds(child, subject); };
  switch (node.kind) {
    case FilterNode::Kind::All:
      return std::all_of(node.children.begin(), node.children.end(), holds_too);
    case FilterNode::Kind::Any:
      return std::any_of(node.children.begin(), node.children.end(), holds_too);
    case FilterNode::Kind::Not: return !holds(node.children.front(), subject);
    case FilterNode::Kind::Comparison: break;
  }
  return holds(node.comparison, subject);
}

}  // namespace netsonde
