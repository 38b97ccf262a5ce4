// SPDX-License-Identifier: Apache-2.0
#include "user/base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "user/model/diagnosis/group.h"
#include "user/sinks/report/render.h"
#include "user/sinks/report/words.h"

namespace netsonde {

namespace {

constexpr std::size_t kMostRows = 10;  // of a table
constexpr std::size_t kMostBins = 12;  // of the timeline
constexpr int kMostColumns = 28;       // of a name
constexpr int kBar = 30;               // of a histogram
constexpr int kBelow = 5;              // columns of the margin of what stands below a row

class TextPage {
 public:
  explicit TextPage(int width) : width_(width) {}

  void heading(std::string_view title) {
    text_ += fmt::format("\n{}\n", title);
    text_ += std::string(static_cast<std::size_t>(display_width(title)), '-') + "\n";
  }
  void words(std::string_view words, int indent = 0) { labelled("", words, indent); }
  // The label hangs in the indent.
  void labelled(std::string_view label, std::string_view words, int indent) {
    const std::string margin(static_cast<std::size_t>(indent), ' ');
    bool first = true;
    for (const std::string& line : wrap(printable(words), width_ - indent)) {
      text_ += (first && !label.empty() ? fit(label, indent) : margin) + line + "\n";
      first = false;
    }
  }
  void line(std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + "\n";
  }
  void table(const ReportTable& table);
  int width() const { return width_; }
  std::string take() { return std::move(text_); }

 private:
  int width_;
  std::string text_;
};

// Whatever has room, from the left; what is no text stands right.
void TextPage::table(const ReportTable& table) {
  const std::size_t count =
      table.is_whole ? table.rows.size() : std::min(table.rows.size(), kMostRows);
  std::string head;
  std::vector<std::string> lines(count), below(count);
  bool has_room = true;
  for (std::size_t column = 0; column < table.columns.size(); ++column) {
    const Column& what = table.columns[column];
    if (what.reach != Column::Reach::Everywhere) continue;
    std::vector<std::string> cells;
    int widest = display_width(what.title);
    for (std::size_t row = 0; row < count; ++row) {
      cells.push_back(printable(human(table.rows[row][column], what.unit)));
      widest = std::max(widest, display_width(cells.back()));
    }
    const int most = table.is_whole ? width_ / 2 : kMostColumns;
    const int wide = std::max(display_width(what.title), std::min(widest, most));
    has_room = has_room && (head.empty() || display_width(head) + wide <= width_);
    const bool is_beside = has_room && (!table.is_whole || wide == widest);
    if (is_beside) head += fit(what.title, wide, !what.is_text) + "  ";
    for (std::size_t row = 0; row < count; ++row)
      if (is_beside)
        lines[row] += fit(cells[row], wide, !what.is_text) + "  ";
      else if (cells[row] != "-")
        below[row] +=
            fmt::format("{}{} {}", below[row].empty() ? "" : ", ", what.title, cells[row]);
  }
  line(head);
  for (std::size_t row = 0; row < count; ++row) {
    line(std::move(lines[row]));
    if (table.is_whole && !below[row].empty()) words(below[row], kBelow);
  }
  const std::uint64_t more = table.rows.size() - count + table.left_out;
  if (more) line(fmt::format("and {} more", more));
}

void add_finding(TextPage& page, const Report& report, std::size_t index) {
  const ReportFinding& found = report.findings[index];
  const Finding& finding = found.finding;
  constexpr int kIndent = 13;
  page.line(fmt::format("{:>2}. {:<9}{}  {}", index + 1, name_of(finding.severity), finding.id,
                        found.who));
  page.words(finding.text, 4);
  if (found.because)
    page.labelled("    because", fmt::format("finding {}", *found.because + 1), kIndent);
  page.labelled("    when", when_text(found, report), kIndent);
  if (const std::string impact = impact_text(finding.impact); !impact.empty())
    page.labelled("    impact", impact, kIndent);
  page.labelled("    evidence", evidence_text(finding), kIndent);
  page.labelled(
      "    where",
      fmt::format("{}; confidence {}{}{}", name_of(finding.where), name_of(finding.confidence),
                  finding.doubt.empty() ? "" : ": ", finding.doubt),
      kIndent);
  page.labelled("    advice", finding.advice, kIndent);
  page.line("");
}

void add_findings(TextPage& page, const Report& report) {
  if (report.findings.empty()) return;
  page.heading("Findings");
  for (std::size_t i = 0; i < report.findings.size(); ++i) add_finding(page, report, i);
  if (report.findings_left_out) page.line(fmt::format("and {} more", report.findings_left_out));
}

std::string most_of(const TimelineSeries& series, std::size_t from, std::size_t to) {
  std::optional<double> most;
  for (std::size_t i = from; i < to; ++i)
    if (const auto& max = series.bins[i].max) most = std::max(most.value_or(*max), *max);
  return most ? human(Value(*most), series.unit) : "-";
}

struct ShownSeries {
  std::string_view id, title;
};
// What there is no room for goes from the end.
constexpr std::array kShown = {ShownSeries{.id = "tx_bytes_per_s", .title = "sent/s"},
                               ShownSeries{.id = "rx_bytes_per_s", .title = "rcvd/s"},
                               ShownSeries{.id = "retransmit_percent", .title = "retr%"},
                               ShownSeries{.id = "rtt_p50_us", .title = "rtt p50"},
                               ShownSeries{.id = "rtt_p99_us", .title = "rtt p99"},
                               ShownSeries{.id = "drops_per_s", .title = "drops/s"},
                               ShownSeries{.id = "resets_sent_per_s", .title = "rst out"},
                               ShownSeries{.id = "resets_received_per_s", .title = "rst in"},
                               ShownSeries{.id = "opened_per_s", .title = "open/s"},
                               ShownSeries{.id = "lost_events_per_s", .title = "lost/s"},
                               ShownSeries{.id = "answered_per_s", .title = "answ/s"},
                               ShownSeries{.id = "failed_per_s", .title = "fail/s"},
                               ShownSeries{.id = "latency_us", .title = "slowest"},
                               ShownSeries{.id = "received_bytes_per_s", .title = "rcvd/s"}};

const TimelineSeries* series_of(const Timeline& timeline, std::string_view id) {
  const auto found = std::ranges::find(timeline.series, id, &TimelineSeries::id);
  return found == timeline.series.end() ? nullptr : &*found;
}

void add_timeline(TextPage& page, const Report& report) {
  constexpr int kClock = 15, kCell = 8;
  const Timeline& timeline = report.timeline;
  const std::size_t bins = timeline.bins.size();
  if (!bins) return;
  const auto room = static_cast<std::size_t>(std::max(page.width() - kClock, 0) / kCell);
  std::vector<ShownSeries> shown;
  for (const ShownSeries& one : kShown)
    if (series_of(timeline, one.id) && shown.size() < room) shown.push_back(one);
  page.heading("Timeline (the greatest of each row)");
  std::string head = fit("from", kClock);
  for (const ShownSeries& one : shown) head += fit(one.title, kCell, true);
  page.line(head);
  const std::size_t rows = std::min(bins, kMostBins);
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t from = row * bins / rows, to = (row + 1) * bins / rows;
    std::string line = fit(bin_text(timeline.bins[from], report), kClock);
    for (const ShownSeries& one : shown)
      line += fit(most_of(*series_of(timeline, one.id), from, to), kCell, true);
    page.line(line);
  }
  for (const TimelineMark& mark : timeline.marks)
    page.words(fmt::format("{} {}: {}", clock_text(mark.to_ns, report), mark.kind, mark.text));
}

void add_histogram(TextPage& page, const ReportHistogram& histogram) {
  if (!histogram.total) return;
  page.heading(histogram.title);
  page.words(histogram.note);
  std::uint64_t most = 0;
  for (const auto& bucket : histogram.buckets) most = std::max(most, bucket.count);
  for (const auto& bucket : histogram.buckets) {
    const auto bar = static_cast<std::size_t>(kBar * bucket.count / most);
    page.line(fmt::format("{:>8} to {:>8} {:>9}  {}", quantity(bucket.from, histogram.unit),
                          quantity(bucket.to, histogram.unit), bucket.count,
                          std::string(bucket.count ? std::max<std::size_t>(bar, 1) : 0, '#')));
  }
}

void add_unknown(TextPage& page, const Report& report) {
  if (!report.of_events() && report.unknown.empty()) return;
  page.heading("What was lost or is unknown");
  if (report.of_events())
    page.words("Lost events: " + (report.losses_text.empty() ? "none" : report.losses_text) + ".");
  for (const std::string& words : report.unknown) page.words(words);
  if (!report.not_checked.empty())
    page.words("Not looked for: " + listed(report.not_checked) + " (netsonde doctor says why).");
}

void add_measured(TextPage& page, const Report& report) {
  page.heading("How it was measured");
  for (const auto& [label, words] : measured_words(report)) page.labelled(label, words, 14);
}

}  // namespace

std::string to_text(const Report& report, int width) {
  TextPage page(width);
  page.line(
      fmt::format("netsonde {}: {}, {}", report.kind, printable(report.host), period_text(report)));
  page.line("");
  page.words(report.verdict);
  page.line("");
  for (const std::string& words : report.summary) page.words(words);
  add_findings(page, report);
  add_timeline(page, report);
  for (const ReportSection& section : report.sections) {
    page.heading(section.title);
    for (const std::string& words : section.words) page.words(words);
    for (const ReportTable& table : section.tables) {
      if (table.rows.empty()) continue;
      if (section.is_titled(table)) page.line("\n" + std::string(table.title) + ":");
      page.table(table);
    }
  }
  for (const ReportTable& table : report.tables) {
    if (table.rows.empty()) continue;
    page.heading(table.title);
    page.table(table);
  }
  for (const ReportHistogram& histogram : report.histograms) add_histogram(page, histogram);
  if (!report.host_faults.rows.empty()) {
    page.heading(report.host_faults.title);
    page.table(report.host_faults);
  }
  add_unknown(page, report);
  add_measured(page, report);
  return page.take();
}

}  // namespace netsonde
