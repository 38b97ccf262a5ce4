// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "user/model/diagnosis/diagnosis.h"
#include "user/model/diagnosis/rolling.h"
#include "user/sinks/tui/screen.h"
#include "user/sinks/tui/verdict.h"

namespace netsonde {

// What is wrong now, by the last seconds. Nothing of the past: it is not known there.
class LiveFindings {
 public:
  void before_event(const Event& event, const Store& store) { window_.before_event(event, store); }
  Result<> on_event(const Event& event, const Store& store) {
    return window_.on_event(event, store);
  }
  Result<> on_host(Time now, std::span<const HostValue> values) {
    return window_.on_host(now, values);
  }
  // Takes the snapshot in; judge() it then, which costs more, when it is to be seen.
  Result<> take(const Snapshot& snapshot) { return window_.on_snapshot(snapshot); }
  void judge(const Snapshot& snapshot);
  Result<> on_snapshot(const Snapshot& snapshot);

  const std::vector<Finding>& all() const { return findings_; }

  // The worst that is more than a note; nullptr: none.
  const Finding* worst() const;
  // Those that the connection is one of, worst first.
  std::vector<const Finding*> of(std::uint64_t cookie) const;
  // "No warnings in the last 12s.", and how much was not looked at.
  std::string none(std::string_view what) const;
  // All connections of all findings are known.
  bool names_all() const;

 private:
  RollingObserver window_;
  std::vector<Finding> findings_;
  Nanos span_{0};
  std::size_t not_watched_ = 0;
};

Style style_of(Severity severity);

// "zero-window curl[812] > 10.0.0.7:443: The peer shut its window: ..."
std::string headline(const Finding& finding);

// Says in the verdict which finding is the worst. findings: null where the past is shown.
void add_finding(TuiVerdict& verdict, const LiveFindings* findings);

// A line that begins with some words of that style; the rest is in another.
struct FindingLine {
  std::string text;
  std::size_t marked = 0;
  Style mark = Style::Normal;
  Style rest = Style::Normal;
};
// What is wrong with one connection, in so many columns and lines; what has no room is named.
// findings: as above.
std::vector<FindingLine> finding_lines(const LiveFindings* findings, std::uint64_t cookie,
                                       int width, int height);

}  // namespace netsonde
