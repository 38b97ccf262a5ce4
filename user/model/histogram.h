// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

namespace netsonde {

// The log-linear buckets of bpf/rtt.bpf.h: the bucket of a value, and the middle of a bucket, which
// is at most 6.25% from any value in it.
std::uint32_t rtt_bucket(std::uint32_t us);
double rtt_bucket_middle(std::uint32_t bucket);

// Microseconds; without samples all are 0 and mean nothing.
struct RttQuantiles {
  std::uint32_t samples = 0;
  float p50 = 0;
  float p90 = 0;
  float p99 = 0;
};

RttQuantiles quantiles_of_buckets(std::span<const std::uint32_t> buckets);
// The samples themselves; they are few.
RttQuantiles quantiles_of_samples(std::span<const std::uint32_t> samples);

}  // namespace netsonde
