// SPDX-License-Identifier: Apache-2.0
#include "user/model/attempt_summary.h"

namespace netsonde {

namespace {

using Measured = std::optional<double>;

Measured microseconds(const std::optional<Nanos>& span) {
  return span ? Measured(static_cast<double>(span->count()) / 1e3) : std::nullopt;
}

template <std::optional<Nanos> PhaseTimes::*phase>
Measured phase_us(const Attempt& attempt) {
  return microseconds(attempt.times.*phase);
}

template <std::optional<Nanos> KernelFacts::*time>
Measured kernel_us(const Attempt& attempt) {
  return attempt.kernel ? microseconds((*attempt.kernel).*time) : std::nullopt;
}

template <std::uint64_t HttpFacts::*bytes>
Measured http_bytes(const Attempt& attempt) {
  return attempt.http ? Measured((*attempt.http).*bytes) : std::nullopt;
}

struct MeasureRow {
  Measure measure;
  std::string_view id;
  Unit unit = Unit::Microseconds;
  Measured (*of)(const Attempt&) = nullptr;
};

constexpr std::array<MeasureRow, kMeasures> kRows = {{
    {.measure = Measure::Dns, .id = "dns_us", .of = phase_us<&PhaseTimes::dns>},
    {.measure = Measure::Connect, .id = "connect_us", .of = phase_us<&PhaseTimes::connect>},
    {.measure = Measure::Tls, .id = "tls_us", .of = phase_us<&PhaseTimes::tls>},
    {.measure = Measure::Ttfb, .id = "ttfb_us", .of = phase_us<&PhaseTimes::ttfb>},
    {.measure = Measure::Transfer, .id = "transfer_us", .of = phase_us<&PhaseTimes::transfer>},
    {.measure = Measure::Total,
     .id = "total_us",
     .of = [](const Attempt& a) { return a.failure ? Measured() : microseconds(a.times.total); }},
    {.measure = Measure::Echo,
     .id = "echo_us",
     .of = [](const Attempt& a) { return microseconds(a.echo); }},
    {.measure = Measure::Bandwidth,
     .id = "bandwidth_mbps",
     .unit = Unit::None,
     .of = [](const Attempt& a) { return a.http ? a.http->bandwidth_mbps : Measured(); }},
    {.measure = Measure::SynRtt, .id = "syn_rtt_us", .of = kernel_us<&KernelFacts::syn_rtt>},
    {.measure = Measure::MinRtt, .id = "min_rtt_us", .of = kernel_us<&KernelFacts::min_rtt>},
    {.measure = Measure::Srtt, .id = "srtt_us", .of = kernel_us<&KernelFacts::srtt>},
    {.measure = Measure::ProberDelay,
     .id = "prober_delay_us",
     .of = kernel_us<&KernelFacts::prober_delay>},
    {.measure = Measure::Loss,
     .id = "loss_percent",
     .unit = Unit::Percent,
     .of = [](const Attempt& a) { return a.kernel ? a.kernel->loss_percent() : Measured(); }},
    {.measure = Measure::WireBytes,
     .id = "wire_bytes",
     .unit = Unit::Bytes,
     .of = http_bytes<&HttpFacts::wire_bytes>},
    {.measure = Measure::BodyBytes,
     .id = "body_bytes",
     .unit = Unit::Bytes,
     .of = http_bytes<&HttpFacts::body_bytes>},
}};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < kMeasures; ++i)
    if (kRows[i].measure != static_cast<Measure>(i)) return false;
  return true;
}
static_assert(rows_are_in_order());

const MeasureRow& row_of(Measure measure) {
  return kRows[static_cast<std::size_t>(measure)];
}

Measured percent(std::uint64_t of_these, std::uint64_t all) {
  if (all == 0) return std::nullopt;
  return 100.0 * static_cast<double>(of_these) / static_cast<double>(all);
}

}  // namespace

std::string_view id_of(Measure measure) {
  return row_of(measure).id;
}

Unit unit_of(Measure measure) {
  return row_of(measure).unit;
}

std::optional<double> value_of(const Attempt& attempt, Measure measure) {
  return row_of(measure).of(attempt);
}

std::string_view name_of(Statistic statistic) {
  switch (statistic) {
    case Statistic::Count: return "count";
    case Statistic::Min: return "min";
    case Statistic::Mean: return "mean";
    case Statistic::Max: return "max";
    case Statistic::P50: return "p50";
    case Statistic::P90: return "p90";
    case Statistic::P95: return "p95";
    case Statistic::P99: return "p99";
    case Statistic::Deviation: return "stddev";
  }
  return {};
}

std::optional<double> value_of(const Statistics& values, Statistic statistic) {
  switch (statistic) {
    case Statistic::Count: return static_cast<double>(values.count());
    case Statistic::Min: return values.min();
    case Statistic::Mean: return values.mean();
    case Statistic::Max: return values.max();
    case Statistic::P50: return values.quantile(0.50);
    case Statistic::P90: return values.quantile(0.90);
    case Statistic::P95: return values.quantile(0.95);
    case Statistic::P99: return values.quantile(0.99);
    case Statistic::Deviation: return values.standard_deviation();
  }
  return std::nullopt;
}

void AttemptSummary::add(const Attempt& attempt) {
  ++attempts_;
  if (attempt.attempt > 1) ++retries_;
  if (attempt.reused) ++reused_;
  if (attempt.failure) {
    ++failures_;
    ++by_kind_[attempt.failure->kind];
  }
  for (const MeasureRow& row : kRows)
    measures_[static_cast<std::size_t>(row.measure)].add(row.of(attempt));
  const auto& kernel = attempt.kernel;
  if (!kernel || !kernel->loss_percent()) return;
  segments_sent_ = segments_sent_.value_or(0) + *kernel->segments_sent;
  retransmitted_segments_ = retransmitted_segments_.value_or(0) + *kernel->retransmitted_segments;
}

std::optional<double> AttemptSummary::success_percent() const {
  return percent(successes(), attempts_);
}

std::optional<Interval> AttemptSummary::success_percent_interval() const {
  const std::optional<Interval> share = share_interval(successes(), attempts_);
  if (!share) return std::nullopt;
  return Interval{.low = 100 * share->low, .high = 100 * share->high};
}

std::optional<double> AttemptSummary::reused_percent() const {
  return percent(reused_, attempts_);
}

std::optional<double> AttemptSummary::loss_percent() const {
  return percent(retransmitted_segments_.value_or(0), segments_sent_.value_or(0));
}

}  // namespace netsonde
