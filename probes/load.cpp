// SPDX-License-Identifier: Apache-2.0
#include "probes/load.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace netsonde {

namespace {

constexpr Nanos kLate = std::chrono::milliseconds(1);  // a timer of a busy loop is no lateness
constexpr double kSeparate = 1000;                     // a second, each at a time of its own

double microseconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e3;
}

bool is_timeout(FailureKind kind) {
  return kind == FailureKind::HttpTimeout || kind == FailureKind::ConnectTimeout ||
         kind == FailureKind::TlsTimeout;
}

}  // namespace

bool LoadTally::may_start(std::size_t in_flight) const {
  return result_.started < settings_.requests &&
         result_.wire_bytes + (in_flight + 1) * largest_ <= settings_.bytes;
}

Nanos LoadTally::at_most(Time now) const {
  const Nanos left = began_ + settings_.duration + settings_.grace - now;
  return std::clamp(left, Nanos(1), settings_.timeout);
}

void LoadTally::begin(Time now) {
  began_ = now;
}

void LoadTally::end_whole(Time now) {
  if (!whole_since_ || std::exchange(whole_ended_, true)) return;
  result_.whole = now - *whole_since_;
  if (answered_whole_ && result_.whole > Nanos(0))
    result_.per_second = static_cast<double>(answered_whole_) / seconds(result_.whole);
}

void LoadTally::note_start(bool opening) {
  ++result_.started;
  if (opening) ++result_.opening;
}

void LoadTally::note_start(Time intended, Time now) {
  ++result_.started;
  result_.lateness_us.add(microseconds(now - intended));
  if (now - intended > kLate) ++result_.late;
}

// It would have had more time if the load had not ended.
bool LoadTally::is_cut(const Attempt& attempt, Time now) const {
  return is_timeout(attempt.failure->kind) && now >= began_ + settings_.duration + settings_.grace;
}

bool LoadTally::take(const Attempt& attempt, Time intended, Time started, Time now, bool opening) {
  if (attempt.http) {
    result_.wire_bytes += attempt.http->wire_bytes;
    largest_ = std::max(largest_, attempt.http->wire_bytes);
  }
  if (attempt.failure) {
    if (is_cut(attempt, now)) {
      ++result_.unfinished;
      return false;
    }
    FailureCount& failures = result_.failures[attempt.failure->kind];
    if (failures.count++ == 0) failures.example = attempt.failure->detail;
    return true;
  }
  ++result_.answered;
  if (opening) return true;
  result_.latency_us.add(microseconds(now - intended));
  result_.service_us.add(microseconds(now - started));
  ++answered_whole_;
  return true;
}

ClosedLoad::~ClosedLoad() {
  if (timer_ >= 0) loop_.forget(timer_);
}

Result<> ClosedLoad::start(OnRequest on_request, std::function<void()> on_end) {
  on_request_ = std::move(on_request);
  on_end_ = std::move(on_end);
  // Connections that take longer than half of the time to open join the others later.
  timer_ = TRY(loop_.every(settings_.duration / 2, [this]() -> Result<> {
    if (!std::exchange(half_over_, true)) {
      if (state_ == State::Opening) run();
      return {};
    }
    end();
    return {};
  }));
  tally_.begin(kernel_now());
  if (settings_.opens)
    fill();
  else
    run();
  return {};
}

void ClosedLoad::run() {
  state_ = State::Running;
  tally_.begin_whole(kernel_now());
  fill();
}

void ClosedLoad::fill() {
  while (state_ != State::Ending && in_flight_ < settings_.concurrency) {
    const bool opening = state_ == State::Opening;
    if (opening && opened_ == settings_.concurrency) break;
    if (!tally_.may_start(in_flight_)) return end();
    send_one();
  }
  end_if_idle();
}

void ClosedLoad::send_one() {
  const bool opening = state_ == State::Opening;
  const Time now = kernel_now();
  ++in_flight_;
  if (opening) ++opened_;
  tally_.note_start(opening);
  send_(tally_.at_most(now),
        [this, now, opening](const Attempt& attempt) { take(attempt, now, opening); });
}

void ClosedLoad::take(const Attempt& attempt, Time started, bool opening) {
  const Time now = kernel_now();
  --in_flight_;
  if (tally_.take(attempt, started, started, now, opening)) on_request_(attempt, now - started);
  if (state_ == State::Opening && in_flight_ == 0 && opened_ == settings_.concurrency) {
    return nothing_works() ? end() : run();
  }
  fill();
}

// A server that answers, whatever, is worth a load.
bool ClosedLoad::nothing_works() const {
  const LoadResult& result = tally_.result();
  return result.answered == 0 && !result.failures.contains(FailureKind::HttpStatus);
}

void ClosedLoad::end() {
  state_ = State::Ending;
  tally_.end_whole(kernel_now());
  end_if_idle();
}

void ClosedLoad::end_if_idle() {
  if (state_ == State::Ending && in_flight_ == 0 && on_end_) std::exchange(on_end_, {})();
}

OpenSchedule::OpenSchedule(const LoadSettings& settings, Time begin)
    : per_second_(settings.per_second),
      most_in_flight_(settings.concurrency),
      total_(std::min(settings.requests, static_cast<std::uint64_t>(std::ceil(
                                             seconds(settings.duration) * settings.per_second)))),
      begin_(begin),
      end_(begin + settings.duration),
      tick_(per_second_ <= kSeparate ? Nanos(static_cast<std::int64_t>(1e9 / per_second_))
                                     : std::chrono::milliseconds(1)) {}

Time OpenSchedule::intended(std::uint64_t index) const {
  if (per_second_ <= kSeparate) return begin_ + tick_ * index;
  return begin_ +
         tick_ * static_cast<std::int64_t>(static_cast<double>(index) * kSeparate / per_second_);
}

std::optional<Time> OpenSchedule::take(Time now) {
  if (next_ == total_ || in_flight_ == most_in_flight_ || intended(next_) > now)
    return std::nullopt;
  ++in_flight_;
  return intended(next_++);
}

std::uint64_t OpenSchedule::waiting(Time now) const {
  std::uint64_t due = next_;
  while (due < total_ && intended(due) <= now) ++due;
  return due - next_;
}

OpenLoad::~OpenLoad() {
  if (timer_ >= 0) loop_.forget(timer_);
}

Result<> OpenLoad::start(OnRequest on_request, std::function<void()> on_end) {
  on_request_ = std::move(on_request);
  on_end_ = std::move(on_end);
  const Time now = kernel_now();
  schedule_.emplace(settings_, now);
  tally_.begin(now);
  tally_.begin_whole(now);
  // The loop's timer is set after that time: no tick comes before a request that is due.
  timer_ = TRY(loop_.every(schedule_->tick(), [this]() -> Result<> {
    pump();
    return {};
  }));
  pump();
  return {};
}

void OpenLoad::pump() {
  Time now = kernel_now();
  while (!closed_ && tally_.may_start(schedule_->in_flight())) {
    const auto intended = schedule_->take(now);
    if (!intended) break;
    begin_one(*intended, now);
    now = kernel_now();
  }
  if (!closed_ && (schedule_->is_over(now) || !tally_.may_start(schedule_->in_flight()))) {
    closed_ = true;
    tally_.note_not_started(schedule_->waiting(now));
    tally_.end_whole(now);
  }
  if (closed_ && schedule_->in_flight() == 0 && on_end_) std::exchange(on_end_, {})();
}

void OpenLoad::begin_one(Time intended, Time now) {
  tally_.note_start(intended, now);
  send_(tally_.at_most(now), [this, intended, now](const Attempt& attempt) {
    const Time ended = kernel_now();
    schedule_->note_end();
    if (tally_.take(attempt, intended, now, ended, false)) on_request_(attempt, ended - intended);
    pump();
  });
}

}  // namespace netsonde
