// SPDX-License-Identifier: Apache-2.0
#include "user/model/expectation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <functional>

#include "user/model/filter_evaluation.h"

namespace netsonde {

namespace {

template <typename Number>
Value known(const std::optional<Number>& value) {
  return value ? Value(*value) : Value();
}

// "ttfb_us" is "ttfb", too.
std::string without_unit(std::string_view id) {
  return std::string(id.ends_with("_us") ? id.substr(0, id.size() - 3) : id);
}

struct Single {
  std::string_view id;
  Unit unit = Unit::Count;
  Value (*of)(const AttemptSummary&) = nullptr;
};

using S = const AttemptSummary&;

constexpr std::array kSingles = {
    Single{.id = "attempts", .of = [](S s) { return Value(s.attempts()); }},
    Single{.id = "successes", .of = [](S s) { return Value(s.successes()); }},
    Single{.id = "failures", .of = [](S s) { return Value(s.failures()); }},
    Single{.id = "retries", .of = [](S s) { return Value(s.retries()); }},
    Single{.id = "success_percent",
           .unit = Unit::Percent,
           .of = [](S s) { return known(s.success_percent()); }},
    Single{.id = "reused_percent",
           .unit = Unit::Percent,
           .of = [](S s) { return known(s.reused_percent()); }},
    Single{.id = "segments_sent", .of = [](S s) { return known(s.segments_sent()); }},
    Single{.id = "retransmitted_segments",
           .of = [](S s) { return known(s.retransmitted_segments()); }},
    Single{.id = "loss_percent",
           .unit = Unit::Percent,
           .of = [](S s) { return known(s.loss_percent()); }},
};

// Everything that an expectation may name, and where a summary has it.
class Quantities {
 public:
  Quantities() {
    for (const Single& single : kSingles) add(std::string(single.id), "", single.unit, single.of);
    for (const FailureKind kind : failure_kinds()) add(kind);
    for (std::size_t measure = 0; measure < kMeasures; ++measure)
      for (std::size_t statistic = 0; statistic < kStatistics; ++statistic)
        add(static_cast<Measure>(measure), static_cast<Statistic>(statistic));
  }
  Quantities(const Quantities&) = delete;
  Quantities& operator=(const Quantities&) = delete;

  std::span<const Field> fields() const { return fields_; }

  Value value_of(const Field& field, const AttemptSummary& summary) const {
    return values_[static_cast<std::size_t>(&field - fields_.data())](summary);
  }

 private:
  using Get = std::function<Value(const AttemptSummary&)>;

  void add(FailureKind kind) {
    std::string id = fmt::format("failures_{}", name_of(kind));
    std::ranges::replace(id, '-', '_');
    add(std::move(id), "", Unit::Count, [kind](const AttemptSummary& summary) {
      const auto found = summary.failures_by_kind().find(kind);
      return Value(found == summary.failures_by_kind().end() ? std::uint64_t{0} : found->second);
    });
  }

  void add(Measure measure, Statistic statistic) {
    const std::string_view id = id_of(measure), name = name_of(statistic);
    const std::string alias = without_unit(id);
    add(fmt::format("{}_{}", id, name), alias == id ? "" : fmt::format("{}_{}", alias, name),
        statistic == Statistic::Count ? Unit::Count : unit_of(measure),
        [measure, statistic](const AttemptSummary& summary) {
          return known(netsonde::value_of(summary.of(measure), statistic));
        });
  }

  void add(std::string id, std::string alias, Unit unit, Get get) {
    const std::string_view kept_id = texts_.emplace_back(std::move(id));
    const std::string_view kept_alias = texts_.emplace_back(std::move(alias));
    fields_.push_back(
        Field{.id = kept_id, .alias = kept_alias, .title = "", .help = "", .unit = unit});
    values_.push_back(std::move(get));
  }

  std::deque<std::string> texts_;
  std::vector<Field> fields_;
  std::vector<Get> values_;  // of the field at the same place
};

const Quantities& quantities() {
  static const Quantities kQuantities;
  return kQuantities;
}

class SummarySubject final : public FilterSubject {
 public:
  explicit SummarySubject(const AttemptSummary& summary) : summary_(summary) {}
  Value value_of(const Field& field) const override {
    return quantities().value_of(field, summary_);
  }

 private:
  const AttemptSummary& summary_;
};

void collect_fields(const FilterNode& node, std::vector<const Field*>& fields) {
  if (const Field* field = node.comparison.fields[0])
    if (std::ranges::find(fields, field) == fields.end()) fields.push_back(field);
  for (const FilterNode& child : node.children) collect_fields(child, fields);
}

// To six digits.
std::string exactly(double value) {
  return std::abs(value) < 1e6 ? fmt::format("{:.6g}", value) : fmt::format("{:.0f}", value);
}

std::string exactly(double value, Unit unit) {
  if (unit == Unit::Percent) return exactly(value) + "%";
  if (unit == Unit::Bytes) return exactly(value) + " bytes";
  if (unit != Unit::Microseconds) return exactly(value);
  if (value < 1e3) return exactly(value) + "us";
  return value < 1e6 ? exactly(value / 1e3) + "ms" : exactly(value / 1e6) + "s";
}

std::string found_text(const Field& field, const Value& value) {
  const std::string_view name = field.alias.empty() ? field.id : field.alias;
  if (is_absent(value)) return fmt::format("{} was not measured", name);
  const auto* whole = std::get_if<std::uint64_t>(&value);
  return fmt::format("{} is {}", name,
                     whole ? fmt::to_string(*whole) : exactly(std::get<double>(value), field.unit));
}

}  // namespace

Expectation::Expectation(std::string_view text, FilterNode root)
    : text_(text), root_(std::make_unique<const FilterNode>(std::move(root))) {}
Expectation::Expectation(Expectation&&) noexcept = default;
Expectation& Expectation::operator=(Expectation&&) noexcept = default;
Expectation::~Expectation() = default;

Result<Expectation> Expectation::parse(std::string_view text) {
  return Expectation(text, TRY(parse_filter(text, {.expression = "condition",
                                                   .fields = quantities().fields(),
                                                   .lists = "the manual"})));
}

bool Expectation::holds(const AttemptSummary& summary) const {
  return netsonde::holds(*root_, SummarySubject(summary));
}

std::string Expectation::found(const AttemptSummary& summary) const {
  std::vector<const Field*> fields;
  collect_fields(*root_, fields);
  std::string text;
  for (const Field* field : fields)
    text += (text.empty() ? "" : ", ") + found_text(*field, quantities().value_of(*field, summary));
  return text;
}

}  // namespace netsonde
