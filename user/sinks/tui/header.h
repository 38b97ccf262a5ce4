// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "user/model/snapshot.h"
#include "user/sinks/tui/screen.h"
#include "user/sinks/tui/tui.h"
#include "user/sinks/tui/verdict.h"

namespace netsonde {

// Where in time the view stands.
struct Moment {
  Nanos interval{};  // asked for
  bool frozen = false;
  Nanos behind{};        // frozen: how long ago
  std::size_t tick = 0;  // frozen: which of the ticks of the history, from 1
  std::size_t ticks = 0;
  std::string recording{};  // its name; empty: the host is watched
  PlayState play{};
};

// The top of the screen: is TCP healthy, who is worst, and what netsonde itself costs and misses.
class Header {
 public:
  // Once per live tick.
  void add(const Snapshot& snapshot);

  int height(const Screen& screen, const Snapshot& snapshot) const;
  void draw(Screen& screen, const Snapshot& snapshot, const TuiVerdict& verdict,
            const Moment& moment) const;
  // Only its first line: who, when, at what cost.
  void draw_title(Screen& screen, const Snapshot& snapshot, const Moment& moment) const;

 private:
  struct Point {
    Time time;
    Totals totals;
    double cpu_percent = 0;  // of one CPU; NaN: not known
  };

  // The series up to a time, so that a frozen view does not know the future.
  std::vector<double> series(double (*get)(const Totals&), Time until, std::size_t capacity) const;
  const Point* point_at(Time time) const;
  static void draw_recording_title(Screen& screen, const Snapshot& snapshot, const Moment& moment);
  static int draw_verdict(Screen& screen, int y, const TuiVerdict& verdict);
  void draw_gauges(Screen& screen, const Snapshot& snapshot, int y, int rows) const;

  std::deque<Point> points_;
  std::uint64_t dropped_ = 0;  // points that were there before points_[0]
  std::uint64_t cpu_ns_ = 0;
};

// "13:16:02 UTC", in the time zone of whoever looks.
std::string clock_text(std::int64_t realtime_ns, bool with_millis = false);

}  // namespace netsonde
