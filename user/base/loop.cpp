// SPDX-License-Identifier: Apache-2.0
#include "user/base/loop.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <limits>

namespace netsonde {

namespace {

constexpr int kFirstTimer = 1 << 30;  // beyond any descriptor

timespec to_timespec(Nanos span) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(span);
  return {.tv_sec = whole.count(), .tv_nsec = (span - whole).count()};
}

std::int64_t clock_ns(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Where the handler writes; one loop at a time takes signals.
int signal_writer = -1;
std::atomic<std::int64_t> stopping_since = 0;  // 0: not yet
static_assert(std::atomic<std::int64_t>::is_always_lock_free);
std::atomic<void (*)()> last_act = nullptr;
static_assert(std::atomic<void (*)()>::is_always_lock_free);

// Nobody may be reading our output, which blocks the loop: who insists after a second ends us.
void on_signal(int number) {
  const int saved = errno;
  if (number != SIGWINCH) {
    const std::int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (stopping_since && now - stopping_since > 1'000'000'000) {
      if (const auto act = last_act.load()) act();
      _exit(128 + number);
    }
    if (!stopping_since) stopping_since = now;
  }
  const auto byte = static_cast<unsigned char>(number);
  (void)!write(signal_writer, &byte, 1);
  errno = saved;
}

}  // namespace

Time kernel_now() {
  return Time(Nanos(clock_ns(CLOCK_MONOTONIC)));
}

std::int64_t realtime_offset_ns() {
  return clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
}

void set_last_act(void (*act)()) {
  last_act = act;
}

Result<Loop> Loop::open() {
  Loop loop;
  loop.epoll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  if (!loop.epoll_) return Error::from_errno("create event loop");
  prctl(PR_SET_TIMERSLACK, 1);  // else the kernel makes timers 50 us late
  return loop;
}

Result<> Loop::watch(int fd, Handler handler, std::uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  const int operation = watched_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll_.get(), operation, fd, &event)) return Error::from_errno("watch descriptor");
  std::unique_ptr<Watched>& watched = watched_[fd];
  if (watched) forgotten_.push_back(std::move(watched));
  watched = std::make_unique<Watched>(Watched{.handler = std::move(handler), .owned = {}});
  return {};
}

void Loop::forget(int id) {
  if (const auto timer = timers_.find(id); timer != timers_.end()) {
    due_.erase({timer->second->due, id});
    forgotten_timers_.push_back(std::move(timer->second));
    timers_.erase(timer);
    return;
  }
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, id, nullptr);
  forgotten_.push_back(std::move(found->second));
  watched_.erase(found);
}

void Loop::set_due(int timer, Nanos delay) {
  Timer& set = *timers_.at(timer);
  due_.erase({set.due, timer});
  set.due = kernel_now() + delay;
  due_.insert({set.due, timer});
}

int Loop::add_timer(Nanos first, Nanos interval, Handler handler) {
  const int timer = kFirstTimer + last_timer_;
  last_timer_ = (last_timer_ + 1) % (std::numeric_limits<int>::max() - kFirstTimer);
  timers_[timer] = std::make_unique<Timer>(
      Timer{.handler = std::move(handler), .due = {}, .interval = interval});
  if (first > Nanos(0)) set_due(timer, first);
  return timer;
}

Result<int> Loop::every(Nanos interval, Handler handler) {
  return add_timer(interval, interval, std::move(handler));
}

Result<> Loop::set_interval(int timer, Nanos interval) {
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return Error("set timer: it is gone");
  found->second->interval = interval;
  if (interval > Nanos(0))
    set_due(timer, interval);
  else
    due_.erase({found->second->due, timer});
  return {};
}

Result<> Loop::after(Nanos delay, Handler handler) {
  add_timer(std::max(delay, Nanos(1)), Nanos(0), std::move(handler));
  return {};
}

Result<> Loop::take_signals(Handler on_stop, Handler on_resize) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK)) return Error::from_errno("take signals");
  UniqueFd reader(ends[0]);
  signal_writer_ = UniqueFd(ends[1]);
  signal_writer = ends[1];
  stopping_since = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  std::vector<int> numbers = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  if (on_resize) numbers.push_back(SIGWINCH);
  for (const int number : numbers)
    if (sigaction(number, &action, nullptr)) return Error::from_errno("take signals");
  const int fd = reader.get();
  TRY(watch(fd, [fd, on_stop = std::move(on_stop), on_resize = std::move(on_resize)]() -> Result<> {
    unsigned char number = 0;
    while (read(fd, &number, 1) == 1) TRY(number == SIGWINCH ? on_resize() : on_stop());
    return {};
  }));
  watched_[fd]->owned = std::move(reader);
  return {};
}

// Until the next timer at the latest.
Result<int> Loop::wait(std::span<epoll_event> ready) const {
  timespec left = {};
  if (!due_.empty()) left = to_timespec(std::max(due_.begin()->first - kernel_now(), Nanos(0)));
  const int count = epoll_pwait2(epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                                 due_.empty() ? nullptr : &left, nullptr);
  if (count < 0 && errno != EINTR) return Error::from_errno("wait for events");
  return count;
}

// What the handlers set is due in the next round, after the descriptors had their turn.
Result<> Loop::call_due() {
  if (due_.empty()) return {};
  const Time now = kernel_now();
  while (running_ && !due_.empty() && due_.begin()->first <= now) {
    const int id = due_.begin()->second;
    due_.erase(due_.begin());
    Timer& timer = *timers_.at(id);
    if (timer.interval > Nanos(0)) {
      timer.due += timer.interval * ((now - timer.due) / timer.interval + 1);
      due_.insert({timer.due, id});
    } else {
      forget(id);
    }
    TRY(timer.handler());
  }
  return {};
}

Result<> Loop::run() {
  running_ = true;
  std::array<epoll_event, 32> ready;
  while (running_) {
    const int count = TRY(wait(ready));
    for (int i = 0; i < count && running_; ++i) {
      const auto found = watched_.find(ready[i].data.fd);
      if (found == watched_.end()) continue;  // forgotten by an earlier handler of this round
      TRY(found->second->handler());
    }
    TRY(call_due());
    forgotten_.clear();
    forgotten_timers_.clear();
  }
  return {};
}

}  // namespace netsonde
