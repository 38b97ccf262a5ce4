// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/findings.h"

#include <fmt/format.h>

#include <algorithm>

#include "user/sinks/explain.h"

namespace netsonde {

namespace {

constexpr int kBriefBelow = 10;  // lines
constexpr std::string_view kLiveOnly = "Findings are of the live view only.";

std::string span_text(Nanos span) {
  if (span >= std::chrono::seconds(1)) return fmt::format("{:.0f}s", seconds(span));
  return short_duration(std::chrono::round<std::chrono::milliseconds>(span));
}

// As many figures in a line as have room, none broken.
std::vector<std::string> figure_lines(const Finding& finding, int width) {
  std::vector<std::string> lines;
  for (const Evidence& figure : finding.evidence) {
    const std::string text = fmt::format("{} {}", figure.field, human(figure));
    const bool fits =
        !lines.empty() && display_width(lines.back()) + 2 + display_width(text) <= width;
    if (fits)
      lines.back() += ", " + text;
    else
      lines.push_back(text);
  }
  return lines;
}

// brief: of the figures, which come most telling first, one line.
std::vector<FindingLine> lines_of(const Finding& finding, int width, bool brief) {
  std::string head = fmt::format("{} {}", name_of(finding.severity), finding.id);
  if (finding.subject.connections > 1)
    head += fmt::format(", {} connections", finding.subject.connections);
  if (!finding.because.empty()) head += fmt::format(" because of {}", finding.because);
  std::vector<FindingLine> lines;
  for (std::string& line : wrap(head + ": " + finding.text, width))
    lines.push_back({.text = std::move(line)});
  lines.front().marked = std::min(head.size(), lines.front().text.size());
  lines.front().mark = style_of(finding.severity);
  std::vector<std::string> figures = figure_lines(finding, width - 2);
  if (brief && figures.size() > 1) figures.resize(1);
  for (const std::string& line : figures)
    lines.push_back({.text = "  " + line, .rest = Style::Dim});
  return lines;
}

FindingLine more_line(std::span<const Finding* const> left) {
  std::string text = fmt::format("and {} more:", left.size());
  for (const Finding* finding : left)
    text += fmt::format("{} {}", finding == left.front() ? "" : ",", finding->id);
  return {.text = std::move(text), .rest = Style::Strong};
}

std::string nothing_wrong(const LiveFindings& findings) {
  std::string text = findings.none("Nothing wrong found");
  if (!findings.names_all())
    text += fmt::format(" Of some findings only the worst {} connections are known.",
                        Subject::kMostCookies);
  return text;
}

}  // namespace

void LiveFindings::judge(const Snapshot& snapshot) {
  const Observation observation = window_.observe(snapshot);
  span_ = observation.span();
  not_watched_ = observation.not_watched;
  findings_ = diagnose(observation).findings;
}

Result<> LiveFindings::on_snapshot(const Snapshot& snapshot) {
  TRY(take(snapshot));
  judge(snapshot);
  return {};
}

const Finding* LiveFindings::worst() const {
  const bool any = !findings_.empty() && findings_.front().severity >= Severity::Warning;
  return any ? &findings_.front() : nullptr;
}

std::vector<const Finding*> LiveFindings::of(std::uint64_t cookie) const {
  std::vector<const Finding*> found;
  for (const Finding& finding : findings_)
    if (std::ranges::find(finding.subject.cookies, cookie) != finding.subject.cookies.end())
      found.push_back(&finding);
  return found;
}

std::string LiveFindings::none(std::string_view what) const {
  if (span_ == Nanos(0)) return "Measuring: findings need a second tick.";
  std::string text = fmt::format("{} in the last {}.", what, span_text(span_));
  if (not_watched_) text += fmt::format(" Not looked at: {} connections.", not_watched_);
  return text;
}

bool LiveFindings::names_all() const {
  return std::ranges::none_of(findings_, [](const Finding& finding) {
    return finding.subject.cookies.size() == Subject::kMostCookies;
  });
}

Style style_of(Severity severity) {
  switch (severity) {
    case Severity::Info: return Style::Strong;
    case Severity::Warning: return Style::Warn;
    case Severity::Critical: return Style::Bad;
  }
  return Style::Normal;
}

std::string headline(const Finding& finding) {
  return fmt::format("{} {}: {}", finding.id, subject_text(finding.subject), finding.text);
}

void add_finding(TuiVerdict& verdict, const LiveFindings* findings) {
  const Finding* worst = findings ? findings->worst() : nullptr;
  verdict.has_finding = worst != nullptr;
  if (!worst) {
    verdict.finding = findings ? findings->none("No warnings") : std::string(kLiveOnly);
    return;
  }
  verdict.finding = headline(*worst);
  verdict.finding_style = style_of(worst->severity);
  constexpr std::string_view kOk = "OK: ";
  if (!verdict.figures.starts_with(kOk)) return;
  verdict.figures.erase(0, kOk.size());
  verdict.style = Style::Normal;
}

std::vector<FindingLine> finding_lines(const LiveFindings* findings, std::uint64_t cookie,
                                       int width, int height) {
  if (!findings) return {{.text = std::string(kLiveOnly), .rest = Style::Dim}};
  const std::vector<const Finding*> all = findings->of(cookie);
  std::vector<FindingLine> lines;
  if (all.empty()) {
    for (std::string& line : wrap(nothing_wrong(*findings), width))
      lines.push_back({.text = std::move(line)});
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::vector<FindingLine> next = lines_of(*all[i], width, height < kBriefBelow);
    const std::size_t keep = i + 1 < all.size() ? 1 : 0;  // for the line that names the rest
    if (i > 0 && lines.size() + next.size() + keep > static_cast<std::size_t>(height)) {
      lines.resize(std::min(lines.size(), static_cast<std::size_t>(std::max(height - 1, 0))));
      lines.push_back(more_line(std::span(all).subspan(i)));
      break;
    }
    lines.insert(lines.end(), next.begin(), next.end());
  }
  lines.resize(std::min(lines.size(), static_cast<std::size_t>(std::max(height, 0))));
  return lines;
}

}  // namespace netsonde
