// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "user/base/json.h"
#include "user/base/text.h"
#include "user/sinks/report/words.h"

namespace netsonde {

namespace {

constexpr double kWide = 1000, kHigh = 100;  // of a chart's own coordinates
constexpr std::size_t kMostLanes = 12;
constexpr std::size_t kAxisTexts = 5;

using SeriesOfChart = std::vector<const TimelineSeries*>;

bool is_nonzero(const TimelineSeries& series) {
  return std::ranges::any_of(series.bins,
                             [](const Range& range) { return range.max.value_or(0) > 0; });
}

// In their order; charts in which nothing ever was are left out.
std::vector<SeriesOfChart> charts_of(const Timeline& timeline) {
  std::vector<SeriesOfChart> charts;
  for (const TimelineSeries& series : timeline.series) {
    if (charts.empty() || charts.back().front()->chart != series.chart) charts.emplace_back();
    charts.back().push_back(&series);
  }
  std::erase_if(charts, [](const SeriesOfChart& chart) {
    return std::ranges::none_of(chart, [](const auto* series) { return is_nonzero(*series); });
  });
  return charts;
}

// The next of 1, 2, 5 times a power of ten (of two for bytes).
double round_up(double value, Unit unit) {
  if (value <= 0) return 1;
  if (unit == Unit::Bytes || unit == Unit::BytesPerSecond)
    return std::exp2(std::ceil(std::log2(value)));
  const double decade = std::pow(10, std::floor(std::log10(value)));
  for (const double step : {1, 2, 5})
    if (value <= step * decade * 1.0001) return step * decade;
  return 10 * decade;
}

class Scale {
 public:
  Scale(const Report& report, double top)
      : begin_(report.begin_ns),
        span_(std::max<std::int64_t>(report.end_ns - begin_, 1)),
        top_(top) {}

  double x(std::int64_t ns) const {
    return std::clamp(kWide * static_cast<double>(ns - begin_) / static_cast<double>(span_), 0.0,
                      kWide);
  }
  double y(double value) const { return kHigh * (1 - value / top_); }

 private:
  std::int64_t begin_, span_;
  double top_;
};

// As steps: a bin has one value. What was not measured is a gap.
std::string line_path(const Report& report, const TimelineSeries& series, const Scale& scale) {
  std::string path;
  std::int64_t last_to = 0;
  bool open = false;
  for (std::size_t i = 0; i < series.bins.size(); ++i) {
    const TimelineBin& bin = report.timeline.bins[i];
    const auto& mean = series.bins[i].mean;
    if (!mean) {
      open = false;
      continue;
    }
    const double x = scale.x(bin.from_ns), y = scale.y(*mean);
    path += open && bin.from_ns == last_to ? fmt::format("V{:.1f}", y)
                                           : fmt::format("M{:.1f} {:.1f}", x, y);
    path += fmt::format("H{:.1f}", scale.x(bin.to_ns));
    last_to = bin.to_ns;
    open = true;
  }
  return path;
}

// From the least to the greatest of the ticks in a bin, where there are several.
std::string band_path(const Report& report, const TimelineSeries& series, const Scale& scale) {
  std::string path;
  for (std::size_t i = 0; i < series.bins.size(); ++i) {
    const TimelineBin& bin = report.timeline.bins[i];
    const Range& range = series.bins[i];
    if (bin.ticks < 2 || !range.max || *range.max <= *range.min) continue;
    path += fmt::format("M{:.1f} {:.1f}H{:.1f}V{:.1f}H{:.1f}Z", scale.x(bin.from_ns),
                        scale.y(*range.max), scale.x(bin.to_ns), scale.y(*range.min),
                        scale.x(bin.from_ns));
  }
  return path;
}

double top_of(const SeriesOfChart& chart) {
  double top = 0;
  for (const TimelineSeries* series : chart)
    for (const Range& range : series->bins) top = std::max(top, range.max.value_or(0));
  return round_up(top, chart.front()->unit);
}

std::string marks_svg(const Report& report, const Scale& scale) {
  std::string svg;
  for (const TimelineMark& mark : report.timeline.marks)
    svg += fmt::format("<path class=\"mark\" d=\"M{0:.1f} 0V{1}\"><title>{2}</title></path>",
                       scale.x(mark.to_ns), kHigh, html(mark.text));
  return svg;
}

std::string axis_html(const Report& report) {
  std::string axis = "<div class=\"axis\" aria-hidden=\"true\">";
  for (std::size_t i = 0; i < kAxisTexts; ++i) {
    const auto part = static_cast<std::int64_t>(i);
    const std::int64_t ns = report.begin_ns + (report.end_ns - report.begin_ns) /
                                                  static_cast<std::int64_t>(kAxisTexts - 1) * part;
    axis += fmt::format("<span>{}</span>", clock_text(ns, report));
  }
  return axis + "</div>";
}

// What the chart shows, for whoever does not see it.
std::string described(const SeriesOfChart& chart) {
  std::string text(chart.front()->chart);
  text += ":";
  for (const TimelineSeries* series : chart) {
    double most = 0;
    for (const Range& range : series->bins) most = std::max(most, range.max.value_or(0));
    text += fmt::format(" {} at most {};", series->title, quantity(most, series->unit));
  }
  return text + " arrow keys tell the values of a time.";
}

std::string chart_html(const Report& report, const SeriesOfChart& chart) {
  const double top = top_of(chart);
  const Unit unit = chart.front()->unit;
  const Scale scale(report, top);
  std::string keys, ids, paths;
  for (std::size_t i = 0; i < chart.size(); ++i) {
    const TimelineSeries& series = *chart[i];
    keys += fmt::format("<span class=\"key k{}\" title=\"{}\">{}</span>", i, html(series.help),
                        html(series.title));
    ids += (ids.empty() ? "" : " ") + std::string(series.id);
    if (const std::string band = band_path(report, series, scale); !band.empty())
      paths += fmt::format("<path class=\"band b{}\" d=\"{}\"/>", i, band);
    paths += fmt::format("<path class=\"l{}\" d=\"{}\"/>", i, line_path(report, series, scale));
  }
  return fmt::format(
      "<figure class=\"chart\"><figcaption><h3>{}</h3>{}</figcaption>"
      "<div class=\"plot\" tabindex=\"0\" role=\"img\" aria-label=\"{}\" data-series=\"{}\">"
      "<span class=\"top\">{}</span><span class=\"middle\">{}</span>"
      "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}{}</svg>"
      "<div class=\"cross\" hidden></div></div>{}"
      "<output class=\"readout\" aria-live=\"polite\"></output></figure>\n",
      html(chart.front()->chart), keys, html(described(chart)), ids, html(quantity(top, unit)),
      html(quantity(top / 2, unit)), kWide, kHigh, paths, marks_svg(report, scale),
      axis_html(report));
}

// When each finding was seen, one above the other.
std::string lanes_html(const Report& report) {
  if (report.findings.empty()) return {};
  const Scale scale(report, 1);
  std::string lanes = "<div class=\"lanes\">\n";
  for (std::size_t i = 0; i < std::min(report.findings.size(), kMostLanes); ++i) {
    const ReportFinding& found = report.findings[i];
    std::string bars;
    for (const Span& span : found.spans) {
      const double x = scale.x(span.from_ns);
      bars += fmt::format("<rect x=\"{:.1f}\" width=\"{:.1f}\" height=\"10\"/>", x,
                          std::max(scale.x(span.to_ns) - x, 2.0));
    }
    lanes += fmt::format(
        "<a class=\"lane {}\" id=\"when-{}\" href=\"#finding-{}\"><span class=\"label\">{}. {} "
        "<span class=\"who\">{}</span>, {}</span><svg viewBox=\"0 0 {} 10\" "
        "preserveAspectRatio=\"none\" aria-hidden=\"true\">{}</svg></a>\n",
        name_of(found.finding.severity), i + 1, i + 1, i + 1, html(found.finding.id),
        html(found.who), html(when_text(found, report)), kWide, bars);
  }
  lanes += "</div>\n";
  if (report.ticks && report.window < Nanos(report.end_ns - report.begin_ns))
    lanes += fmt::format(
        "<p class=\"note\">Findings are looked for in {} at a time: a bar ends "
        "with the window that found it last.</p>\n",
        short_duration(report.window));
  if (report.findings.size() > kMostLanes)
    lanes += fmt::format("<p class=\"note\">The first {} of {} findings.</p>\n", kMostLanes,
                         report.findings.size());
  return lanes;
}

// In the middle of what its name stands below.
double step_x(std::size_t step, const ReportCurve& curve) {
  return kWide * (static_cast<double>(step) + 0.5) / static_cast<double>(curve.steps.size());
}

std::string curve_paths(const ReportCurve& curve, std::size_t index, double top) {
  const ReportCurve::Line& line = curve.lines[index];
  std::string path, dots;
  bool open = false;
  for (std::size_t i = 0; i < line.values.size(); ++i) {
    if (!line.values[i]) {
      open = false;
      continue;
    }
    const double x = step_x(i, curve), y = kHigh * (1 - *line.values[i] / top);
    path += fmt::format("{}{:.1f} {:.1f}", std::exchange(open, true) ? "L" : "M", x, y);
    dots += fmt::format(
        "<path class=\"dot l{}\" d=\"M{:.1f} {:.1f}h0\"><title>{}: {} {}</title></path>", index, x,
        y, html(curve.steps[i]), html(line.title), html(quantity(*line.values[i], curve.unit)));
  }
  return fmt::format("<path class=\"l{}\" d=\"{}\"/>{}", index, path, dots);
}

std::string value_text(const Range& range, const TimelineBin& bin, Unit unit) {
  if (!range.mean) return "-";
  std::string mean = quantity(*range.mean, unit);
  if (bin.ticks < 2 || !range.max) return mean;
  const std::string most = quantity(*range.max, unit);
  return most == mean ? mean : mean + " (up to " + most + ")";
}

}  // namespace

std::string html(std::string_view untrusted) {
  std::string out;
  for (const char c : printable(untrusted)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string charts_html(const Report& report) {
  std::string page = lanes_html(report);
  for (const TimelineMark& mark : report.timeline.marks)
    page += fmt::format("<p class=\"note mark\">{} {}: {}</p>\n", clock_text(mark.to_ns, report),
                        html(mark.kind), html(mark.text));
  page += "<div class=\"charts\">\n";
  for (const SeriesOfChart& chart : charts_of(report.timeline)) page += chart_html(report, chart);
  return page + "</div>\n";
}

std::string chart_data(const Report& report) {
  const auto ms = [](std::int64_t ns) { return ns / 1'000'000; };
  Json from = Json::array(), to = Json::array(), at = Json::array(), series = Json::object();
  for (const TimelineBin& bin : report.timeline.bins) {
    from.push_back(ms(bin.from_ns));
    to.push_back(ms(bin.to_ns));
    at.push_back(bin_text(bin, report));
  }
  for (const SeriesOfChart& chart : charts_of(report.timeline))
    for (const TimelineSeries* one : chart) {
      Json text = Json::array();
      for (std::size_t i = 0; i < one->bins.size(); ++i)
        text.push_back(value_text(one->bins[i], report.timeline.bins[i], one->unit));
      series[std::string(one->id)] = {{"title", one->title}, {"text", std::move(text)}};
    }
  const Json json{{"begin", ms(report.begin_ns)}, {"end", ms(report.end_ns)},
                  {"from", std::move(from)},      {"to", std::move(to)},
                  {"at", std::move(at)},          {"series", std::move(series)}};
  std::string data = to_line(json);
  for (std::size_t found = 0; (found = data.find('<', found)) != std::string::npos;)
    data.replace(found, 1, "\\u003c");
  return data;
}

std::string curve_html(const ReportCurve& curve) {
  double most = 0;
  for (const ReportCurve::Line& line : curve.lines)
    for (const auto& value : line.values) most = std::max(most, value.value_or(0));
  const double top = round_up(most, curve.unit);
  std::string keys, paths, steps;
  if (curve.marked)
    paths = fmt::format("<path class=\"mark\" d=\"M{0:.1f} 0V{1}\"><title>{2}</title></path>",
                        step_x(*curve.marked, curve), kHigh, html(curve.mark));
  for (std::size_t i = 0; i < curve.lines.size(); ++i) {
    keys += fmt::format("<span class=\"key k{}\">{}</span>", i, html(curve.lines[i].title));
    paths += curve_paths(curve, i, top);
  }
  for (const std::string& step : curve.steps) steps += "<span>" + html(step) + "</span>";
  return fmt::format(
      "<figure class=\"chart\"><figcaption><h3>{}</h3>{}</figcaption><div class=\"plot curve\">"
      "<span class=\"top\">{}</span><span class=\"middle\">{}</span>"
      "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{}</svg>"
      "</div><div class=\"axis steps\" aria-hidden=\"true\">{}</div></figure>\n",
      html(curve.title), keys, html(quantity(top, curve.unit)), html(quantity(top / 2, curve.unit)),
      kWide, kHigh, paths, steps);
}

std::string histogram_html(const ReportHistogram& histogram) {
  std::uint64_t most = 1;
  for (const auto& bucket : histogram.buckets) most = std::max(most, bucket.count);
  std::string rows;
  for (const auto& bucket : histogram.buckets) {
    const std::string range = fmt::format("{} to {}", quantity(bucket.from, histogram.unit),
                                          quantity(bucket.to, histogram.unit));
    const double part = static_cast<double>(bucket.count) / static_cast<double>(most);
    rows += fmt::format(
        "<span>{0}</span><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" "
        "aria-hidden=\"true\"><title>{0}: {1}</title><rect width=\"{2:.2f}\" "
        "height=\"10\"/></svg><span>{1}</span>\n",
        html(range), bucket.count, bucket.count ? std::max(100 * part, 0.4) : 0.0);
  }
  return fmt::format(
      "<figure class=\"chart\"><figcaption><h3>{}</h3><span>{}</span></figcaption>"
      "<div class=\"bars\">{}</div></figure>\n",
      html(histogram.title), html(histogram.note), rows);
}

}  // namespace netsonde
