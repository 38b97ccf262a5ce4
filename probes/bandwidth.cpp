// SPDX-License-Identifier: Apache-2.0
#include "probes/bandwidth.h"

#include <algorithm>
#include <utility>

namespace netsonde {

namespace {

constexpr std::uint64_t kGrowth = 4;
constexpr std::uint64_t kLongest = 64 << 20;

// What the end of the budget does is no failure.
bool is_cut(const Failure& failure) {
  return failure.kind == FailureKind::TooLarge ||
         (failure.kind == FailureKind::HttpTimeout && failure.phase == ProbePhase::Transfer);
}

Result<std::unique_ptr<Transfers>> one_connection(Loop& loop) {
  return Transfers::open(loop, {.connections = 1, .connections_per_host = 1});
}

}  // namespace

Bandwidth::Bandwidth(BandwidthSettings settings, std::unique_ptr<Transfers> transfers)
    : settings_(std::move(settings)), transfers_(std::move(transfers)) {
  settings_.request.http.fresh = false;
  settings_.request.lean = false;
}

void Bandwidth::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  began_ = kernel_now();
  next();
}

void Bandwidth::send(const ProbeRequest& request) {
  ++result_.requests;
  transfers_->start(request, settings_.address, [this](const Transferred& transferred) {
    note_kernel(transferred.attempt);
    take(transferred.attempt);
  });
}

void Bandwidth::end() {
  if (on_end_) std::exchange(on_end_, {})();
}

Nanos Bandwidth::time_left() const {
  return began_ + settings_.duration - kernel_now();
}

void Bandwidth::note_kernel(const Attempt& attempt) {
  if (!attempt.kernel) return;
  const KernelFacts& kernel = *attempt.kernel;
  result_.min_rtt = kernel.min_rtt;
  result_.srtt = kernel.srtt;
  result_.congestion_control = kernel.congestion_control;
  const auto add = [](std::optional<std::uint64_t>& sum, const auto& part) {
    if (part) sum = sum.value_or(0) + *part;
  };
  add(result_.segments_sent, kernel.segments_sent);
  add(result_.retransmitted_segments, kernel.retransmitted_segments);
}

Result<std::unique_ptr<Bandwidth>> Download::open(Loop& loop, const BandwidthSettings& settings) {
  return std::unique_ptr<Bandwidth>(new Download(settings, TRY(one_connection(loop))));
}

void Download::next() {
  const std::uint64_t left = settings().bytes - std::min(settings().bytes, received_);
  if (over_ || left == 0 || time_left() <= Nanos(0) || result().requests == settings().requests)
    return end();
  ProbeRequest request = settings().request;
  request.limits.total = time_left();
  request.limits.body_bytes = left;
  send(request);
}

void Download::take(const Attempt& attempt) {
  if (attempt.http && attempt.http->bandwidth_mbps) {
    const Nanos spent = *attempt.times.transfer;
    const double bytes = *attempt.http->bandwidth_mbps / 8e3 * static_cast<double>(spent.count());
    result().bytes += static_cast<std::uint64_t>(bytes);
    result().spent += spent;
  }
  if (attempt.http) received_ += attempt.http->wire_bytes;
  over_ = attempt.failure.has_value();
  if (over_ && !is_cut(*attempt.failure)) result().failure = attempt.failure;
  next();
}

Result<std::unique_ptr<Bandwidth>> Upload::open(Loop& loop, const BandwidthSettings& settings) {
  return std::unique_ptr<Bandwidth>(new Upload(settings, TRY(one_connection(loop))));
}

// Whether such a body may be sent, as far as the last one tells.
bool Upload::fits(std::uint64_t size) const {
  return sent_ + size <= settings().bytes && size <= kLongest &&
         static_cast<double>(size) < bytes_per_s_.value_or(1e18) * seconds(time_left());
}

void Upload::next() {
  if (grows_ && taken_ == size_ && fits(size_ * kGrowth)) size_ *= kGrowth;
  if (!fits(size_) || time_left() <= Nanos(0) || result().requests == settings().requests)
    return end();
  ProbeRequest request = settings().request;
  request.http.method = put_ ? "PUT" : "POST";
  request.http.send_bytes = size_;
  request.limits.total = std::min(request.limits.total, time_left() + request.limits.connect);
  sent_ += size_;
  send(request);
}

void Upload::take(const Attempt& attempt) {
  const bool refused = attempt.failure && attempt.failure->kind == FailureKind::HttpStatus;
  const bool is_2xx = attempt.http && attempt.http->status && *attempt.http->status / 100 == 2;
  if (!attempt.failure && is_2xx) {
    take_answer(attempt);
    return next();
  }
  if (refused && taken_ == 0 && !put_) {
    put_ = true;
    return next();
  }
  // What was too long once is not sent again.
  if (attempt.failure && taken_ != 0 && taken_ < size_) {
    size_ = taken_;
    grows_ = false;
    return next();
  }
  result().failure = attempt.failure.value_or(
      Failure{.phase = ProbePhase::Response,
              .kind = FailureKind::HttpStatus,
              .detail = "the server did not take the upload: its answer is no 2xx"});
  end();
}

void Upload::take_answer(const Attempt& attempt) {
  if (std::exchange(taken_, size_) != size_) {
    result().bytes = 0;
    result().spent = Nanos(0);
  }
  const Nanos spent =
      attempt.times.request.value_or(Nanos(0)) + attempt.times.ttfb.value_or(Nanos(0));
  if (spent <= Nanos(0)) return;
  bytes_per_s_ = static_cast<double>(size_) / seconds(spent);
  result().bytes += size_;
  result().spent += spent;
}

}  // namespace netsonde
