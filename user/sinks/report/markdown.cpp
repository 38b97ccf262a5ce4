// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "user/base/text.h"
#include "user/sinks/report/render.h"
#include "user/sinks/report/words.h"

namespace netsonde {

namespace {

constexpr std::size_t kMostRows = 25;

// Text that means nothing to Markdown or HTML.
std::string escaped(std::string_view untrusted) {
  std::string out;
  for (const char c : printable(untrusted)) {
    if (std::string_view("\\`*_[]<>|~&#$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A name as code: nothing in it is obeyed, nor made a link. A bar would end a cell even so.
std::string code(std::string_view untrusted) {
  const std::string text = printable(untrusted);
  std::size_t run = 0, longest = 0;
  std::string inner;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
    if (c == '|') inner += '\\';
    inner += c;
  }
  const std::string fence(longest + 1, '`');
  const std::string_view pad = longest ? " " : "";
  return fmt::format("{}{}{}{}{}", fence, pad, inner, pad, fence);
}

std::string cell_text(const Cell& cell, const Column& column) {
  const auto* text = std::get_if<std::string>(&cell);
  if (!text) return human(cell, column.unit);
  return text->empty() ? "-" : code(*text);
}

std::string table_text(const ReportTable& table) {
  std::string head = "|", rule = "|", body;
  for (const Column& column : table.columns) {
    if (column.reach == Column::Reach::Data) continue;
    head += fmt::format(" {} |", column.title);
    rule += column.is_text ? " --- |" : " ---: |";
  }
  const std::size_t count =
      table.is_whole ? table.rows.size() : std::min(table.rows.size(), kMostRows);
  for (std::size_t row = 0; row < count; ++row) {
    body += "|";
    for (std::size_t i = 0; i < table.columns.size(); ++i)
      if (table.columns[i].reach != Column::Reach::Data)
        body += " " + cell_text(table.rows[row][i], table.columns[i]) + " |";
    body += "\n";
  }
  const std::uint64_t more = table.rows.size() - count + table.left_out;
  return head + "\n" + rule + "\n" + body + (more ? fmt::format("\nAnd {} more.\n", more) : "");
}

std::string titled(const ReportTable& table) {
  if (table.rows.empty()) return {};
  return fmt::format("\n## {}\n\n{}{}", table.title,
                     table.note.empty() ? "" : escaped(table.note) + "\n\n", table_text(table));
}

std::string finding_text(const Report& report, std::size_t index) {
  const ReportFinding& found = report.findings[index];
  const Finding& finding = found.finding;
  std::string text =
      fmt::format("\n### {}. {}: {}, {}\n\n{}\n\n", index + 1, name_of(finding.severity),
                  escaped(finding.id), code(found.who), escaped(finding.text));
  const auto add = [&text](std::string_view label, std::string_view words) {
    if (!words.empty()) text += fmt::format("- **{}**: {}\n", label, escaped(words));
  };
  if (found.because) add("Because of", fmt::format("finding {}", *found.because + 1));
  add("When", when_text(found, report));
  add("Impact", impact_text(finding.impact));
  add("Evidence", evidence_text(finding));
  add("Where",
      fmt::format("{}; confidence {}{}{}", name_of(finding.where), name_of(finding.confidence),
                  finding.doubt.empty() ? "" : ": ", finding.doubt));
  add("Advice", finding.advice);
  return text;
}

ReportTable histogram_table(const ReportHistogram& histogram) {
  ReportTable table{.id = histogram.id, .title = histogram.title, .note = histogram.note};
  table.columns = {{.id = "from", .title = "From", .help = "", .unit = histogram.unit},
                   {.id = "to", .title = "To", .help = "", .unit = histogram.unit},
                   {.id = "count", .title = "Count", .help = "", .unit = Unit::Count}};
  for (const auto& bucket : histogram.buckets)
    table.rows.push_back({bucket.from, bucket.to, bucket.count});
  return table;
}

std::string section_text(const ReportSection& section) {
  std::string text = fmt::format("\n## {}\n\n", section.title);
  for (const std::string& words : section.words) text += escaped(words) + "\n\n";
  for (const ReportTable& table : section.tables) {
    if (table.rows.empty()) continue;
    if (section.is_titled(table)) text += fmt::format("### {}\n\n", table.title);
    text += table_text(table) + "\n";
  }
  return text;
}

std::string unknown_text(const Report& report) {
  if (!report.of_events() && report.unknown.empty()) return {};
  std::string text = "\n## What was lost or is unknown\n\n";
  if (report.of_events())
    text += "- Lost events: " + (report.losses_text.empty() ? "none" : report.losses_text) + ".\n";
  for (const std::string& words : report.unknown) text += "- " + escaped(words) + "\n";
  if (!report.not_checked.empty())
    text += "- Not looked for: " + listed(report.not_checked) + ".\n";
  return text;
}

}  // namespace

std::string to_markdown(const Report& report) {
  std::string text = fmt::format("# netsonde {}: {}\n\n{}\n\n**{}**\n\n", report.kind,
                                 code(report.host), period_text(report), escaped(report.verdict));
  for (const std::string& words : report.summary) text += "- " + escaped(words) + "\n";
  if (!report.findings.empty()) text += "\n## Findings\n";
  for (std::size_t i = 0; i < report.findings.size(); ++i) text += finding_text(report, i);
  if (report.findings_left_out) text += fmt::format("\nAnd {} more.\n", report.findings_left_out);
  text += titled(timeline_table(report, kMostRows));
  for (const TimelineMark& mark : report.timeline.marks)
    text += fmt::format("\n- {} {}: {}\n", clock_text(mark.to_ns, report), mark.kind,
                        escaped(mark.text));
  for (const ReportSection& section : report.sections) text += section_text(section);
  for (const ReportTable& table : report.tables) text += titled(table);
  for (const ReportHistogram& histogram : report.histograms)
    text += titled(histogram_table(histogram));
  text += titled(report.host_faults) + unknown_text(report) + "\n## How it was measured\n\n";
  for (const auto& [label, words] : measured_words(report))
    text += fmt::format("- **{}**: {}\n", label, escaped(words));
  return text;
}

}  // namespace netsonde
