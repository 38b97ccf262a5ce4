// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "user/base/json.h"
#include "user/model/diagnosis/finding.h"
#include "user/model/value.h"

namespace netsonde {

// All that a report says, before anybody has chosen a form for it. Times are nanoseconds since the
// epoch. Text from outside is as it came: every form makes it harmless in its own way.

// Absent when nobody measured it.
using Cell = std::variant<std::monostate, std::uint64_t, double, std::string>;
// "1.25ms", "3.4Mi", "-"; text as it came.
std::string human(const Cell& cell, Unit unit);

struct Column {
  // Where it is shown: in JSON alone; also on pages; also where there is little room.
  enum class Reach : std::uint8_t { Data, Page, Everywhere };

  std::string_view id;  // the contract's name, with its unit
  std::string_view title;
  std::string_view help;
  Unit unit = Unit::None;
  Reach reach = Reach::Page;
  bool is_text = false;

  bool operator==(const Column&) const = default;
};

struct ReportTable {
  std::string_view id;
  std::string_view title;
  std::string_view short_title{};  // where there is little room; empty: the same
  std::string note{};              // how to read it
  std::vector<Column> columns{};
  std::vector<std::vector<Cell>> rows{};  // worst first
  std::uint64_t left_out = 0;             // rows beyond the limit
  bool is_whole = false;                  // all rows; as text what has no room stands below its row
};

struct Figure {
  std::string_view id;
  std::string_view title;
  Cell value{};
  Unit unit = Unit::None;
};

// What several bins or samples were like; absent where none was measured.
struct Range {
  std::optional<double> mean{}, min{}, max{};
  double weight = 0;  // what the mean counts by, beside others
};

struct TimelineSeries {
  std::string_view id;
  std::string_view title;
  std::string_view chart;  // those of one chart share a scale
  std::string_view help;
  Unit unit = Unit::None;
  std::vector<Range> bins{};
};

struct TimelineBin {
  std::int64_t from_ns = 0, to_ns = 0;
  std::uint32_t ticks = 0;
};

// Something that has a place on the timeline besides the findings: a change that was made, an
// experiment.
struct TimelineMark {
  std::int64_t from_ns = 0, to_ns = 0;
  std::string_view kind;  // "change", ...
  std::string text;
};

struct Timeline {
  std::vector<TimelineBin> bins{};
  std::vector<TimelineSeries> series{};
  std::vector<TimelineMark> marks{};
  std::uint64_t marks_left_out = 0;
};

struct Span {
  std::int64_t from_ns = 0, to_ns = 0;
};

// One cause of trouble over the whole time: the same rule, the same who.
struct ReportFinding {
  Finding finding{};  // as it was at its worst; its impact is that of the whole time
  std::string who{};
  Json subject{};  // as the contract of findings has it
  std::int64_t since_ns = 0, until_ns = 0;
  bool lasted = false;  // was there when the observation ended
  Span worst{};
  std::vector<Span> spans{};  // in which it was seen
  std::uint32_t windows = 0;
  std::optional<std::size_t> because{};  // the finding that explains it, by its place
};

struct ReportHistogram {
  struct Bucket {
    double from = 0, to = 0;
    std::uint64_t count = 0;
  };
  std::string_view id;
  std::string_view title;
  std::string note{};  // of what it is
  Unit unit = Unit::None;
  std::vector<Bucket> buckets{};  // from the first to the last that holds something
  std::uint64_t total = 0;
  std::optional<double> p50{}, p90{}, p99{};
};

// How values go with what was chosen (so many at once, ...), in equal steps. For those who look;
// the figures are in a table, too.
struct ReportCurve {
  struct Line {
    std::string_view title;
    std::vector<std::optional<double>> values{};  // of each step
  };
  std::string_view title;
  Unit unit = Unit::None;
  std::vector<std::string> steps{};
  std::vector<Line> lines{};
  std::optional<std::size_t> marked{};  // a step that matters
  std::string mark{};                   // why
};

// A part of the report that not every observation has: probes, experiments, changes.
struct ReportSection {
  std::string_view id;
  std::string_view title;
  std::vector<std::string> words{};
  std::vector<ReportTable> tables{};
  std::vector<ReportCurve> curves{};

  // Whether the table needs a title of its own: it has another one than the section.
  bool is_titled(const ReportTable& table) const { return table.title != title; }
};

// How it was measured, as far as the events do not tell.
struct ReportOrigin {
  std::string program{};               // "netsonde 0.1.0"
  std::string kernel{};                // as uname -r; empty: unknown
  std::string source{};                // "live", or the name of a recording
  std::string filter{};                // what findings and connections were chosen by; empty: all
  std::vector<std::string> unknown{};  // what could not be seen or read, in words
};

struct Report {
  static constexpr int kSchema = 1;

  // "report", or the command that asked the network: then there are no events and no looks.
  std::string_view kind = "report";
  ReportOrigin origin{};
  std::string host{};  // or what was asked
  std::int64_t begin_ns = 0, end_ns = 0;
  std::uint64_t ticks = 0;
  Nanos interval{0};  // between two ticks, on average
  Nanos window{0};    // what findings were looked for in
  std::map<std::string_view, std::uint64_t> events{};

  Severity severity = Severity::Info;  // the worst
  std::string verdict{};               // one sentence
  std::vector<std::string> summary{};
  std::vector<Figure> figures{};

  std::vector<ReportFinding> findings{};  // worst first
  std::uint64_t findings_left_out = 0;
  std::vector<std::string_view> checked{}, not_checked{};

  Timeline timeline{};
  std::vector<ReportTable> tables{};  // connections, processes, remotes, listeners, ...
  std::vector<ReportHistogram> histograms{};
  ReportTable host_faults{};
  std::vector<ReportSection> sections{};

  std::uint64_t lost = 0;     // events of every cause
  Json losses{};              // by cause
  std::string losses_text{};  // empty: none
  std::vector<std::string> unknown{};
  // How it was measured, beside what all reports tell.
  std::vector<std::pair<std::string_view, std::string>> measured{};

  bool of_events() const { return kind == "report"; }
  // Whether there is something that its severity is of.
  bool has_trouble() const { return !findings.empty() || severity != Severity::Info; }
};

}  // namespace netsonde
