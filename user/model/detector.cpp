// SPDX-License-Identifier: Apache-2.0
#include "user/model/detector.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <utility>

namespace netsonde {

namespace {

constexpr std::size_t kWindow = 300;
constexpr std::size_t kSettle = 300;
constexpr std::size_t kRefresh = 16;

constexpr double kFactor = 3;  // the change of level that is sought
constexpr double kRelativeNoise = 0.1;
constexpr double kFew = 10;
constexpr double kLeastMean = 0.05;
constexpr double kLeastMeanToFall = 1;
constexpr double kLeastMemory = 0.2;
constexpr double kMostMemory = 0.95;
constexpr double kUncertainty = 36;

constexpr double kSpike = 5.5;
constexpr double kOutside = 2;
constexpr double kWidestStep = 6;
constexpr double kAlarm = 12.5;
constexpr double kDoubt = 4;
constexpr double kMostOfRise = 10;
constexpr double kMostOfFall = 5.5;
constexpr double kReturn = 5;
constexpr double kMostOfReturn = 3;

// A quantile above the median, and how many sigmas of normal noise that is.
struct Tail {
  double share;
  double sigmas;
};
constexpr std::array kTails{Tail{0.25, 0.6745}, Tail{0.40, 1.2816}, Tail{0.48, 2.0537}};

double stabilised(double value) {
  return 2 / kRelativeNoise * std::asinh(kRelativeNoise * std::sqrt(value + 0.375));
}

double plain(double scaled) {
  const double root = std::sinh(scaled * kRelativeNoise / 2) / kRelativeNoise;
  return std::max(0.0, root * root - 0.375);
}

// One sigma of the stabilised scale there.
double plain_noise(double level) {
  return std::sqrt(level) * std::hypot(1, kRelativeNoise * std::sqrt(level));
}

std::ptrdiff_t rank_of(double share, std::size_t n) {
  return std::lround(share * static_cast<double>(n - 1));
}

double spread_of(std::span<double> offsets, double least) {
  auto from = offsets.begin();
  for (const Tail& tail : kTails) {
    const auto at = offsets.begin() + rank_of(0.5 + tail.share, offsets.size());
    std::nth_element(from, at, offsets.end());
    least = std::max(least, *at / tail.sigmas);
    from = at;
  }
  return least;
}

// For a normal value to have moved by a step.
double nats(double sigmas, double step) {
  step = std::min(step, kWidestStep);
  return step * (sigmas - step / 2);
}

// How many independent values one is worth.
double independence(double memory) {
  return (1 - memory) / (1 + memory);
}

}  // namespace

bool Baseline::warm() const {
  return window_.size() >= kDetectorWarmUp;
}

void Baseline::learn(double value) {
  const Seen now{.value = value, .scaled = stabilised(value)};
  if (window_.size() < kWindow) {
    window_.push_back(now);
  } else {
    sorted_.erase(std::lower_bound(sorted_.begin(), sorted_.end(), window_[oldest_].value));
    window_[oldest_] = now;
    oldest_ = (oldest_ + 1) % kWindow;
  }
  sorted_.insert(std::upper_bound(sorted_.begin(), sorted_.end(), value), value);
  if (++unused_ >= kRefresh || window_.size() == kDetectorWarmUp) refresh();
}

void Baseline::replace(std::span<const double> values) {
  *this = {};
  for (const double value : values) learn(value);
  refresh();
}

double Baseline::quantile(double share) const {
  return sorted_[static_cast<std::size_t>(rank_of(share, sorted_.size()))];
}

double Baseline::confidence(double memory) const {
  const double values = static_cast<double>(window_.size()) * independence(memory);
  return values / (values + kUncertainty);
}

void Baseline::refresh() {
  unused_ = 0;
  const double median = quantile(0.5), scaled = stabilised(median);
  above_.spread = 1;
  below_.spread = plain_noise(median);
  double scaled_below = 1;
  for (const Tail& tail : kTails) {
    const double high = quantile(0.5 + tail.share), low = quantile(0.5 - tail.share);
    above_.spread = std::max(above_.spread, (stabilised(high) - scaled) / tail.sigmas);
    below_.spread = std::max(below_.spread, (median - low) / tail.sigmas);
    scaled_below = std::max(scaled_below, (scaled - stabilised(low)) / tail.sigmas);
  }
  double sum = 0;
  for (const Seen& seen : window_)
    sum += std::clamp(seen.scaled, scaled - 2 * scaled_below, scaled + 2 * above_.spread);
  center_ = sum / static_cast<double>(window_.size());
  level_ = plain(center_);
  few_ = level_ < kFew;
  refresh_memory();
  if (few_)
    refresh_few();
  else
    refresh_surprise();
}

void Baseline::refresh_memory() {
  // What is far below the floor of the noise, as rounding is, has no memory.
  double products = 0, squares = 0.25 * static_cast<double>(window_.size()), before = 0;
  for (std::size_t age = 0; age < window_.size(); ++age) {
    const double off =
        std::clamp(seen(age).scaled - center_, -4 * above_.spread, 4 * above_.spread);
    products += off * before;
    squares += off * off;
    before = off;
  }
  const double memory = products / squares;
  memory_ = memory < kLeastMemory ? 0 : std::min(memory, kMostMemory);
}

void Baseline::refresh_surprise() {
  above_.surprise = above_.spread;
  below_.surprise = below_.spread;
  if (memory_ == 0) return;
  std::array<double, kWindow> rises, falls;
  const std::size_t n = window_.size() - 1;
  for (std::size_t i = 0; i < n; ++i) {
    const Seen &before = seen(i), &now = seen(i + 1);
    rises[i] = now.scaled - center_ - memory_ * (before.scaled - center_);
    falls[i] = level_ - now.value - memory_ * (level_ - before.value);
  }
  above_.surprise = spread_of(std::span(rises).first(n), 1);
  below_.surprise = spread_of(std::span(falls).first(n), plain_noise(level_));
}

void Baseline::refresh_few() {
  const double most = plain(stabilised(quantile(0.5)) + 4 * above_.spread);
  const double n = static_cast<double>(window_.size());
  double sum = 0, squares = 0;
  for (const Seen& seen : window_) {
    const double value = std::min(seen.value, most);
    sum += value;
    squares += value * value;
  }
  level_ = sum / n;
  const double variance = squares / n - level_ * level_;
  const double ratio = variance / std::max(level_, kLeastMean);
  dispersion_ = std::max(1.0, ratio) / independence(memory_);
  error_ = std::sqrt(level_ * dispersion_ / n);
}

Baseline::Score Baseline::score(double value, std::optional<double> before) const {
  return few_ ? score_few(value) : score_many(value, before);
}

Baseline::Score Baseline::score_few(double value) const {
  const double mean = std::max(level_ + error_, kLeastMean);
  const double risen = std::max(kFactor * mean, mean + 1);
  const double rise = (value * std::log(risen / mean) - (risen - mean)) / dispersion_;
  const double least = level_ - error_, fallen = least / kFactor;
  const double fall = (least - fallen - value * std::log(kFactor)) / dispersion_;
  const double deviance = 2 * (value > 0 ? value * std::log(value / mean) - (value - mean) : mean);
  const double sigmas = std::sqrt(std::max(0.0, deviance) / dispersion_);
  const double bounded_rise = std::min(rise, kMostOfRise);
  const double bounded_fall = level_ < kLeastMeanToFall ? 0 : std::min(fall, kMostOfFall);
  return {.sigmas = std::copysign(sigmas, value - mean),
          .spike = sigmas > kSpike,
          .rise = {.onset = bounded_rise, .lasting = bounded_rise, .alone = rise},
          .fall = {.onset = bounded_fall, .lasting = bounded_fall, .alone = fall}};
}

Baseline::Score Baseline::score_many(double value, std::optional<double> before) const {
  const double memory = before ? memory_ : 0, last = before.value_or(0);
  const Offset up{.now = stabilised(value) - center_,
                  .predicted = memory * (stabilised(last) - center_),
                  .step = stabilised(level_ * kFactor) - center_};
  const Offset down{.now = level_ - value,
                    .predicted = memory * (level_ - last),
                    .step = level_ - level_ / kFactor};
  const bool above = up.now > 0;
  const Offset& off = above ? up : down;
  const Side& side = above ? above_ : below_;
  const double sigmas = off.now / side.spread;
  const double surprise = (off.now - off.predicted) / (memory > 0 ? side.surprise : side.spread);
  return {.sigmas = above ? sigmas : -sigmas,
          .spike = sigmas > kOutside && surprise > kSpike,
          .rise = judge(above_, up, memory, kMostOfRise),
          .fall = judge(below_, down, memory, kMostOfFall)};
}

Baseline::Evidence Baseline::judge(const Side& side, const Offset& offset, double memory,
                                   double most) const {
  const double surprise = memory > 0 ? side.surprise : side.spread;
  const double alone = nats(offset.now / side.spread, offset.step / side.spread);
  // A step back from far off is surprising, too, but leads to nothing unusual: never more than
  // alone.
  const double onset = std::min(
      {nats((offset.now - offset.predicted) / surprise, offset.step / surprise), alone, most});
  const double sure = confidence(memory);
  return {.onset = sure * onset,
          .lasting = sure * std::min(alone * independence(memory), most),
          .alone = alone};
}

Detector::Detector(double unit) : unit_(unit) {
  assert(unit > 0);
}

std::optional<AnomalyChange> Detector::add(std::optional<double> value) {
  if (!value || !std::isfinite(*value) || *value < 0) {
    before_.reset();
    return {};
  }
  const double units = *value / unit_;
  const std::optional<double> before = std::exchange(before_, units);
  if (!baseline_.warm()) {
    baseline_.learn(units);
    return {};
  }
  const Baseline::Score score = baseline_.score(units, before);
  return anomaly_ ? follow(units, score) : watch(units, score);
}

std::optional<AnomalyChange> Detector::watch(double value, const Baseline::Score& score) {
  rise_ = std::max(rise_ + score.rise.lasting, score.rise.onset);
  fall_ = std::max(fall_ + score.fall.lasting, score.fall.onset);
  const bool shift = std::max(rise_, fall_) >= kAlarm;
  if (!score.spike && !shift) {
    if (std::max(rise_, fall_) < kDoubt) baseline_.learn(value);
    return {};
  }
  anomaly_ = Anomaly{.kind = score.spike ? AnomalyChange::Kind::Spike : AnomalyChange::Kind::Shift,
                     .up = score.spike ? score.sigmas > 0 : rise_ >= kAlarm,
                     .values = {value}};
  rise_ = fall_ = 0;
  return change(value, score);
}

std::optional<AnomalyChange> Detector::follow(double value, const Baseline::Score& score) {
  const double evidence = anomaly_->up ? score.rise.alone : score.fall.alone;
  anomaly_->returned = std::max(0.0, anomaly_->returned + std::min(-evidence, kMostOfReturn));
  anomaly_->values.push_back(value);
  const bool returned = anomaly_->returned >= kReturn;
  if (!returned && anomaly_->values.size() < kSettle) return {};
  AnomalyChange result = change(value, score);
  result.began = false;
  result.end = returned ? AnomalyChange::End::Returned : AnomalyChange::End::Settled;
  if (!returned) baseline_.replace(anomaly_->values);
  anomaly_.reset();
  return result;
}

AnomalyChange Detector::change(double value, const Baseline::Score& score) const {
  return {.kind = anomaly_->kind,
          .up = anomaly_->up,
          .value = value * unit_,
          .baseline = baseline_.level() * unit_,
          // A level of rare events is judged a little to the safe side of itself.
          .deviation = value == baseline_.level() ? 0 : score.sigmas};
}

}  // namespace netsonde
