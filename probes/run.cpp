// SPDX-License-Identifier: Apache-2.0
#include "probes/run.h"

#include <fmt/format.h>

#include <utility>

namespace netsonde {

namespace {

// What a request does wrong says nothing of the target's health.
bool is_unwell(const Attempt& attempt) {
  if (!attempt.failure) return false;
  return attempt.failure->kind != FailureKind::HttpStatus || attempt.http->status >= 500;
}

Attempt left_alone(const ProbeRequest& request, Time now, std::optional<Time> until) {
  Attempt attempt;
  attempt.began = now;
  attempt.target = request.target.text;
  attempt.address = request.pinned;
  attempt.port = request.target.port;
  attempt.failure =
      Failure{.phase = ProbePhase::Connect,
              .kind = FailureKind::CircuitOpen,
              .detail = until ? fmt::format("failed too often; not tried for another {}",
                                            short_duration(std::max(*until - now, Nanos(0))))
                              : "failed too often; a trial is under way"};
  return attempt;
}

}  // namespace

Result<std::unique_ptr<ProbeRun>> ProbeRun::open(Loop& loop, ProberOf prober_of,
                                                 ProbeRunSettings settings) {
  std::unique_ptr<ProbeRun> run(new ProbeRun(loop, std::move(prober_of), std::move(settings)));
  run->timer_ = TRY(loop.every(Nanos(0), [self = run.get()]() -> Result<> {
    self->fill();
    return {};
  }));
  return run;
}

ProbeRun::~ProbeRun() {
  if (timer_ >= 0) loop_.forget(timer_);
}

void ProbeRun::start(OnAttempt on_attempt, std::function<void()> on_end) {
  on_attempt_ = std::move(on_attempt);
  on_end_ = std::move(on_end);
  courses_.assign(settings_.requests.size(), Course{.breaker = Breaker(settings_.breaker)});
  left_ = courses_.size();
  const Time now = kernel_now();
  for (std::size_t i = 0; i < courses_.size(); ++i) {
    courses_[i].round_began = now;
    due_.push_back(i);
  }
  if (left_ == 0) return on_end_();
  fill();
}

// A prober may call back within its start(): the round here goes on.
void ProbeRun::fill() {
  refill_ = true;
  if (std::exchange(filling_, true)) return;
  while (std::exchange(refill_, false)) {
    const Time now = kernel_now();
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      due_.push_back(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
    }
    // Who waits for a host that is busy does not keep others from theirs.
    for (std::size_t looks = due_.size(); looks > 0 && running_ < settings_.parallel; --looks) {
      const std::size_t index = due_.front();
      due_.pop_front();
      if (hosts_[settings_.requests[index].target.host] >= settings_.per_host)
        due_.push_back(index);
      else
        begin(index);
    }
  }
  filling_ = false;
  const Nanos wait =
      waiting_.empty() ? Nanos(0) : std::max(waiting_.begin()->first - kernel_now(), Nanos(1));
  (void)loop_.set_interval(timer_, wait);
}

void ProbeRun::begin(std::size_t index) {
  const ProbeRequest& request = settings_.requests[index];
  Course& course = courses_[index];
  const Time now = kernel_now();
  if (course.attempt == 1) {
    course.round_began = now;
    course.budget.note_first_attempt();
  }
  ++running_;
  ++hosts_[request.target.host];
  if (!course.breaker.allows(now))
    return take(index, left_alone(request, now, course.breaker.opens_again_at()));
  prober_of_(request.target.scheme).start(request, [this, index](Attempt attempt) {
    take(index, std::move(attempt));
  });
}

void ProbeRun::take(std::size_t index, Attempt attempt) {
  const ProbeRequest& request = settings_.requests[index];
  Course& course = courses_[index];
  const Time now = kernel_now();
  --running_;
  --hosts_[request.target.host];
  attempt.round = course.round;
  attempt.attempt = course.attempt;
  const bool tried = !attempt.failure || attempt.failure->kind != FailureKind::CircuitOpen;
  if (tried) course.breaker.note(!is_unwell(attempt), now);
  const auto wait = tried ? wait_to_retry(course, request, attempt) : std::nullopt;
  attempt.retried = wait.has_value();
  on_attempt_(request, attempt);
  if (!wait) return next_round(index);
  ++course.attempt;
  waiting_.emplace(now + *wait, index);
  fill();
}

// Absent: it is not tried again. Else a retry is taken from its budget.
std::optional<Nanos> ProbeRun::wait_to_retry(Course& course, const ProbeRequest& request,
                                             const Attempt& attempt) {
  if (course.attempt > settings_.retries || !may_retry(attempt, request.http.method)) return {};
  const auto asked_for = attempt.http ? attempt.http->retry_after_s : std::nullopt;
  const double random = std::uniform_real_distribution<double>(0, 1)(random_);
  auto wait = wait_before_retry(settings_.backoff, course.attempt, asked_for, random);
  if (wait && !course.budget.take_retry()) wait.reset();
  return wait;
}

void ProbeRun::next_round(std::size_t index) {
  Course& course = courses_[index];
  course.attempt = 1;
  if (settings_.rounds != 0 && course.round == settings_.rounds) {
    if (--left_ == 0) return on_end_();
    return fill();
  }
  ++course.round;
  waiting_.emplace(std::max(course.round_began + settings_.interval, kernel_now()), index);
  fill();
}

}  // namespace netsonde
