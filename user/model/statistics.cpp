// SPDX-License-Identifier: Apache-2.0
#include "user/model/statistics.h"

#include <algorithm>
#include <cmath>

namespace netsonde {

namespace {

constexpr int kPerOctave = 64;
constexpr int kLeastExponent = -20;
constexpr int kMostExponent = 60;
constexpr int kBelow = -1;
constexpr int kAbove = (kMostExponent - kLeastExponent) * kPerOctave;

int bucket_of(double value) {
  if (value < std::ldexp(1.0, kLeastExponent)) return kBelow;
  if (value >= std::ldexp(1.0, kMostExponent)) return kAbove;
  int exponent = 0;
  const double mantissa = std::frexp(value, &exponent);  // from 0.5 to below 1
  return (exponent - 1 - kLeastExponent) * kPerOctave +
         static_cast<int>((mantissa * 2 - 1) * kPerOctave);
}

std::uint64_t rank_of(double share, std::uint64_t count) {
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count)));
  return std::clamp<std::uint64_t>(rank, 1, count) - 1;
}

}  // namespace

void Statistics::add(std::optional<double> value, double weight) {
  if (!value || !std::isfinite(*value) || *value < 0) {
    ++absent_;
    return;
  }
  min_ = count_ ? std::min(min_, *value) : *value;
  max_ = count_ ? std::max(max_, *value) : *value;
  ++count_;
  const double from_old_mean = *value - mean_;
  weight_ += weight;
  mean_ += from_old_mean * weight / weight_;
  squares_ += weight * from_old_mean * (*value - mean_);
  if (count_ <= kExact) return values_.push_back(*value);
  if (!values_.empty()) to_buckets();
  ++buckets_[bucket_of(*value)];
}

void Statistics::to_buckets() {
  for (const double value : values_) ++buckets_[bucket_of(value)];
  values_ = {};
}

std::optional<double> Statistics::standard_deviation() const {
  if (count_ < 2) return std::nullopt;
  const auto n = static_cast<double>(count_);
  return std::sqrt(squares_ / weight_ * n / (n - 1));
}

std::optional<double> Statistics::quantile(double share) const {
  if (!count_) return std::nullopt;
  const std::uint64_t rank = rank_of(share, count_);
  if (!values_.empty()) {
    std::vector<double> values = values_;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }
  std::uint64_t seen = 0;
  for (const auto& [bucket, count] : buckets_)
    if ((seen += count) > rank) return std::clamp(middle_of(bucket), min_, max_);
  return max_;
}

std::uint64_t Statistics::count_below(double edge) const {
  if (!values_.empty())
    return static_cast<std::uint64_t>(
        std::ranges::count_if(values_, [edge](double value) { return value < edge; }));
  if (count_ == 0) return 0;
  if (edge > max_) return count_;
  const int end = edge > 0 ? bucket_of(edge) : kBelow;
  std::uint64_t below = 0;
  for (const auto& [bucket, count] : buckets_)
    if (bucket < end) below += count;
  return below;
}

double Statistics::middle_of(int bucket) const {
  if (bucket == kBelow) return min_;
  if (bucket == kAbove) return max_;
  const double within = (bucket % kPerOctave + 0.5) / kPerOctave;
  return std::ldexp(1 + within, bucket / kPerOctave + kLeastExponent);
}

}  // namespace netsonde
