// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace netsonde {

// What a series of non-negative numbers was like, in bounded memory. What a Detector takes for
// absent (not a number, infinite, negative) is absent here too: counted apart, part of nothing
// else.
//
// Quantiles are nearest ranks: exact up to kExact values, and from then on off by at most 1/128 of
// themselves. Then values are counted in buckets, 64 per power of two, and the middle of a bucket
// stands for all in it. Below 2^-20 and above 2^60 there are no buckets: minimum and maximum stand
// for what lies there.
class Statistics {
 public:
  static constexpr std::size_t kExact = 4096;

  // weight: how long the value held, in any unit, above 0. The mean is that over time, and the
  // deviation from it; everything else counts values.
  void add(std::optional<double> value, double weight = 1);

  std::uint64_t count() const { return count_; }
  std::uint64_t absent() const { return absent_; }
  // Absent before the first value.
  std::optional<double> mean() const { return known(mean_); }
  std::optional<double> min() const { return known(min_); }
  std::optional<double> max() const { return known(max_); }
  // Of the values as a sample, that is over n - 1 if their weights are equal; absent before the
  // second one.
  std::optional<double> standard_deviation() const;
  // share: above 0, at most 1.
  std::optional<double> quantile(double share) const;
  // Values that are less. Exact also in buckets for edges between them: (64 + n) / 64, n from 0 to
  // 63, times a power of two.
  std::uint64_t count_below(double edge) const;

 private:
  std::optional<double> known(double value) const {
    return count_ ? std::optional(value) : std::nullopt;
  }
  void to_buckets();
  double middle_of(int bucket) const;

  std::uint64_t count_ = 0;
  std::uint64_t absent_ = 0;
  double weight_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // of deviations from the mean, weighted (West 1979)
  double min_ = 0;
  double max_ = 0;
  std::vector<double> values_;            // while they are few
  std::map<int, std::uint64_t> buckets_;  // from then on
};

}  // namespace netsonde
