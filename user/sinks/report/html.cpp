// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "report_page.h"
#include "user/base/text.h"
#include "user/sinks/report/charts.h"
#include "user/sinks/report/render.h"
#include "user/sinks/report/words.h"

namespace netsonde {

namespace {

constexpr std::size_t kTallRows = 15;
constexpr std::size_t kLongText = 60;
constexpr std::size_t kOpenFindings = 5;  // the others show what they are of

// A section with its place in the navigation.
class Page {
 public:
  void section(std::string_view id, std::string_view title, const std::string& body,
               const std::string& beside = "", std::string_view short_title = {}) {
    if (body.empty()) return;
    nav_ += fmt::format("<li><a href=\"#{}\">{}</a></li>", html(id),
                        html(short_title.empty() ? title : short_title));
    body_ += fmt::format(
        "<section id=\"{0}\" aria-labelledby=\"h-{0}\"><h2 "
        "id=\"h-{0}\">{1}{2}</h2>\n{3}</section>\n",
        html(id), html(title), beside.empty() ? "" : "<small>" + html(beside) + "</small>", body);
  }
  const std::string& nav() const { return nav_; }
  const std::string& body() const { return body_; }

 private:
  std::string nav_, body_;
};

std::string cell_html(const Cell& cell, const Column& column) {
  if (const auto* text = std::get_if<std::string>(&cell)) {
    const bool is_long = text->size() > kLongText;
    return fmt::format("<td class=\"{}\">{}</td>", is_long ? "t long" : "t", html(*text));
  }
  if (column.is_text) return "<td class=\"t\">-</td>";
  std::string raw;
  if (const auto* count = std::get_if<std::uint64_t>(&cell)) raw = fmt::format("{}", *count);
  if (const auto* real = std::get_if<double>(&cell)) raw = fmt::format("{:.6g}", *real);
  if (raw.empty()) return "<td>-</td>";
  return fmt::format("<td data-v=\"{}\">{}</td>", raw, html(human(cell, column.unit)));
}

std::string head_html(const ReportTable& table) {
  std::string head;
  for (const Column& column : table.columns)
    if (column.reach != Column::Reach::Data)
      head +=
          fmt::format("<th scope=\"col\"{}><button type=\"button\" title=\"{}\">{}</button></th>",
                      column.is_text ? " class=\"t\"" : "", html(column.help), html(column.title));
  return head;
}

std::string table_html(const ReportTable& table) {
  std::string rows;
  for (const auto& cells : table.rows) {
    rows += "<tr>";
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (table.columns[i].reach != Column::Reach::Data)
        rows += cell_html(cells[i], table.columns[i]);
    rows += "</tr>\n";
  }
  const bool tall = table.rows.size() > kTallRows;
  const std::string tools = fmt::format(
      "<div class=\"tools\"><label>Filter <input type=\"search\" data-table=\"t-{}\"></label>"
      "<output aria-live=\"polite\"></output></div>\n",
      html(table.id));
  return fmt::format(
      "{}{}<div class=\"scroll{}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">"
      "<table id=\"t-{}\"><thead><tr>{}</tr></thead>\n<tbody>{}</tbody></table></div>\n",
      table.note.empty() ? "" : "<p class=\"note\">" + html(table.note) + "</p>\n",
      table.rows.size() > 5 ? tools : "", tall ? " tall" : "", html(table.title), html(table.id),
      head_html(table), rows);
}

void add_table(Page& page, const ReportTable& table) {
  if (table.rows.empty()) return;
  page.section(table.id, table.title, table_html(table),
               table.left_out
                   ? fmt::format("{} of {}", table.rows.size(), table.rows.size() + table.left_out)
                   : fmt::format("{}", table.rows.size()),
               table.short_title);
}

std::string evidence_html(const Finding& finding) {
  std::string list = "<ul class=\"evidence\">";
  for (const Evidence& evidence : finding.evidence)
    list += fmt::format("<li>{} <b>{}</b></li>", html(evidence.field), html(human(evidence)));
  return list + "</ul>";
}

std::string finding_html(const Report& report, std::size_t index) {
  const ReportFinding& found = report.findings[index];
  const Finding& finding = found.finding;
  std::string facts;
  const auto add = [&facts](std::string_view label, const std::string& inner) {
    if (!inner.empty()) facts += fmt::format("<dt>{}</dt><dd>{}</dd>", label, inner);
  };
  if (found.because)
    add("Because of",
        fmt::format("<a href=\"#finding-{0}\">finding {0}, {1}</a>", *found.because + 1,
                    html(report.findings[*found.because].finding.id)));
  add("When",
      fmt::format("<a href=\"#when-{}\">{}</a>", index + 1, html(when_text(found, report))));
  add("Impact", html(impact_text(finding.impact)));
  add("Evidence", evidence_html(finding));
  add("Where", html(name_of(finding.where)));
  add("Confidence", html(std::string(name_of(finding.confidence)) +
                         (finding.doubt.empty() ? "" : ": " + finding.doubt)));
  add("Advice", html(finding.advice));
  std::string tunables;
  for (const std::string_view key : finding.tunables)
    tunables += fmt::format("{}<code>{}</code>", tunables.empty() ? "" : ", ", html(key));
  add("Settings", tunables);
  return fmt::format(
      "<details class=\"finding {0}\" id=\"finding-{1}\"{6}><summary><h3>"
      "<span class=\"severity\">{0}</span><a href=\"#finding-{1}\">{1}. {2}</a>"
      "<span class=\"who\">{3}</span></h3><span class=\"text\">{4}</span></summary>"
      "<dl>{5}</dl></details>\n",
      name_of(finding.severity), index + 1, html(finding.id), html(found.who), html(finding.text),
      facts, index < kOpenFindings ? " open" : "");
}

std::string findings_html(const Report& report) {
  std::string body;
  for (std::size_t i = 0; i < report.findings.size(); ++i) body += finding_html(report, i);
  if (report.findings_left_out)
    body += fmt::format("<p class=\"note\">And {} more.</p>\n", report.findings_left_out);
  return body;
}

std::string figures_html(const Report& report) {
  std::string tiles;
  for (const Figure& figure : report.figures) {
    const bool bytes = figure.unit == Unit::Bytes, percent = figure.unit == Unit::Percent;
    const bool absent = std::holds_alternative<std::monostate>(figure.value);
    tiles += fmt::format("<div><dt>{}</dt><dd>{}{}</dd></div>", html(figure.title),
                         html(human(figure.value, figure.unit)),
                         absent    ? ""
                         : bytes   ? "B"
                         : percent ? "%"
                                   : "");
  }
  return "<dl class=\"figures\">" + tiles + "</dl>\n";
}

std::string list_html(const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& one : words) list += "<li>" + html(one) + "</li>";
  return list.empty() ? list : "<ul class=\"plain\">" + list + "</ul>\n";
}

std::string timeline_html(const Report& report) {
  if (report.timeline.bins.empty()) return {};
  return "<p class=\"note\">Lines are the mean of a time, their shade reaches from the least to "
         "the "
         "greatest; a gap was not measured. Point at a chart, or use the arrow keys.</p>\n" +
         charts_html(report) + "<details><summary>The same as a table</summary>" +
         table_html(timeline_table(report, report.timeline.bins.size())) + "</details>\n";
}

std::string histograms_html(const Report& report) {
  std::string body;
  for (const ReportHistogram& histogram : report.histograms)
    if (histogram.total) body += histogram_html(histogram);
  return body.empty() ? body : "<div class=\"charts\">" + body + "</div>\n";
}

std::string unknown_html(const Report& report) {
  std::vector<std::string> words;
  if (report.of_events())
    words.push_back("Lost events: " + (report.losses_text.empty() ? "none" : report.losses_text) +
                    ".");
  words.insert(words.end(), report.unknown.begin(), report.unknown.end());
  if (!report.not_checked.empty())
    words.push_back("Not looked for: " + listed(report.not_checked) +
                    " (netsonde doctor says why).");
  return list_html(words);
}

std::string measured_html(const Report& report) {
  std::string list;
  for (const auto& [label, words] : measured_words(report))
    list += fmt::format("<dt>{}</dt><dd>{}</dd>", label, html(words));
  return "<dl class=\"measured\">" + list + "</dl>\n";
}

void add_sections(Page& page, const Report& report) {
  page.section("findings", "Findings", findings_html(report),
               fmt::format("{}", report.findings.size()));
  page.section("timeline", "Timeline", timeline_html(report));
  for (const ReportSection& section : report.sections) {
    std::string body = list_html(section.words);
    std::string curves;
    for (const ReportCurve& curve : section.curves) curves += curve_html(curve);
    if (!curves.empty()) body += "<div class=\"charts\">\n" + curves + "</div>\n";
    for (const ReportTable& table : section.tables) {
      if (table.rows.empty()) continue;
      if (section.is_titled(table)) body += "<h3>" + html(table.title) + "</h3>\n";
      body += table_html(table);
    }
    page.section(section.id, section.title, body);
  }
  for (const ReportTable& table : report.tables) add_table(page, table);
  page.section("histograms", "Distributions", histograms_html(report));
  add_table(page, report.host_faults);
  page.section("unknown", "What was lost or is unknown", unknown_html(report), "", "Unknown");
  page.section("measured", "How it was measured", measured_html(report), "", "Measured");
}

std::string head_html(const Report& report) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; "
      "script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"generator\" content=\"{}\"><link rel=\"icon\" href=\"data:,\">\n"
      "<title>{}: {}</title>\n<style>{}</style></head>\n",
      kReportStyleHash, kReportScriptHash, html(report.origin.program), html(report.host),
      html(period_text(report)), kReportStyle);
}

}  // namespace

std::string to_html(const Report& report) {
  Page page;
  add_sections(page, report);
  return head_html(report) +
         fmt::format(
             "<body><a class=\"skip\" href=\"#main\">To the findings</a>\n"
             "<header><div><p class=\"brand\">netsonde {}, {}</p><h1>{}</h1>"
             "<div class=\"verdict {}\"><p>{}</p>{}</div></div>\n"
             "<nav aria-label=\"Parts of the report\"><ul>{}</ul></nav></header>\n"
             "<main id=\"main\">{}{}</main>\n"
             "<footer>{}. Everything on this page is in this file.</footer>\n"
             "<script type=\"application/json\" id=\"data\">{}</script>\n<script>{}</script>\n"
             "</body></html>\n",
             report.kind, html(period_text(report)), html(report.host),
             report.has_trouble() ? name_of(report.severity) : "good", html(report.verdict),
             list_html(report.summary), page.nav(), figures_html(report), page.body(),
             html(report.origin.program), chart_data(report), kReportScript);
}

}  // namespace netsonde
