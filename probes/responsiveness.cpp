// SPDX-License-Identifier: Apache-2.0
#include "probes/responsiveness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace netsonde {

namespace {

constexpr Nanos kTick = std::chrono::milliseconds(10);
constexpr double kTrimmed = 0.05;    // of the slowest
constexpr double kTolerance = 0.05;  // the draft's SDT
constexpr unsigned kIdleProbes = 10;
constexpr std::size_t kMostRunning = 100;
constexpr std::uint64_t kMostRead = 65536;  // of a body, at once
constexpr unsigned kMostSilentHops = 3;
constexpr double kMostPairs = 50;     // a second: together the draft's MPS of 100
constexpr double kProbeShare = 0.05;  // of the capacity, the draft's PTC
constexpr double kPairBytes = 6000;   // of a foreign and a self probe, as the draft estimates

double microseconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e3;
}

double sum_of(const std::deque<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void keep_last(std::deque<double>& values, double value) {
  values.push_back(value);
  if (values.size() > kIntervals) values.pop_front();
}

// Of a handshake from scratch.
int round_trips_of(const TlsFacts& tls) {
  return tls.version == "TLSv1.3" || tls.resumed.value_or(false) ? 1 : 2;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

ProbeRequest echo_request(const Address& address) {
  ProbeRequest request{.pinned = address, .limits = {.response = std::chrono::seconds(1)}};
  request.target.scheme = Scheme::Icmp;
  request.target.text = request.target.host = to_text(address);
  request.socket.hops = 1;
  return request;
}

}  // namespace

std::optional<double> trimmed_mean(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::ranges::sort(values);
  const auto slowest =
      static_cast<std::size_t>(std::floor(kTrimmed * static_cast<double>(values.size())));
  values.resize(values.size() - slowest);
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

bool is_stable(const std::deque<double>& values) {
  if (values.size() < kIntervals) return false;
  const double mean = sum_of(values) / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
  return deviation < kTolerance * values.back();
}

Result<std::unique_ptr<Responsiveness>> Responsiveness::open(Loop& loop,
                                                             ResponsivenessSettings settings) {
  std::unique_ptr<Responsiveness> made(new Responsiveness(loop, std::move(settings)));
  made->foreign_ = TRY(Transfers::open(loop, {.connections_per_host = kMostRunning}));
  if (made->settings_.multiplexed)
    made->warm_ = TRY(Transfers::open(loop, {.connections = 1, .connections_per_host = 1}));
  return made;
}

Responsiveness::Responsiveness(Loop& loop, ResponsivenessSettings settings)
    : loop_(loop), settings_(std::move(settings)) {
  settings_.load.http.fresh = false;
  settings_.load.lean = true;
  settings_.probe.http.fresh = true;
  result_.multiplexed = settings_.multiplexed;
  result_.interval = settings_.interval;
  result_.address = to_text(settings_.address);
  if (!settings_.icmp) result_.without_first_hop = "no ICMP here";
}

Responsiveness::~Responsiveness() {
  if (timer_ >= 0) loop_.forget(timer_);
}

Result<> Responsiveness::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  began_ = kernel_now();
  if (settings_.queues) queues_ = settings_.queues();
  looked_at_ = began_;
  timer_ = TRY(loop_.every(kTick, [this] { return on_tick(); }));
  return {};
}

std::uint64_t Responsiveness::received_bytes() const {
  if (state_ == State::Done) return result_.bytes;
  std::uint64_t bytes = foreign_->received_bytes() + (warm_ ? warm_->received_bytes() : 0);
  for (const auto& connection : loads_) bytes += connection->received_bytes();
  return bytes;
}

Result<> Responsiveness::on_tick() {
  if (state_ == State::Done) return {};
  const Time now = kernel_now();
  if (std::string why = used_up(now); !why.empty()) {
    end(std::move(why));
    return {};
  }
  if (state_ == State::Idle) return on_idle(now);
  if (now >= probe_at_ && running_ < kMostRunning) {
    probe();
    probe_at_ = now + probe_every_;
  }
  if (now - looked_at_ >= settings_.interval) return look(now);
  return {};
}

std::string Responsiveness::used_up(Time now) const {
  if (bytes_used_up_)
    return fmt::format("its share of the budget, {}B, was used up",
                       short_count(static_cast<double>(settings_.bytes)));
  if (result_.failure) return "a connection that bore load failed";
  if (result_.requests >= settings_.requests)
    return fmt::format("its share of the budget, {} requests, was used up", settings_.requests);
  if (now - began_ >= settings_.duration)
    return fmt::format("its time, {}, was over", short_duration(settings_.duration));
  return {};
}

// One probe after the other.
Result<> Responsiveness::on_idle(Time now) {
  if (running_ != 0) return {};
  const bool long_enough = now - began_ > settings_.duration / 4;
  if (idle_probes_++ < kIdleProbes && !long_enough) {
    probe();
    return {};
  }
  look_at_host(now);
  state_ = State::Loaded;
  loaded_since_ = looked_at_ = now;
  recent_.emplace_back();
  warm_.reset();
  pace(now);
  return add_connection();
}

Result<> Responsiveness::look(Time now) {
  std::uint64_t received = 0;
  for (const auto& connection : loads_) received += connection->received_bytes();
  keep_last(goodput_, static_cast<double>(received - received_) / seconds(now - looked_at_));
  keep_last(averages_, sum_of(goodput_) / static_cast<double>(goodput_.size()));
  received_ = received;
  look_at_host(now);
  looked_at_ = now;
  recent_.emplace_back();
  if (recent_.size() > kIntervals + 1) recent_.pop_front();
  if (!result_.goodput_is_stable) {
    result_.goodput_is_stable = is_stable(averages_);
  } else if (const auto rpm = loaded().rpm()) {
    ++looks_;
    keep_last(rpm_, *rpm);
    if (is_stable(rpm_)) {
      end({});
      return {};
    }
  }
  pace(now);
  if (loads_.size() < settings_.most_connections) return add_connection();
  return {};
}

// Whoever ends connections must not be called by them: all of this comes from the timer.
void Responsiveness::end(std::string why) {
  result_ = result();
  result_.ended = std::move(why);
  state_ = State::Done;
  loads_.clear();
  warm_.reset();
  (void)loop_.set_interval(timer_, Nanos(0));
  std::exchange(on_end_, {})();
}

void Responsiveness::probe() {
  send_foreign();
  echo_first_hop();
  if (!settings_.multiplexed) return;
  if (state_ == State::Idle) return send_self(*warm_);
  std::vector<Transfers*> busy;
  for (const auto& connection : loads_)
    if (connection->received_bytes() != 0) busy.push_back(connection.get());
  if (!busy.empty())
    send_self(*busy[std::uniform_int_distribution<std::size_t>(0, busy.size() - 1)(random_)]);
}

bool Responsiveness::is_answered(const Attempt& attempt) {
  if (state_ == State::Done) return false;
  --running_;
  if (!attempt.failure) return true;
  FailureCount& failures = result_.probe_failures[attempt.failure->kind];
  if (failures.count++ == 0) failures.example = attempt.failure->detail;
  return false;
}

void Responsiveness::send_foreign() {
  ++running_;
  ++result_.requests;
  foreign_->start(settings_.probe, settings_.address, [this](const Transferred& transferred) {
    if (is_answered(transferred.attempt)) take_foreign(transferred.attempt);
  });
}

void Responsiveness::take_foreign(const Attempt& attempt) {
  const PhaseTimes& times = attempt.times;
  if (!times.connect || !times.ttfb || !times.transfer) return;
  Samples& to = samples();
  const auto by_kernel = attempt.kernel ? attempt.kernel->syn_rtt : std::nullopt;
  to.tcp_us.push_back(microseconds(by_kernel.value_or(*times.connect)));
  if (times.tls && attempt.tls)
    to.tls_us.push_back(microseconds(*times.tls) / round_trips_of(*attempt.tls));
  to.http_us.push_back(microseconds(*times.ttfb + *times.transfer));
}

void Responsiveness::send_self(Transfers& connection) {
  ++running_;
  ++result_.requests;
  ProbeRequest request = settings_.probe;
  request.http.fresh = false;
  request.lean = true;
  connection.start(request, settings_.address, [this](const Transferred& transferred) {
    const Attempt& attempt = transferred.attempt;
    if (!is_answered(attempt) || !attempt.reused) return;
    const PhaseTimes& times = attempt.times;
    if (times.ttfb && times.transfer)
      samples().self_us.push_back(microseconds(*times.ttfb + *times.transfer));
  });
}

void Responsiveness::echo_first_hop() {
  if (!settings_.icmp || echoing_ || silent_hops_ == kMostSilentHops) return;
  echoing_ = true;
  settings_.icmp->start(echo_request(settings_.address),
                        [this](const Attempt& attempt) { take_echo(attempt); });
}

void Responsiveness::take_echo(const Attempt& attempt) {
  echoing_ = false;
  if (!attempt.echo || !attempt.address) {
    ++silent_hops_;
    if (result_.first_hop.empty() && attempt.failure)
      result_.without_first_hop = attempt.failure->detail;
    return;
  }
  if (state_ == State::Done) return;
  silent_hops_ = 0;
  result_.first_hop = to_text(*attempt.address);
  result_.without_first_hop.clear();
  samples().first_hop_us.push_back(microseconds(*attempt.echo));
}

Result<> Responsiveness::add_connection() {
  loads_.push_back(TRY(Transfers::open(
      loop_, {.connections = 1, .connections_per_host = 1, .allows = [this](std::uint64_t) {
                // Each of the others may read once more before it is told.
                bytes_used_up_ |= received_bytes() + loads_.size() * kMostRead > settings_.bytes;
                return !bytes_used_up_;
              }})));
  load(*loads_.back());
  return {};
}

// One long answer after the other.
void Responsiveness::load(Transfers& connection) {
  if (result_.requests >= settings_.requests) return;
  ++result_.requests;
  ProbeRequest request = settings_.load;
  request.limits.total = settings_.duration + request.limits.response;
  request.limits.body_bytes = ~0ULL;
  connection.start(request, settings_.address, [this, &connection](const Transferred& transferred) {
    if (state_ == State::Done || result_.failure || bytes_used_up_) return;
    result_.failure = transferred.attempt.failure;
    if (!result_.failure) load(connection);
  });
}

void Responsiveness::look_at_host(Time now) {
  Samples& to = samples();
  for (const auto& connection : loads_)
    for (const SocketCounters& counters : connection->connections())
      if (counters.receive_rtt) to.load_rtt_us.push_back(microseconds(*counters.receive_rtt));
  if (!settings_.queues) return;
  const auto before = std::exchange(queues_, settings_.queues());
  double longest_us = 0;
  for (const DeviceQueue& queue : queues_) {
    const auto was = std::ranges::find(before, queue.device, &DeviceQueue::device);
    if (was == before.end() || queue.sent_bytes <= was->sent_bytes) continue;
    const double per_s =
        static_cast<double>(queue.sent_bytes - was->sent_bytes) / seconds(now - looked_at_);
    const double us = static_cast<double>(queue.backlog_bytes) / per_s * 1e6;
    if (us <= longest_us) continue;
    longest_us = us;
    result_.own_queue = queue.device;
  }
  to.own_queue_us.push_back(longest_us);
}

// As often as the budget and the draft allow, and no more than the path bears.
void Responsiveness::pace(Time now) {
  const double requests = settings_.multiplexed ? 2 : 1;
  const auto left =
      static_cast<double>(settings_.requests - std::min(result_.requests, settings_.requests));
  const Nanos time_left = std::max(began_ + settings_.duration - now, kTick);
  double per_s = std::min(kMostPairs, left / requests / seconds(time_left));
  if (!averages_.empty()) per_s = std::min(per_s, kProbeShare * averages_.back() / kPairBytes);
  per_s = std::max(per_s, 1 / seconds(settings_.interval));
  probe_every_ = std::max(kTick, Nanos(static_cast<std::int64_t>(1e9 / per_s)));
}

RoundTrips Responsiveness::round_trips(const Samples& samples) {
  return {.foreign = samples.http_us.size(),
          .self = samples.self_us.size(),
          .tcp_us = trimmed_mean(samples.tcp_us),
          .tls_us = trimmed_mean(samples.tls_us),
          .http_us = trimmed_mean(samples.http_us),
          .self_us = trimmed_mean(samples.self_us),
          .first_hop_us = trimmed_mean(samples.first_hop_us),
          .own_queue_us = trimmed_mean(samples.own_queue_us),
          .load_rtt_us = trimmed_mean(samples.load_rtt_us)};
}

// Of the last whole intervals; while they are few, of all there is.
RoundTrips Responsiveness::loaded() const {
  Samples all;
  const std::size_t whole = recent_.empty() ? 0 : recent_.size() - 1;
  const std::size_t count = whole >= kIntervals ? whole : recent_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Samples& one = recent_[i];
    append(all.tcp_us, one.tcp_us);
    append(all.tls_us, one.tls_us);
    append(all.http_us, one.http_us);
    append(all.self_us, one.self_us);
    append(all.first_hop_us, one.first_hop_us);
    append(all.own_queue_us, one.own_queue_us);
    append(all.load_rtt_us, one.load_rtt_us);
  }
  return round_trips(all);
}

ResponsivenessResult Responsiveness::result() const {
  if (state_ == State::Done) return result_;
  ResponsivenessResult result = result_;
  result.idle = round_trips(idle_);
  result.loaded = loaded();
  result.connections = loads_.size();
  result.bytes = received_bytes();
  if (state_ == State::Loaded) result.spent = kernel_now() - loaded_since_;
  if (!averages_.empty()) result.goodput_mbps = averages_.back() * 8 / 1e6;
  if (!result.loaded.rpm()) return result;
  result.confidence = is_stable(rpm_)        ? Confidence::High
                      : looks_ >= kIntervals ? Confidence::Medium
                                             : Confidence::Low;
  return result;
}

}  // namespace netsonde
