// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "user/model/attempt.h"
#include "user/model/inference.h"
#include "user/model/statistics.h"
#include "user/model/value.h"

namespace netsonde {

// What is measured of an attempt, of those that have it.
enum class Measure : std::uint8_t {
  Dns,
  Connect,
  Tls,
  Ttfb,
  Transfer,
  Total,  // of attempts that succeeded: how long a failure took tells of the limits that were set
  Echo,
  Bandwidth,
  SynRtt,
  MinRtt,
  Srtt,
  ProberDelay,
  Loss,
  WireBytes,
  BodyBytes,
};
inline constexpr std::size_t kMeasures = static_cast<std::size_t>(Measure::BodyBytes) + 1;

// "dns_us", "bandwidth_mbps", ...: a contract.
std::string_view id_of(Measure measure);
// None: that of the id.
Unit unit_of(Measure measure);
std::optional<double> value_of(const Attempt& attempt, Measure measure);

enum class Statistic : std::uint8_t { Count, Min, Mean, Max, P50, P90, P95, P99, Deviation };
inline constexpr std::size_t kStatistics = static_cast<std::size_t>(Statistic::Deviation) + 1;

// "count", ..., "p99", "stddev": a contract.
std::string_view name_of(Statistic statistic);
// Percentiles are nearest ranks, from one value on. Absent without values, the deviation also with
// one; only the count is always there.
std::optional<double> value_of(const Statistics& values, Statistic statistic);

// What several attempts were like. Each try counts, also one that was tried again.
class AttemptSummary {
 public:
  void add(const Attempt& attempt);

  const Statistics& of(Measure measure) const {
    return measures_[static_cast<std::size_t>(measure)];
  }

  std::uint64_t attempts() const { return attempts_; }
  std::uint64_t failures() const { return failures_; }
  std::uint64_t successes() const { return attempts_ - failures_; }
  std::uint64_t retries() const { return retries_; }
  // Those that occurred.
  const std::map<FailureKind, std::uint64_t>& failures_by_kind() const { return by_kind_; }

  // Absent before the first attempt.
  std::optional<double> success_percent() const;
  std::optional<Interval> success_percent_interval() const;  // 95%
  // Of attempts, how many were made over a connection that was there before.
  std::optional<double> reused_percent() const;

  // By all attempts of which the kernel told both; absent where it told of none.
  std::optional<std::uint64_t> segments_sent() const { return segments_sent_; }
  std::optional<std::uint64_t> retransmitted_segments() const { return retransmitted_segments_; }
  // The one over the other; absent where nothing was sent.
  std::optional<double> loss_percent() const;

 private:
  std::array<Statistics, kMeasures> measures_;
  std::map<FailureKind, std::uint64_t> by_kind_;
  std::uint64_t attempts_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t retries_ = 0;
  std::uint64_t reused_ = 0;
  std::optional<std::uint64_t> segments_sent_;
  std::optional<std::uint64_t> retransmitted_segments_;
};

}  // namespace netsonde
