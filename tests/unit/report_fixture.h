// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "tests/unit/rules_fixture.h"
#include "user/sinks/report/builder.h"
#include "user/sinks/report/render.h"

namespace netsonde {

// A host that a report is made of, looked at once a second.
class ReportTest : public ::testing::Test {
 protected:
  explicit ReportTest(ReportSettings settings = {}, std::string_view filter = {})
      : filter_(Filter::parse(filter).value()), builder_(settings, filter_) {
    names.host = "test-host";
  }

  void happen(const Event& event) {
    builder_.before_event(event, store_);
    store_.apply(event);
    ASSERT_TRUE(builder_.on_event(event, store_));
    for (const Event& derived : store_.take_derived())
      ASSERT_TRUE(builder_.on_event(derived, store_));
  }

  void look(double seconds, std::uint64_t lost = 0) {
    if (!host_values.empty()) {
      ASSERT_TRUE(builder_.on_host(time_from_ns(at(seconds)), host_values));
    }
    auto tick = event<ev_tick>(EV_TICK, seconds);
    tick.sampled = true;
    tick.lost[EV_LOST_EVENTS] = lost;
    happen(tick);
    ASSERT_TRUE(builder_.on_snapshot(Snapshot(store_)));
  }

  // With these counters at that time.
  void sample(ev_sample s, double seconds) {
    s.header.time_ns = at(seconds);
    happen(s);
  }

  ReportBuilder& builder() { return builder_; }
  Report finish() {
    return builder_.finish(Snapshot(store_), {.program = "netsonde 1.2.3", .source = "a test"});
  }

  static const ReportTable& table(const Report& report, std::string_view id) {
    for (const ReportTable& table : report.tables)
      if (table.id == id) return table;
    ADD_FAILURE() << "no table " << id;
    return report.tables.front();
  }

  // What stands in that column of the first rows.
  static std::vector<std::string> column(const ReportTable& table, std::string_view id) {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < table.columns.size(); ++i)
      if (table.columns[i].id == id)
        for (const auto& row : table.rows) {
          const auto* count = std::get_if<std::uint64_t>(&row[i]);
          texts.push_back(count ? std::to_string(*count) : human(row[i], Unit::Count));
        }
    return texts;
  }

  static Cell cell(const Report& report, std::string_view id) {
    for (const Figure& figure : report.figures)
      if (figure.id == id) return figure.value;
    ADD_FAILURE() << "no figure " << id;
    return {};
  }
  // As it is, not rounded.
  static std::string figure(const Report& report, std::string_view id) {
    const Cell value = cell(report, id);
    const auto* count = std::get_if<std::uint64_t>(&value);
    return count ? std::to_string(*count) : human(value, Unit::Count);
  }

  static const TimelineSeries& series(const Report& report, std::string_view id) {
    for (const TimelineSeries& series : report.timeline.series)
      if (series.id == id) return series;
    ADD_FAILURE() << "no series " << id;
    return report.timeline.series.front();
  }

  Names names;
  std::vector<HostValue> host_values;

 private:
  Filter filter_;
  Store store_{&names};
  ReportBuilder builder_;
};

}  // namespace netsonde
