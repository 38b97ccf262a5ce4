// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/recommendations.h"

#include <fmt/format.h>

namespace netsonde {

namespace {

constexpr auto kEverywhere = Column::Reach::Everywhere;

Column text(std::string_view id, std::string_view title, std::string_view help) {
  return {.id = id, .title = title, .help = help, .reach = kEverywhere, .is_text = true};
}

Column number(std::string_view id, std::string_view title, std::string_view help,
              Unit unit = Unit::None) {
  return {.id = id, .title = title, .help = help, .unit = unit, .reach = kEverywhere};
}

Cell cell(const std::optional<double>& value) {
  return value ? Cell(*value) : Cell();
}

Cell low_of(const std::optional<Interval>& interval) {
  return interval ? Cell(interval->low) : Cell();
}

Cell high_of(const std::optional<Interval>& interval) {
  return interval ? Cell(interval->high) : Cell();
}

ReportTable endpoint_table(const std::vector<EndpointFigures>& endpoints) {
  ReportTable table{
      .id = "endpoints",
      .title = "Endpoints probed",
      .columns = {text("target", "Target", "As it was given."),
                  number("attempts", "Attempts", "How often it was probed.", Unit::Count),
                  number("failures", "Failed", "Of these.", Unit::Count),
                  number("mean_ttfb_us", "First byte (mean)", "Mean time from the request to it.",
                         Unit::Microseconds),
                  number("mean_total_us", "Latency", "Mean time of an attempt that went well.",
                         Unit::Microseconds),
                  number("mean_bandwidth_mbps", "Mbit/s", "Mean of what could be measured."),
                  number("opened", "New", "Connections that this host opened there meanwhile.",
                         Unit::Count),
                  number("connections", "In use", "All that it had there.", Unit::Count)}};
  for (const EndpointFigures& e : endpoints)
    table.rows.push_back({e.probed.target, e.probed.attempts, e.probed.failures,
                          cell(e.mean_ttfb_us), cell(e.mean_total_us), cell(e.mean_bandwidth_mbps),
                          e.use ? Cell(e.use->opened) : Cell(),
                          e.use ? Cell(e.use->connections) : Cell()});
  return table;
}

ReportTable address_table(const std::vector<EndpointFigures>& endpoints) {
  ReportTable table{
      .id = "probed_addresses",
      .title = "Their addresses",
      .columns = {
          text("target", "Target", "As it was given."),
          text("address", "Address", "That answered."),
          number("attempts", "Attempts", "How often it was probed.", Unit::Count),
          number("failures", "Failed", "Of these.", Unit::Count),
          number("syn_rtt_us", "SYN RTT", "Median, by the kernel.", Unit::Microseconds),
          number("tls_us", "TLS", "Median of its handshakes.", Unit::Microseconds),
          number("ttfb_us", "First byte (median)", "Median.", Unit::Microseconds),
          number("loss_percent", "Lost", "Segments sent again, of those sent.", Unit::Percent)}};
  for (const EndpointFigures& e : endpoints)
    for (const ProbedAddress& a : e.probed.addresses)
      if (a.attempts != 0)
        table.rows.push_back({e.probed.target, to_text(a.address), a.attempts, a.failures,
                              cell(a.syn_rtt_us), cell(a.tls_us), cell(a.ttfb_us),
                              cell(a.loss_percent)});
  return table;
}

ReportTable experiment_table(const std::vector<EndpointFigures>& endpoints) {
  ReportTable table{
      .id = "experiments",
      .title = "Experiments: before and after",
      .note = "Blocks in random order; the interval is 95% by bootstrap.",
      .columns = {text("target", "Target", "As it was given."),
                  text("factor", "Factor", "What was varied."),
                  text("baseline", "Before", "The arm that others are compared with."),
                  text("arm", "After", "The other arm."),
                  text("metric", "By", "What was measured of both, with its unit."),
                  number("baseline_median", "Before", "Median over the blocks."),
                  number("arm_median", "After", "Likewise."),
                  number("ratio_percent", "Ratio %", "After, in percent of before.", Unit::Percent),
                  number("ratio_low_percent", "from", "Of its interval.", Unit::Percent),
                  number("ratio_high_percent", "to", "Likewise.", Unit::Percent),
                  text("verdict", "Verdict", "What that allows to say.")}};
  for (const EndpointFigures& e : endpoints)
    for (const MeasuredArm& m : e.probed.comparisons)
      table.rows.push_back({e.probed.target, m.factor, m.baseline, m.arm, m.metric,
                            m.baseline_value, m.arm_value, m.ratio * 100, m.interval.low * 100,
                            m.interval.high * 100, std::string(name_of(m.verdict))});
  return table;
}

}  // namespace

ReportSection measurements_section(const std::vector<EndpointFigures>& endpoints) {
  ReportSection section{.id = "measurements", .title = "Probes and experiments"};
  for (ReportTable table :
       {endpoint_table(endpoints), address_table(endpoints), experiment_table(endpoints)})
    if (!table.rows.empty()) section.tables.push_back(std::move(table));
  if (section.tables.empty()) section.words = {"Nothing was measured."};
  return section;
}

ReportSection recommendations_section(const std::vector<Recommendation>& recommendations) {
  ReportSection section{.id = "recommendations", .title = "What would help"};
  if (recommendations.empty()) {
    section.words = {"Nothing that was measured allows to recommend a change."};
    return section;
  }
  ReportTable table{
      .id = "recommendations",
      .title = "Recommendations",
      .note = "Each follows from the measurements beside it; what saves most comes first.",
      .columns = {
          text("rule", "Rule", "Its name."), text("target", "Target", "What it is about."),
          text("what", "What", "In a sentence."),
          text("evidence", "Evidence", "The measurements behind it."),
          number("saves_low_us", "Saves", "At least, each time.", Unit::Microseconds),
          number("saves_high_us", "to", "At most, each time.", Unit::Microseconds),
          number("saves_per_minute_low_us", "a minute",
                 "At least, with the connections that this host opens there.", Unit::Microseconds),
          number("saves_per_minute_high_us", "to", "At most.", Unit::Microseconds),
          text("how", "How", "What to do.")}};
  for (const Recommendation& r : recommendations)
    table.rows.push_back({std::string(r.rule), r.target, r.what,
                          fmt::format("{}", fmt::join(r.evidence, "; ")), low_of(r.saves_us),
                          high_of(r.saves_us), low_of(r.saves_us_per_minute),
                          high_of(r.saves_us_per_minute), r.how});
  for (const Recommendation& r : recommendations)
    section.words.push_back(fmt::format("{}: {} {}", r.target, r.what, r.how));
  section.tables.push_back(std::move(table));
  return section;
}

}  // namespace netsonde
