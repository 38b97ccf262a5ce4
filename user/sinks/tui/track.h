// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "user/model/history.h"
#include "user/sinks/tui/screen.h"

namespace netsonde {

// One connection over time: a point per tick, and what happened in between.
class Track {
 public:
  struct Point {
    Time time;
    double srtt_us, cwnd, tx_rate, rx_rate, retransmit_rate;  // NaN: not known
  };
  struct Happening {
    Time time;
    std::string what, details;  // not yet safe to print
    Style style = Style::Normal;
  };

  Track(std::uint64_t cookie, const Names& names) : cookie_(cookie), names_(names) {}

  std::uint64_t cookie() const { return cookie_; }
  // What the history knows of it.
  void load(const History& history);
  void on_event(const Event& event);

  const std::deque<Point>& points() const { return points_; }
  std::uint64_t first_point() const { return dropped_; }
  const std::deque<Happening>& happenings() const { return happenings_; }

 private:
  void on(const ev_open& open);
  void on(const ev_sample& sample);
  void on(const ev_retransmit& event);
  void on(const ev_reset& event);
  void on(const ev_drop& event);
  void on(const ev_congestion_state& event);
  void on(const ev_listen_overflow& event);
  template <typename Other>
  void on(const Other&) {}

  void on_tick(Time time);
  bool joins_burst(const ev_retransmit& event) const;
  void note_state(const ev_header& header, std::uint8_t state);
  void add(const ev_header& header, std::string what, std::string details,
           Style style = Style::Normal);

  std::uint64_t cookie_;
  const Names& names_;
  ev_sample last_{};     // the newest
  ev_sample at_tick_{};  // as it was at the tick before
  Time tick_;
  bool sampled_ = false, ticked_ = false, closed_ = false;
  std::uint8_t state_ = 0;  // 0: not known
  std::deque<Point> points_;
  std::uint64_t dropped_ = 0;
  std::deque<Happening> happenings_;
  ev_retransmit burst_{};  // the newest retransmissions, summed up
};

}  // namespace netsonde
