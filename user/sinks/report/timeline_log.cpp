// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/report/timeline_log.h"

#include <algorithm>

namespace netsonde {

namespace {

using Measured = std::optional<double>;

// What a series is made of. Rates count by the length of their interval, a share by what it is of.
struct Source {
  std::string_view id, title, chart, help;
  Unit unit;
  Measured (*get)(const Totals& totals);
  double (*weight)(const Totals& totals) = nullptr;  // beside the length; none: as long as it is
};

template <auto kMember>
Measured total(const Totals& totals) {
  return totals.*kMember;
}

double segments(const Totals& totals) {
  return totals.segments_out_rate;
}

// The last one, lost events, is no total: it has no getter.
constexpr std::array<Source, kTimelineSeries> kSources = {{
    {.id = "tx_bytes_per_s",
     .title = "sent",
     .chart = "Throughput",
     .help = "TCP payload that the peers acknowledged.",
     .unit = Unit::BytesPerSecond,
     .get = total<&Totals::tx_rate>},
    {.id = "rx_bytes_per_s",
     .title = "received",
     .chart = "Throughput",
     .help = "TCP payload received in order.",
     .unit = Unit::BytesPerSecond,
     .get = total<&Totals::rx_rate>},
    {.id = "retransmit_percent",
     .title = "retransmitted",
     .chart = "Segments retransmitted",
     .help = "Segments retransmitted, in percent of those sent.",
     .unit = Unit::Percent,
     .get = total<&Totals::retransmit_percent>,
     .weight = segments},
    {.id = "rtt_p50_us",
     .title = "median",
     .chart = "Round-trip time",
     .help = "Median of the smoothed round-trip times of the connections active in an interval; "
             "mean over the intervals of a bin.",
     .unit = Unit::Microseconds,
     .get = total<&Totals::rtt_p50_us>},
    {.id = "rtt_p99_us",
     .title = "p99",
     .chart = "Round-trip time",
     .help = "Their 99th percentile.",
     .unit = Unit::Microseconds,
     .get = total<&Totals::rtt_p99_us>},
    {.id = "drops_per_s",
     .title = "harmful drops",
     .chart = "Drops, resets, overflows",
     .help = "Packets of every protocol that this host dropped, with harm.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::drop_rate>},
    {.id = "resets_sent_per_s",
     .title = "resets sent",
     .chart = "Drops, resets, overflows",
     .help = "TCP resets sent.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::resets_sent_rate>},
    {.id = "resets_received_per_s",
     .title = "resets received",
     .chart = "Drops, resets, overflows",
     .help = "TCP resets received.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::resets_received_rate>},
    {.id = "listen_overflows_per_s",
     .title = "listen overflows",
     .chart = "Drops, resets, overflows",
     .help = "Connection attempts that a listener had no room for.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::listen_overflow_rate>},
    {.id = "opened_per_s",
     .title = "opened",
     .chart = "Connections opened and closed",
     .help = "Connections opened.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::opened_rate>},
    {.id = "closed_per_s",
     .title = "closed",
     .chart = "Connections opened and closed",
     .help = "Connections closed.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::closed_rate>},
    {.id = "tx_segments_per_s",
     .title = "segments sent",
     .chart = "Segments",
     .help = "Segments sent.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::segments_out_rate>},
    {.id = "retransmitted_segments_per_s",
     .title = "retransmitted",
     .chart = "Segments",
     .help = "Segments retransmitted.",
     .unit = Unit::PerSecond,
     .get = total<&Totals::retransmit_rate>},
    {.id = "lost_events_per_s",
     .title = "lost events",
     .chart = "Events that netsonde lost",
     .help = "Events that netsonde lost: figures of that time may be too low.",
     .unit = Unit::PerSecond,
     .get = nullptr},
}};

std::size_t index_of(std::string_view id) {
  const auto found = std::ranges::find(kSources, id, &Source::id);
  return static_cast<std::size_t>(found - kSources.begin());
}

}  // namespace

void TimelineLog::Number::add(double value, double by, bool extreme) {
  if (by <= 0) return;
  sum += value * by;
  weight += by;
  if (!extreme) return;
  min = std::min(min, value);
  max = std::max(max, value);
}

void TimelineLog::Number::merge(const Number& other) {
  sum += other.sum;
  weight += other.weight;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

Range TimelineLog::Number::range() const {
  if (weight <= 0) return {};
  const double mean = sum / weight;
  return {.mean = mean, .min = std::min(min, mean), .max = std::max(max, mean), .weight = weight};
}

void TimelineLog::Bin::merge(const Bin& other) {
  to = other.to;
  ticks += other.ticks;
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i].merge(other.numbers[i]);
}

void TimelineLog::begin(const Snapshot& snapshot) {
  lost_before_ = snapshot.lost();
}

void TimelineLog::halve() {
  std::vector<Bin> half;
  half.reserve(kMostBins);
  for (std::size_t i = 0; i < bins_.size(); i += 2) {
    half.push_back(bins_[i]);
    if (i + 1 < bins_.size()) half.back().merge(bins_[i + 1]);
  }
  bins_ = std::move(half);
  ticks_per_bin_ *= 2;
}

TimelineLog::Bin& TimelineLog::bin_for(const Snapshot& snapshot, bool cut_short) {
  const bool room = !bins_.empty() && (bins_.back().ticks < ticks_per_bin_ || cut_short);
  if (room) return bins_.back();
  if (bins_.size() == kMostBins) {
    halve();
    return bin_for(snapshot, cut_short);
  }
  Bin& bin = bins_.emplace_back();
  bin.from = snapshot.time() - snapshot.interval();
  return bin;
}

void TimelineLog::add(const Snapshot& snapshot, bool cut_short) {
  const double span = seconds(snapshot.interval());
  if (span <= 0) return;
  Bin& bin = bin_for(snapshot, cut_short);
  const Totals& totals = snapshot.totals();
  const bool extreme = !cut_short || bin.ticks == 0;
  for (std::size_t i = 0; i < kSources.size(); ++i) {
    const Source& source = kSources[i];
    if (!source.get) continue;
    if (const Measured value = source.get(totals))
      bin.numbers[i].add(*value, source.weight ? span * source.weight(totals) : span, extreme);
  }
  const double lost = static_cast<double>(snapshot.lost() - lost_before_) / span;
  bin.numbers.back().add(lost, span, extreme);
  lost_before_ = snapshot.lost();
  bin.to = snapshot.time();
  ++bin.ticks;
  ++ticks_;
  observed_ += snapshot.interval();
}

Timeline TimelineLog::timeline(std::int64_t offset) const {
  Timeline timeline;
  for (const Bin& bin : bins_)
    timeline.bins.push_back({.from_ns = bin.from.time_since_epoch().count() + offset,
                             .to_ns = bin.to.time_since_epoch().count() + offset,
                             .ticks = bin.ticks});
  for (std::size_t i = 0; i < kSources.size(); ++i) {
    const Source& source = kSources[i];
    TimelineSeries series{.id = source.id,
                          .title = source.title,
                          .chart = source.chart,
                          .help = source.help,
                          .unit = source.unit};
    for (const Bin& bin : bins_) series.bins.push_back(bin.numbers[i].range());
    timeline.series.push_back(std::move(series));
  }
  return timeline;
}

std::optional<double> TimelineLog::total(std::string_view series) const {
  const std::size_t index = index_of(series);
  std::optional<double> sum;
  for (const Bin& bin : bins_)
    if (bin.numbers[index].weight > 0) sum = sum.value_or(0) + bin.numbers[index].sum;
  return sum;
}

Range TimelineLog::range(std::string_view series) const {
  const std::size_t index = index_of(series);
  Number all;
  for (const Bin& bin : bins_) all.merge(bin.numbers[index]);
  return all.range();
}

const TimelineBin* TimelineLog::peak(const Timeline& timeline, std::string_view series) const {
  const auto found = std::ranges::find(timeline.series, series, &TimelineSeries::id);
  if (found == timeline.series.end()) return nullptr;
  const TimelineBin* best = nullptr;
  double most = 0;
  for (std::size_t i = 0; i < found->bins.size(); ++i) {
    const auto& max = found->bins[i].max;
    if (!max || *max <= most) continue;
    most = *max;
    best = &timeline.bins[i];
  }
  return best;
}

}  // namespace netsonde
