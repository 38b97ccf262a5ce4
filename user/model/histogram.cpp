// SPDX-License-Identifier: Apache-2.0
#include "user/model/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "bpf/events.h"

namespace netsonde {

namespace {

constexpr std::uint32_t kLinearLimit = 16;

// The rank of a quantile among n sorted values (nearest rank).
std::uint64_t rank_of(double quantile, std::uint64_t n) {
  const auto rank = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(n)));
  return std::clamp<std::uint64_t>(rank, 1, n) - 1;
}

double value_at(std::span<const std::uint32_t> buckets, std::uint64_t rank) {
  std::uint64_t seen = 0;
  for (std::uint32_t i = 0; i < buckets.size(); ++i) {
    seen += buckets[i];
    if (seen > rank) return rtt_bucket_middle(i);
  }
  return rtt_bucket_middle(static_cast<std::uint32_t>(buckets.size()) - 1);
}

}  // namespace

std::uint32_t rtt_bucket(std::uint32_t us) {
  if (us < kLinearLimit) return us;
  if (us >= EV_RTT_LIMIT) return EV_RTT_BUCKETS - 1;
  const std::uint32_t shift = std::bit_width(us) - 4;
  return (shift << 3) + (us >> shift);
}

double rtt_bucket_middle(std::uint32_t bucket) {
  if (bucket < kLinearLimit) return bucket;
  const std::uint32_t shift = (bucket >> 3) - 1;
  const std::uint32_t low = ((bucket & 7) + 8) << shift;
  return low + ((1U << shift) - 1) / 2.0;
}

RttQuantiles quantiles_of_buckets(std::span<const std::uint32_t> buckets) {
  const auto n = std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
  if (n == 0) return {};
  return {.samples = static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX)),
          .p50 = static_cast<float>(value_at(buckets, rank_of(0.50, n))),
          .p90 = static_cast<float>(value_at(buckets, rank_of(0.90, n))),
          .p99 = static_cast<float>(value_at(buckets, rank_of(0.99, n)))};
}

RttQuantiles quantiles_of_samples(std::span<const std::uint32_t> samples) {
  if (samples.empty()) return {};
  std::vector<std::uint32_t> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const auto at = [&](double q) { return static_cast<float>(sorted[rank_of(q, sorted.size())]); };
  return {.samples = static_cast<std::uint32_t>(sorted.size()),
          .p50 = at(0.5),
          .p90 = at(0.9),
          .p99 = at(0.99)};
}

}  // namespace netsonde
