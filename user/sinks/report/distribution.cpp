// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/distribution.h"

#include <algorithm>
#include <numeric>

namespace netsonde {

namespace {

// Lower ends of the buckets of a histogram of round-trip times, and where the last one ends.
std::uint32_t lower_end(std::uint32_t bucket) {
  constexpr std::uint32_t kLinear = 16, kPerOctave = 8;
  if (bucket < kLinear) return bucket;
  const std::uint32_t octave = (bucket - kLinear) / kPerOctave;
  return (kPerOctave + (bucket - kLinear) % kPerOctave) << (octave + 1);
}

// Four buckets each are one: two for every power of two.
constexpr std::uint32_t kTogether = 4;

void set_quantiles(ReportHistogram& histogram, std::span<const std::uint64_t> counts) {
  const std::uint64_t most = *std::ranges::max_element(counts);
  int shift = 0;  // so that their sum has room
  while ((most >> shift) > 10'000'000) ++shift;
  std::array<std::uint32_t, EV_RTT_BUCKETS> scaled{};
  std::ranges::transform(counts, scaled.begin(), [shift](std::uint64_t count) {
    return static_cast<std::uint32_t>(count >> shift);
  });
  const RttQuantiles quantiles = quantiles_of_buckets(scaled);
  histogram.p50 = quantiles.p50;
  histogram.p90 = quantiles.p90;
  histogram.p99 = quantiles.p99;
}

}  // namespace

void Distribution::add(double value) {
  const auto above = std::ranges::upper_bound(edges_, value);
  ++counts_[static_cast<std::size_t>(above - edges_.begin())];
}

void Distribution::fill(ReportHistogram& histogram) const {
  const auto holds = [](std::uint64_t count) { return count > 0; };
  const auto first = std::ranges::find_if(counts_, holds) - counts_.begin();
  const auto behind = counts_.rend() - std::find_if(counts_.rbegin(), counts_.rend(), holds);
  for (auto i = first; i < behind; ++i) {
    const auto at = static_cast<std::size_t>(i);
    histogram.buckets.push_back({.from = at ? edges_[at - 1] : 0,
                                 .to = at < edges_.size() ? edges_[at] : edges_.back() * 10,
                                 .count = counts_[at]});
    histogram.total += counts_[at];
  }
}

Distribution Distribution::of_bytes() {
  std::vector<double> edges;
  for (double edge = 1; edge < 2e13; edge *= 4) edges.push_back(edge);
  return Distribution(std::move(edges));
}

Distribution Distribution::of_microseconds() {
  std::vector<double> edges;
  for (double decade = 10; decade < 1e12; decade *= 10)
    for (const double step : {1, 2, 5}) edges.push_back(decade * step);
  return Distribution(std::move(edges));
}

void RttLog::before_event(const Event& event, const Store& store) {
  if (const auto* histogram = std::get_if<ev_histogram>(&event)) {
    pending_ = *histogram;
    return;
  }
  const auto* sample = std::get_if<ev_sample>(&event);
  if (!sample) return;
  if (pending_ && pending_->cookie == sample->conn.cookie) take(*pending_, *sample);
  pending_.reset();
  if (from_) on(*sample, store);
  if (sample->header.kind != EV_SAMPLE) open_.erase(sample->conn.cookie);
}

// A smoothed time counts once for each look that found the connection active.
void RttLog::on(const ev_sample& sample, const Store& store) {
  const auto known = store.connections().find(sample.conn.cookie);
  const bool is_known = known != store.connections().end() && known->second.sampled;
  const bool active = !is_known || known->second.last.segs_in != sample.segs_in ||
                      known->second.last.segs_out != sample.segs_out;
  if (active && sample.srtt_us) ++smoothed_[rtt_bucket(sample.srtt_us)];
}

// Of a connection older than the observation what it holds first is where counting begins. One that
// there is no room for counts when it closes, as a whole.
void RttLog::take(const ev_histogram& histogram, const ev_sample& sample) {
  Buckets now;
  std::ranges::copy(histogram.buckets, now.begin());
  const auto known = open_.find(histogram.cookie);
  const bool is_known = known != open_.end();
  const bool closes = sample.header.kind != EV_SAMPLE;
  if (!is_known && !closes && open_.size() >= kMostOpen) {
    left_out_ = true;
    return;
  }
  const bool is_new = from_ && sample.conn.start_ns && time_from_ns(sample.conn.start_ns) >= *from_;
  if (from_ && (is_new || is_known)) add(now, is_known ? &known->second : nullptr);
  if (!closes) open_.insert_or_assign(histogram.cookie, now);
}

void RttLog::add(const Buckets& now, const Buckets* before) {
  has_samples_ = true;
  for (std::size_t i = 0; i < now.size(); ++i) samples_[i] += now[i] - (before ? (*before)[i] : 0);
}

ReportHistogram RttLog::histogram() const {
  const auto& counts = has_samples_ ? samples_ : smoothed_;
  ReportHistogram histogram{
      .id = "rtt",
      .title = "Round-trip time",
      .note = has_samples_ ? "Of every acknowledgement that the kernel took a time from."
                           : "Smoothed, once per connection and look at which it was active.",
      .unit = Unit::Microseconds};
  histogram.total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (!histogram.total) return histogram;
  set_quantiles(histogram, counts);
  for (std::uint32_t first = 0; first < EV_RTT_BUCKETS; first += kTogether) {
    const std::uint64_t count = std::accumulate(
        counts.begin() + first, counts.begin() + first + kTogether, std::uint64_t{0});
    if (histogram.buckets.empty() && !count) continue;
    histogram.buckets.push_back({.from = static_cast<double>(lower_end(first)),
                                 .to = static_cast<double>(lower_end(first + kTogether)),
                                 .count = count});
  }
  while (!histogram.buckets.back().count) histogram.buckets.pop_back();
  return histogram;
}

}  // namespace netsonde
