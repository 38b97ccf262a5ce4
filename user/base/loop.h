// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/base/units.h"

struct epoll_event;

namespace netsonde {

// The one epoll loop. Handlers run on the calling thread, one after the other; an error that a
// handler returns ends run() with that error.
class Loop {
 public:
  using Handler = std::function<Result<>()>;

  static Result<Loop> open();

  // Calls back whenever fd is readable (events: EPOLLIN by default), until forget(fd).
  Result<> watch(int fd, Handler handler, std::uint32_t events = 1 /* EPOLLIN */);
  // A descriptor or a timer.
  void forget(int id);

  // Calls back every interval (0: not now) until forget(); missed ticks are not made up for.
  // Returns the timer, which is no descriptor.
  Result<int> every(Nanos interval, Handler handler);
  // From now on.
  Result<> set_interval(int timer, Nanos interval);
  // Calls back once after the delay.
  Result<> after(Nanos delay, Handler handler);

  // From then on SIGINT, SIGTERM, SIGHUP and SIGQUIT (and SIGWINCH, with its handler) are events of
  // the loop. One that comes more than a second after the first ends the process at once.
  Result<> take_signals(Handler on_stop, Handler on_resize = {});

  // Runs until stop() is called.
  Result<> run();
  void stop() { running_ = false; }

 private:
  struct Watched {
    Handler handler;
    UniqueFd owned;  // of signals; others stay with their owner
  };
  struct Timer {
    Handler handler;
    Time due{};
    Nanos interval{};  // 0: once, or not now
  };
  using Due = std::set<std::pair<Time, int>>;

  int add_timer(Nanos first, Nanos interval, Handler handler);
  void set_due(int timer, Nanos delay);
  Result<int> wait(std::span<epoll_event> ready) const;
  Result<> call_due();

  UniqueFd epoll_;
  UniqueFd signal_writer_;
  std::map<int, std::unique_ptr<Watched>> watched_;
  std::map<int, std::unique_ptr<Timer>> timers_;
  Due due_;
  int last_timer_ = 0;
  // Kept until no handler of theirs can be running.
  std::vector<std::unique_ptr<Watched>> forgotten_;
  std::vector<std::unique_ptr<Timer>> forgotten_timers_;
  bool running_ = false;
};

// What a signal that ends the process at once does before: only what is safe in its handler.
void set_last_act(void (*act)());

// Now, on the clock that events carry.
Time kernel_now();
// What to add to a Time to get nanoseconds since the epoch, UTC.
std::int64_t realtime_offset_ns();

}  // namespace netsonde
