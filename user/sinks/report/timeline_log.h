// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <limits>
#include <vector>

#include "user/model/snapshot.h"
#include "user/sinks/report/report.h"

namespace netsonde {

inline constexpr std::size_t kTimelineSeries = 14;

// The totals of every tick in a bounded number of bins: when there are too many, each two become
// one. So a bin knows the mean, the least and the greatest of its ticks, whatever the length.
class TimelineLog {
 public:
  static constexpr std::size_t kMostBins = 240;

  void begin(const Snapshot& snapshot);
  // An interval that is cut short counts by its length, but is no extreme.
  void add(const Snapshot& snapshot, bool cut_short);

  Timeline timeline(std::int64_t realtime_offset_ns) const;
  // A rate over the whole time as a count; absent where it was never measured.
  std::optional<double> total(std::string_view series) const;
  Range range(std::string_view series) const;
  // The bin with the greatest value; nullptr without one.
  const TimelineBin* peak(const Timeline& timeline, std::string_view series) const;

  std::uint64_t ticks() const { return ticks_; }
  Nanos observed() const { return observed_; }

 private:
  struct Number {
    double sum = 0, weight = 0;
    double min = std::numeric_limits<double>::infinity();
    double max = -std::numeric_limits<double>::infinity();

    void add(double value, double by, bool extreme);
    void merge(const Number& other);
    Range range() const;
  };
  struct Bin {
    Time from, to;
    std::uint32_t ticks = 0;
    std::array<Number, kTimelineSeries> numbers;

    void merge(const Bin& other);
  };

  Bin& bin_for(const Snapshot& snapshot, bool cut_short);
  void halve();

  std::vector<Bin> bins_;
  std::uint32_t ticks_per_bin_ = 1;
  std::uint64_t ticks_ = 0;
  std::uint64_t lost_before_ = 0;
  Nanos observed_{0};
};

}  // namespace netsonde
