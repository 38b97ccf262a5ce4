// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "user/base/text.h"
#include "user/sinks/explain.h"
#include "user/sinks/report/render.h"

namespace netsonde {

namespace {

Json or_null(std::string_view text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

// Six digits say all that was measured.
Json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == 0) return 0.0;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(scale) && scale > 0 ? std::round(value * scale) / scale : value;
}

Json number(const std::optional<double>& value) {
  return value ? number(*value) : Json(nullptr);
}

Json to_json(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  if (const auto* count = std::get_if<std::uint64_t>(&cell)) return *count;
  if (const auto* real = std::get_if<double>(&cell)) return number(*real);
  return nullptr;
}

Json to_json(const Span& span) {
  return {{"from", rfc3339(span.from_ns)}, {"to", rfc3339(span.to_ns)}};
}

Json to_json(const ReportTable& table) {
  Json rows = Json::array();
  for (const auto& cells : table.rows) {
    Json row = Json::object();
    for (std::size_t i = 0; i < cells.size(); ++i)
      row[std::string(table.columns[i].id)] = to_json(cells[i]);
    rows.push_back(std::move(row));
  }
  return {{"rows", std::move(rows)}, {"left_out", table.left_out}};
}

Json to_json(const ReportFinding& found) {
  const Finding& finding = found.finding;
  Json evidence = Json::array(), spans = Json::array();
  for (const Evidence& figure : finding.evidence) evidence.push_back(netsonde::to_json(figure));
  for (const Span& span : found.spans) spans.push_back(to_json(span));
  return {{"id", finding.id},
          {"severity", name_of(finding.severity)},
          {"because", found.because ? Json(*found.because) : Json(nullptr)},
          {"where", name_of(finding.where)},
          {"subject", found.subject},
          {"since", rfc3339(found.since_ns)},
          {"until", rfc3339(found.until_ns)},
          {"lasted", found.lasted},
          {"windows", found.windows},
          {"spans", std::move(spans)},
          {"worst", to_json(found.worst)},
          {"impact", netsonde::to_json(finding.impact)},
          {"evidence", std::move(evidence)},
          {"confidence", name_of(finding.confidence)},
          {"doubt", or_null(finding.doubt)},
          {"text", finding.text},
          {"advice", finding.advice},
          {"tunables", finding.tunables}};
}

Json to_json(const Timeline& timeline) {
  Json from = Json::array(), to = Json::array(), ticks = Json::array();
  for (const TimelineBin& bin : timeline.bins) {
    from.push_back(rfc3339(bin.from_ns));
    to.push_back(rfc3339(bin.to_ns));
    ticks.push_back(bin.ticks);
  }
  Json series = Json::object();
  for (const TimelineSeries& one : timeline.series) {
    Json mean = Json::array(), min = Json::array(), max = Json::array();
    for (const Range& range : one.bins) {
      mean.push_back(number(range.mean));
      min.push_back(number(range.min));
      max.push_back(number(range.max));
    }
    series[std::string(one.id)] = {{"unit", unit_name(one.unit)},
                                   {"mean", std::move(mean)},
                                   {"min", std::move(min)},
                                   {"max", std::move(max)}};
  }
  Json marks = Json::array();
  for (const TimelineMark& mark : timeline.marks)
    marks.push_back({{"kind", mark.kind},
                     {"from", rfc3339(mark.from_ns)},
                     {"to", rfc3339(mark.to_ns)},
                     {"text", mark.text}});
  return {{"from", std::move(from)},   {"to", std::move(to)},
          {"ticks", std::move(ticks)}, {"series", std::move(series)},
          {"marks", std::move(marks)}, {"marks_left_out", timeline.marks_left_out}};
}

Json to_json(const ReportHistogram& histogram) {
  Json buckets = Json::array();
  for (const ReportHistogram::Bucket& bucket : histogram.buckets)
    buckets.push_back({{"from", bucket.from}, {"to", bucket.to}, {"count", bucket.count}});
  return {{"unit", unit_name(histogram.unit)}, {"of", histogram.note},
          {"total", histogram.total},          {"p50", number(histogram.p50)},
          {"p90", number(histogram.p90)},      {"p99", number(histogram.p99)},
          {"buckets", std::move(buckets)}};
}

Json to_json(const ReportSection& section) {
  Json tables = Json::object();
  for (const ReportTable& table : section.tables) tables[std::string(table.id)] = to_json(table);
  return {{"title", section.title}, {"words", section.words}, {"tables", std::move(tables)}};
}

Json measured_json(const Report& report) {
  const ReportOrigin& origin = report.origin;
  Json events = Json::object();
  for (const auto& [kind, count] : report.events) events[std::string(kind)] = count;
  return {{"program", origin.program},
          {"kernel", or_null(origin.kernel)},
          {"source", origin.source},
          {"filter", or_null(origin.filter)},
          {"ticks", report.ticks},
          {"interval_s", number(seconds(report.interval))},
          {"window_s", number(seconds(report.window))},
          {"events", std::move(events)}};
}

Json lost_json(const Report& report) {
  return {{"lost_events", report.lost},
          {"lost", report.losses},
          {"checked", report.checked},
          {"not_checked", report.not_checked},
          {"findings_left_out", report.findings_left_out},
          {"unknown", report.unknown}};
}

}  // namespace

Json to_json(const Report& report) {
  Json figures = Json::object(), findings = Json::array(), histograms = Json::object();
  for (const Figure& figure : report.figures)
    figures[std::string(figure.id)] = to_json(figure.value);
  for (const ReportFinding& found : report.findings) findings.push_back(to_json(found));
  for (const ReportHistogram& histogram : report.histograms)
    histograms[std::string(histogram.id)] = to_json(histogram);
  Json json{{"schema", Report::kSchema},
            {"host", report.host},
            {"begin", rfc3339(report.begin_ns)},
            {"end", rfc3339(report.end_ns)},
            {"verdict", report.verdict},
            {"severity", report.has_trouble() ? Json(name_of(report.severity)) : Json(nullptr)},
            {"summary", report.summary},
            {"totals", std::move(figures)},
            {"findings", std::move(findings)},
            {"timeline", to_json(report.timeline)}};
  for (const ReportTable& table : report.tables) json[std::string(table.id)] = to_json(table);
  json["histograms"] = std::move(histograms);
  json["host_faults"] = to_json(report.host_faults);
  Json sections = Json::object();
  for (const ReportSection& section : report.sections)
    sections[std::string(section.id)] = to_json(section);
  json["sections"] = std::move(sections);
  json["unknown"] = lost_json(report);
  json["measured"] = measured_json(report);
  return json;
}

}  // namespace netsonde
