// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "user/model/filter.h"
#include "user/model/snapshot.h"

namespace netsonde {

// A recovery or a loss episode: what the round trip was like when it began.
struct Episode {
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;  // 0: goes on
  std::uint32_t srtt_us = 0;
  std::uint32_t rttvar_us = 0;
  std::uint32_t min_rtt_us = 0;
  bool timeout = false;  // loss state, after an RTO
  bool undone = false;
};

// One call that retransmitted.
struct Resend {
  std::uint64_t time_ns = 0;
  std::uint32_t sequence = 0;
  std::uint32_t bytes = 0;
  std::uint32_t segments = 0;
  std::uint8_t kind = 0;      // enum ev_retransmit_kind
  bool dropped_here = false;  // we saw this host drop the packet before
};

// Packets of one connection that this host dropped in one place.
struct Dropped {
  std::uint32_t reason = 0;
  std::uint64_t location = 0;
  bool incoming = false;
  std::uint32_t packets = 0;
};

// How RTT samples are spread, as far as delayed acknowledgements are concerned.
struct RttShape {
  std::uint32_t samples = 0;
  std::uint32_t fast = 0;     // below 10 ms
  std::uint32_t delayed = 0;  // 36 to 60 ms: what a delayed acknowledgement takes (40 ms) and some
  std::uint64_t delayed_us = 0;  // of these together
};

// What stands in a queue, and how long it has: between two looks it stays as it is.
struct Standing {
  std::uint32_t bytes = 0;
  Time since{};
  double before = 0;  // bytes times milliseconds that they stood, until then

  double byte_ms(Time until) const { return before + bytes * (seconds(until - since) * 1000); }
  void become(std::uint32_t now, Time time) {
    time = std::max(time, since);
    *this = {.bytes = now, .since = time, .before = byte_ms(time)};
  }
};

// One socket in the time observed: the counters where it begins, and what ticks and events showed.
struct Watched {
  ev_sample base{};            // all zero when it was opened meanwhile
  ev_sample last{};            // the newest
  bool opened = false;         // meanwhile
  bool closed = false;         // meanwhile
  std::uint64_t first_ns = 0;  // when it was first active

  std::uint32_t ticks = 0;  // in which something happened
  // Of the time with data on its way for which the kernel blames neither window nor buffer: what
  // stopped the sender at the end of each interval.
  std::uint64_t busy_accounted_ms = 0;
  std::uint64_t busy_by_cwnd_ms = 0;
  std::uint64_t busy_by_window_ms = 0;
  std::uint64_t busy_by_buffer_ms = 0;
  std::uint32_t ticks_unread = 0;  // that ended with bytes nobody had read
  std::uint64_t unread_sum = 0;    // of those bytes over all ticks
  Standing unread;                 // the same bytes, over the time observed
  // That ended with the peer's window closed and data waiting, with too small a window of our own
  // for a segment; of what did nothing at all the state that it was in.
  std::uint32_t ticks_peer_shut = 0;
  std::uint32_t ticks_own_shut = 0;
  std::uint32_t ticks_nagled = 0;   // that ended with a small rest held back by Nagle's algorithm
  std::uint32_t ticks_bulk = 0;     // that ended with at least four segments in flight
  std::uint32_t least_srtt_us = 0;  // of those ticks
  std::uint64_t pause_ms = 0;       // the longest one without sending that ended meanwhile
  // Before the newest data, of which nothing has been acknowledged; 0: there was none.
  std::uint64_t unanswered_pause_ms = 0;
  std::uint32_t restarts = 0;  // pauses after which the window was smaller without a loss
  std::uint32_t cwnd_before = 0, cwnd_after = 0;  // of the newest restart

  std::vector<Episode> episodes;
  std::vector<Resend> resends;
  std::uint32_t resends_not_kept = 0;
  std::vector<Dropped> drops;  // harmful ones
  RttShape rtt;                // of the samples taken meanwhile
  bool touched = false;        // since the last tick

  bool is_listener() const { return last.conn.direction == EV_LISTENER; }
  // How much a counter grew in the time observed; it may wrap.
  template <typename Number>
  Number grew(Number ev_sample::*counter) const {
    return last.*counter - base.*counter;
  }
  // Held back by the peer's window, by the send buffer: as the kernel counts it, which misses some;
  // what the looks found counts where it is most of the time.
  std::uint64_t window_limited_ms() const {
    return grew(&ev_sample::rwnd_limited_ms) + mostly(busy_by_window_ms);
  }
  std::uint64_t buffer_limited_ms() const {
    return grew(&ev_sample::sndbuf_limited_ms) + mostly(busy_by_buffer_ms);
  }
  std::uint64_t mostly(std::uint64_t ms) const { return 2 * ms >= sending_ms() ? ms : 0; }
  // With data on its way or held back, in milliseconds.
  std::uint64_t sending_ms() const {
    return std::uint64_t{grew(&ev_sample::busy_ms)} + grew(&ev_sample::rwnd_limited_ms) +
           grew(&ev_sample::sndbuf_limited_ms);
  }
};

// What the rules look at: everything that was active between two times, read-only.
struct Observation {
  Time from{}, to{};
  const Snapshot& now;
  std::vector<const Watched*> connections{};  // also those that closed
  std::vector<const Watched*> listeners{};
  const HostCounters* host = nullptr;  // what was counted meanwhile; nullptr: it was not read
  std::uint64_t lost = 0;              // events lost meanwhile
  std::size_t not_watched = 0;         // were active too, beyond the limit of the observer
  std::vector<Watched> at_rest{};      // did nothing, but something waits in a queue of theirs

  Nanos span() const { return to - from; }
};

// Gathers an observation from the stream of events. A connection that stays idle costs nothing.
class Observer : public Sink {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  // most: how many sockets it watches, at more than a kilobyte each; others are only counted.
  explicit Observer(Time from, std::size_t most = kNoLimit) : from_(from), most_(most) {}
  // Begins anew: what follows is compared with what the store holds now, and with the host's
  // counters as they were read last.
  void begin(Time now, const Store& store);

  void before_event(const Event& event, const Store& store) override;
  Result<> on_event(const Event& event, const Store& store) override;
  Result<> on_host(Time now, std::span<const HostValue> values) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;

  Time from() const { return from_; }
  // Of the connections and listeners that the filter accepts. Valid as long as the snapshot and
  // until the next event.
  Observation observe(const Snapshot& snapshot, const Filter& filter);

 private:
  void on(const ev_sample& sample);
  void on(const ev_retransmit& event);
  void on(const ev_congestion_state& event);
  void on(const ev_drop& event, const Store& store);
  void note_drop(const ev_drop& event, std::uint64_t cookie);
  void on(const ev_histogram& event);
  void note_queues(const ev_sample& sample);
  void watch_queues(const Snapshot& snapshot, Observation& observation);
  void select(Observation& observation, const Filter& filter) const;
  void begin_watching(const Event& event, const ev_conn& conn, const Store& store);
  Watched* find(std::uint64_t cookie);

  struct Lost {
    std::uint32_t sequence, length;
  };

  Time from_{};
  std::size_t most_;
  Time last_tick_{};
  HostCounters host_;
  std::uint64_t lost_before_ = 0;
  std::unordered_map<std::uint64_t, Watched> watched_;
  std::unordered_map<std::uint64_t, std::vector<Lost>> dropped_;  // on their way out
  struct Shapes {
    RttShape first, last;
    bool fresh = false;  // told of since the begin; else it may be that nobody asked for it
  };
  std::unordered_map<std::uint64_t, Shapes> shapes_;
  std::vector<std::uint64_t> touched_;             // cookies, since the last tick
  std::unordered_set<std::uint64_t> waiting_;      // cookies: something is in a queue of theirs
  std::unordered_set<std::uint64_t> not_watched_;  // cookies
};

}  // namespace netsonde
