// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <unordered_map>
#include <vector>

#include "user/model/snapshot.h"
#include "user/sinks/report/report.h"

namespace netsonde {

// Values counted between fixed edges.
class Distribution {
 public:
  // Ascending; below the first and from the last on there is a bucket more.
  explicit Distribution(std::vector<double> edges)
      : edges_(std::move(edges)), counts_(edges_.size() + 1) {}

  void add(double value);
  // From the first bucket that holds something to the last.
  void fill(ReportHistogram& histogram) const;

  static Distribution of_bytes();
  static Distribution of_microseconds();

 private:
  std::vector<double> edges_;
  std::vector<std::uint64_t> counts_;
};

// Round-trip times of the time observed: those of every acknowledgement where connections have
// histograms, else the smoothed ones as samples showed them.
class RttLog {
 public:
  static constexpr std::size_t kMostOpen = 8192;  // open connections at once, at 0.8 KB each

  // Until then is learned what the histograms held before.
  void begin(Time from) { from_ = from; }
  void before_event(const Event& event, const Store& store);

  ReportHistogram histogram() const;
  bool left_out() const { return left_out_; }  // some, for want of memory

 private:
  using Buckets = std::array<std::uint32_t, EV_RTT_BUCKETS>;

  void on(const ev_sample& sample, const Store& store);
  void take(const ev_histogram& histogram, const ev_sample& sample);
  void add(const Buckets& now, const Buckets* before);

  std::optional<Time> from_;
  std::optional<ev_histogram> pending_;  // comes before the sample that tells whose it is
  std::unordered_map<std::uint64_t, Buckets> open_;
  std::array<std::uint64_t, EV_RTT_BUCKETS> samples_{}, smoothed_{};
  bool has_samples_ = false;
  bool left_out_ = false;
};

}  // namespace netsonde
