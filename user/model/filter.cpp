// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <limits>

#include "user/model/filter_parser.h"

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
  if (const auto* text = std::get_if<std::string_view>(&value))
    return matches_text(comparison, *text, operand);
  if (const auto* address = std::get_if<Address>(&value)) {
    const auto* network = std::get_if<Network>(&operand);
    return network && network->contains(*address);
  }
  if (const auto* number = std::get_if<Number>(&operand)) {
    const auto* whole = std::get_if<std::uint64_t>(&value);
    if (whole && number->whole) return stands(comparison.comparator, *whole, *number->whole);
    if (whole) return stands(comparison.comparator, static_cast<double>(*whole), number->value);
    const auto* real = std::get_if<double>(&value);
    return real && stands(comparison.comparator, *real, number->value);
  }
  if (const auto* flag = std::get_if<bool>(&operand)) return value == Value(*flag);
  const auto* time = std::get_if<Timestamp>(&value);
  const auto* other = std::get_if<Timestamp>(&operand);
  return time && other && stands(comparison.comparator, *time, *other);
}

bool any_matches(const Comparison& comparison, const Value& value) {
  if (comparison.comparator == Comparator::Present) return is_present(value);
  return std::any_of(comparison.operands.begin(), comparison.operands.end(),
                     [&](const Operand& operand) { return matches(comparison, value, operand); });
}

bool holds(const Comparison& comparison, const Row& row) {
  for (const Field* field : comparison.fields)
    if (field && any_matches(comparison, field->get(row))) return !comparison.negated;
  return comparison.negated;
}

bool holds(const FilterNode& node, const Row& row) {
  const auto holds_too = [&row](const FilterNode& child) { return holds(child, row); };
  switch (node.kind) {
    case FilterNode::Kind::All:
      return std::all_of(node.children.begin(), node.children.end(), holds_too);
    case FilterNode::Kind::Any:
      return std::any_of(node.children.begin(), node.children.end(), holds_too);
    case FilterNode::Kind::Not: return !holds(node.children.front(), row);
    case FilterNode::Kind::Comparison: break;
  }
  return holds(node.comparison, row);
}

// What ev_conn and the time of an event tell.
bool is_identity(const Field* field) {
  static constexpr std::array<std::string_view, 17> kIds = {
      "cookie", "family", "local_address", "local_port", "remote_address", "remote_port",
      "state",  "netns",  "direction",     "pid",        "comm",           "owner_source",
      "uid",    "cgroup", "container",     "opened_at",  "age_s"};
  return !field || std::find(kIds.begin(), kIds.end(), field->id) != kIds.end();
}

bool only_identity_below(const FilterNode& node) {
  return std::all_of(node.comparison.fields.begin(), node.comparison.fields.end(), is_identity) &&
         std::all_of(node.children.begin(), node.children.end(), only_identity_below);
}

// Collects what the kernel can decide of the comparisons that must all hold.
class KernelPart {
 public:
  using CgroupId = std::function<std::uint64_t(std::string_view)>;

  explicit KernelPart(const CgroupId& cgroup_id) : cgroup_id_(cgroup_id) {}

  void add(const FilterNode& node) {
    if (node.kind == FilterNode::Kind::Comparison) return add(node.comparison);
    if (node.kind != FilterNode::Kind::All) return;
    for (const FilterNode& child : node.children) add(child);
  }

  const KernelFilter& filter() const { return filter_; }

 private:
  void add(const Comparison& comparison) {
    const bool one_value = comparison.comparator == Comparator::Equal && !comparison.negated &&
                           comparison.operands.size() == 1;
    if (!one_value) return;
    ev_filter& conditions = filter_.conditions;
    const std::string_view id = comparison.fields[0]->id;
    const Operand& operand = comparison.operands.front();
    if (comparison.fields[1]) return put(conditions.port, operand);
    if (id == "local_port") return put(conditions.local_port, operand);
    if (id == "remote_port") return put(conditions.remote_port, operand);
    if (id == "netns") return put(conditions.netns, operand);
    if (id == "pid") return put(conditions.pid, operand);
    if (id == "cgroup") return put_cgroup(operand);
    if (id == "local_address") return put(conditions.local, conditions.local_mask, operand);
    if (id == "remote_address") return put(conditions.remote, conditions.remote_mask, operand);
  }

  // Of two conditions on one thing the kernel decides the first; 0 would mean none.
  template <typename T>
  void put(T& condition, const Operand& operand) {
    const auto* number = std::get_if<Number>(&operand);
    const std::uint64_t value = number ? number->whole.value_or(0) : 0;
    if (condition || !value || value > std::numeric_limits<T>::max()) return;
    condition = static_cast<T>(value);
    filter_.any = true;
  }

  void put(std::uint8_t (&value)[16], std::uint8_t (&mask)[16], const Operand& operand) {
    const auto* network = std::get_if<Network>(&operand);
    const auto given = [](std::uint8_t byte) { return byte != 0; };
    if (!network || std::any_of(std::begin(mask), std::end(mask), given)) return;
    std::copy(network->value.bytes.begin(), network->value.bytes.end(), value);
    std::copy(network->mask.bytes.begin(), network->mask.bytes.end(), mask);
    filter_.any |= std::any_of(std::begin(mask), std::end(mask), given);
  }

  void put_cgroup(const Operand& operand) {
    const auto* path = std::get_if<std::string>(&operand);
    if (!path || filter_.conditions.cgroup || !cgroup_id_) return;
    filter_.conditions.cgroup = cgroup_id_(*path);
    filter_.any |= filter_.conditions.cgroup != 0;
  }

  const CgroupId& cgroup_id_;
  KernelFilter filter_;
};

}  // namespace

Filter::Filter() = default;
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::parse(std::string_view text) {
  Filter filter;
  filter.text_ = text;
  if (text.find_first_not_of(" \t\r\n") != std::string_view::npos)
    filter.root_ = std::make_unique<const FilterNode>(TRY(parse_filter(text)));
  return filter;
}

bool Filter::accepts(const Row& row) const {
  return !root_ || holds(*root_, row);
}

bool Filter::only_identity() const {
  return !root_ || only_identity_below(*root_);
}

KernelFilter Filter::kernel_part(
    const std::function<std::uint64_t(std::string_view)>& cgroup_id) const {
  KernelPart part(cgroup_id);
  if (root_) part.add(*root_);
  return part.filter();
}

}  // namespace netsonde
