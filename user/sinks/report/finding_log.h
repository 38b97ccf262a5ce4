// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "user/model/diagnosis/diagnosis.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// The findings of one window after the other, those of the same rule on the same processes, remote
// end or part of the host as one.
class FindingLog {
 public:
  static constexpr std::size_t kMost = 200;
  static constexpr std::size_t kMostSpans = 16;

  // What a window that was cut short does not find again has not ended for that.
  void add(const Diagnosis& diagnosis, const Observation& observation, bool cut_short = false);

  // Worst first; what another one explains stands behind that one.
  std::vector<ReportFinding> findings(std::int64_t realtime_offset_ns) const;
  // Beyond the limit; one that comes back after it was left out counts again.
  std::uint64_t left_out() const {
    return left_out_ + (entries_.size() > kMost ? entries_.size() - kMost : 0);
  }
  std::vector<std::string_view> checked() const;
  std::vector<std::string_view> not_checked() const;
  std::size_t not_watched() const { return not_watched_; }  // sockets, at most at once

 private:
  struct Seen {
    Time from, to;
  };
  struct Entry {
    Finding worst;
    Impact impact;
    Json subject;
    std::string because;  // the key of what explains it
    Seen worst_seen;
    std::vector<Seen> spans;
    std::uint32_t windows = 0;
    std::set<std::uint64_t> cookies;
  };

  void take(const Finding& finding, const std::string& key, const std::string& because,
            const Observation& observation);
  void forget_least();
  std::vector<std::string> ranked() const;
  ReportFinding reported(const Entry& entry, std::int64_t offset) const;

  std::map<std::string, Entry> entries_;  // by who and what
  std::set<std::string_view> checked_;
  Time end_;
  std::uint64_t left_out_ = 0;
  std::size_t not_watched_ = 0;
};

}  // namespace netsonde
