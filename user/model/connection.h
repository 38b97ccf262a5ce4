// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

#include "user/model/event.h"
#include "user/model/histogram.h"

namespace netsonde {

// What holds a sender back, by the time it spent so in the last interval.
enum class Limit : std::uint8_t { None, Application, ReceiveWindow, SendBuffer, CongestionWindow };
inline constexpr std::array kLimits = {Limit::None, Limit::Application, Limit::ReceiveWindow,
                                       Limit::SendBuffer, Limit::CongestionWindow};
std::string_view limit_name(Limit limit);
// As the kernel's own tools abbreviate it: "app", "rwnd", "sndbuf", "cwnd", "none".
std::string_view short_limit_name(Limit limit);

inline constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

// One socket: a connection or a listener. Counters are since it began, rates over the last
// interval.
struct Connection {
  // What every tick reads of every row comes first: most rows are at rest and in no cache.

  // Per second; kUnknown until two ticks have seen the connection.
  float tx_rate = kUnknown;
  float rx_rate = kUnknown;
  float retransmit_rate = kUnknown;  // segments
  float drop_rate = kUnknown;        // harmful drops; of a listener: connection attempts
  Limit limit = Limit::None;
  bool limit_known = false;
  bool sampled = false;         // last holds counters, not only an identity
  bool touched = false;         // sampled since the last tick
  std::uint64_t closed_ns = 0;  // 0: alive

  ev_sample last{};  // identity and the newest counters

  RttQuantiles rtt;

  // The counters at the last tick, to take differences from.
  struct Base {
    std::uint64_t tx = 0, rx = 0;
    std::uint32_t segs_out = 0, segs_in = 0, retransmitted = 0, sk_drops = 0, drops = 0;
    std::uint32_t busy_ms = 0, rwnd_ms = 0, sndbuf_ms = 0;
    std::uint64_t time_ns = 0;
    bool known = false;
    bool at_rest = false;  // nothing happened since; differences are to the last tick
  } base;
  std::uint64_t sampled_ns = 0;  // when the pass last met it

  void take(const ev_sample& sample);
  // Over the interval since the base, or since the last tick (its time) when nothing happened in
  // the one before.
  void set_rates(std::uint64_t last_tick_ns);
  void begin_interval();
  // Without a new sample nothing happened.
  void come_to_rest();

  bool is_listener() const { return last.conn.direction == EV_LISTENER; }
  bool is_closed() const { return closed_ns != 0; }
};

}  // namespace netsonde
