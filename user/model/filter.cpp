// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter.h"

#include <algorithm>
#include <array>
#include <limits>

#include "user/model/filter_evaluation.h"

namespace netsonde {

namespace {

Vocabulary rows() {
  return {.expression = "filter", .fields = fields(), .lists = "netsonde fields"};
}

class RowSubject final : public FilterSubject {
 public:
  explicit RowSubject(const Row& row) : row_(row) {}
  Value value_of(const Field& field) const override { return field.get(row_); }

 private:
  const Row& row_;
};

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
    filter.root_ = std::make_unique<const FilterNode>(TRY(parse_filter(text, rows())));
  return filter;
}

bool Filter::accepts(const Row& row) const {
  return !root_ || holds(*root_, RowSubject(row));
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
