// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "user/model/connection.h"
#include "user/model/names.h"

namespace netsonde {

inline constexpr std::size_t kTcpStates = 13;

// The host in one interval. Counts are of the interval, rates per second.
struct Totals {
  std::array<std::uint32_t, kTcpStates> by_state{};  // live sockets, by the kernel's number
  std::uint32_t connections = 0;                     // live, listeners not counted
  std::uint32_t listeners = 0;
  double tx_rate = 0, rx_rate = 0;  // payload bytes
  double busy = 0;                  // connections that had data on their way, on average
  double segments_out_rate = 0, segments_in_rate = 0;
  double retransmit_rate = 0;                    // segments
  std::optional<double> retransmit_percent;      // of segments sent; nothing was sent: absent
  std::optional<double> rtt_p50_us, rtt_p99_us;  // of srtt over connections active in the interval
  double opened_rate = 0, closed_rate = 0;       // attempts are opened, too
  double connected_rate = 0;                     // handshakes that ended well
  double drop_rate = 0;                          // harmful, packets of every protocol
  double benign_drop_rate = 0;
  double resets_sent_rate = 0, resets_received_rate = 0;
  double listen_overflow_rate = 0;
  std::uint32_t closed_not_kept = 0;  // closed in the interval, beyond the limit of those kept
  std::uint64_t vanished =
      0;  // rows removed because a complete pass no longer met them, since start
};

// How often a kind of drop happened since the start.
struct DropCount {
  ev_drop_key key{};
  std::uint64_t count = 0;
  bool harmful = false;
};

struct StoreSettings {
  std::size_t linger_limit = 512;  // closed connections kept, newest first
  Nanos linger = std::chrono::seconds(10);
  std::int64_t realtime_offset_ns = 0;  // until the first tick tells it
};

// The only mutable model: fed with events in the order of their arrival, read through snapshots.
// Knows no clock but that of the events, so the same events give the same state.
class Store {
 public:
  using Settings = StoreSettings;

  explicit Store(const Names* names, Settings settings = Settings())
      : names_(names), settings_(settings) {
    tick_.realtime_offset_ns = settings.realtime_offset_ns;
  }

  void apply(const Event& event);

  // Beside connections(), closed(), drops() and tick() all that the store knows right after a tick.
  struct Rest {
    Nanos interval{0};
    std::uint64_t last_pass_ns = 0;
    std::uint64_t last_complete_ns = 0;
    std::uint64_t vanished = 0;
  };
  Rest rest() const { return {interval_, last_pass_ns_, last_complete_ns_, totals_.vanished}; }
  // Of connections that did something in the interval before.
  const std::vector<std::uint64_t>& active() const { return touched_last_; }
  // Makes a new store what another one was right after a tick, totals apart: they come with the
  // next one.
  void restore(const ev_tick& tick, const Rest& rest);
  void restore(const Connection& connection, bool active);
  void restore(const ev_drop_count& count);

  // What followed from the events since the last call: listen overflows.
  std::vector<Event> take_derived();

  const std::unordered_map<std::uint64_t, Connection>& connections() const { return connections_; }
  // Newest last.
  const std::deque<Connection>& closed() const { return closed_; }
  const Connection* find(std::uint64_t cookie) const;
  // The live connection with these addresses, either way round; for packets that carry no socket.
  const Connection* find(const ev_conn& packet) const;

  const Totals& totals() const { return totals_; }
  const ev_tick& tick() const { return tick_; }  // the newest
  Nanos interval() const { return interval_; }   // between the two newest ticks
  std::uint64_t lost() const;                    // events of every cause
  std::vector<DropCount> drops() const;          // most frequent first
  const Names& names() const { return *names_; }

 private:
  void on(const ev_open& open);
  void on(const ev_sample& sample);
  void on(const ev_reset& reset);
  void on(const ev_histogram& histogram);
  void on(const ev_tick& tick);
  void on(const ev_drop_count& count);
  void on(const ev_drop&) {}
  void on(const ev_retransmit& event) { remember(event.conn); }
  void on(const ev_congestion_state& event) { remember(event.conn); }
  void on(const ev_rtt& event) { remember(event.conn); }
  void on(const ev_listen_overflow&) {}

  void remember(const ev_conn& conn);
  Connection& row_of(const ev_conn& conn);
  void take_early_rtt(Connection& connection, std::uint64_t cookie);
  bool is_late(const ev_sample& sample) const;
  const Connection* find_by_addresses(const ev_conn& packet) const;
  void begin(Connection& connection, const ev_sample& sample);
  void count_connected(const Connection& connection, const ev_sample& sample);
  void close(const ev_sample& sample);
  void check_overflow(Connection& connection, const ev_sample& sample);
  void account(Connection& connection);
  void account_all();
  void forget_vanished();
  void forget_closed();
  void finish_totals(double span);

  const Names* names_;
  Settings settings_;
  std::unordered_map<std::uint64_t, Connection> connections_;
  std::deque<Connection> closed_;
  std::vector<std::uint64_t> touched_;       // cookies: sampled since the last tick
  std::vector<std::uint64_t> touched_last_;  // between the two ticks before
  std::map<std::tuple<std::uint32_t, std::uint64_t, std::uint32_t, std::uint16_t>, DropCount>
      drops_;
  std::vector<Event> derived_;
  // Histograms that came before the first sample of their connection.
  std::unordered_map<std::uint64_t, RttQuantiles> early_rtts_;
  // Cookies of live connections by a hash of their addresses; made when a packet first asks.
  mutable std::unordered_multimap<std::uint64_t, std::uint64_t> by_addresses_;
  mutable bool addresses_known_ = false;

  struct Sums {  // of the interval that runs
    std::uint64_t tx = 0, rx = 0, busy_ms = 0, segs_out = 0, segs_in = 0, retransmitted = 0;
    std::uint64_t opened = 0, connected = 0, closed = 0, resets_sent = 0, resets_received = 0,
                  overflows = 0;
    std::uint64_t harmful = 0, benign = 0;
    std::uint32_t closed_not_kept = 0;
    std::vector<std::uint32_t> srtts;
  } sums_;
  void add(const Connection& connection);

  Totals totals_;
  ev_tick tick_{};
  Nanos interval_{0};
  std::uint64_t last_pass_ns_ = 0;  // when it began
  std::uint64_t last_complete_ns_ = 0;
};

}  // namespace netsonde
