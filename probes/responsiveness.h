// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "probes/prober.h"
#include "probes/transfer.h"
#include "user/base/loop.h"
#include "user/model/test_results.h"

namespace netsonde {

// Responsiveness under working conditions, as draft-ietf-ippm-responsiveness has it: connections
// are added until the goodput no longer grows, and meanwhile small requests tell how long a round
// trip takes, on connections of their own ("foreign") and, with HTTP/2, on those that bear the load
// ("self"). Figures are of the last kIntervals intervals.

// The draft's MAD.
inline constexpr std::size_t kIntervals = 4;

// The mean of all but the slowest twentieth; absent without values.
std::optional<double> trimmed_mean(std::vector<double> values);
// Whether the last kIntervals values scatter by less than 5% of the last one.
bool is_stable(const std::deque<double>& values);

// What waits at a device of this host, and how many bytes it has sent so far.
struct DeviceQueue {
  std::string device{};
  std::uint64_t backlog_bytes = 0, sent_bytes = 0;
};

struct ResponsivenessSettings {
  ProbeRequest load{};   // with a long answer
  ProbeRequest probe{};  // with a short one
  Address address{};
  bool multiplexed = false;                   // HTTP/2
  std::uint64_t requests = 200;               // at most
  std::uint64_t bytes = 30'000'000;           // likewise
  Nanos duration = std::chrono::seconds(10);  // likewise
  Nanos interval = std::chrono::seconds(1);   // between two looks
  std::size_t most_connections = 16;          // that bear load
  // Without these the first hop and the own queues stay unknown.
  std::unique_ptr<Prober> icmp{};
  std::function<std::vector<DeviceQueue>()> queues{};
};

class Responsiveness {
 public:
  static Result<std::unique_ptr<Responsiveness>> open(Loop& loop, ResponsivenessSettings settings);
  Responsiveness(const Responsiveness&) = delete;
  Responsiveness& operator=(const Responsiveness&) = delete;
  ~Responsiveness();

  // Calls back once, later.
  Result<> start(std::function<void()> on_end);
  std::uint64_t requests() const { return result_.requests; }
  // Of bodies, by now.
  std::uint64_t received_bytes() const;
  // With the figures of what was measured by now.
  ResponsivenessResult result() const;

 private:
  // Of some time.
  struct Samples {
    std::vector<double> tcp_us{}, tls_us{}, http_us{}, self_us{};
    std::vector<double> first_hop_us{}, own_queue_us{}, load_rtt_us{};
  };
  enum class State : std::uint8_t { Idle, Loaded, Done };

  Responsiveness(Loop& loop, ResponsivenessSettings settings);

  Result<> on_tick();
  Result<> on_idle(Time now);
  Result<> look(Time now);
  // Why no more may be done; empty: it may.
  std::string used_up(Time now) const;
  void end(std::string why);

  void probe();
  void send_foreign();
  void send_self(Transfers& connection);
  void echo_first_hop();
  void take_foreign(const Attempt& attempt);
  void take_echo(const Attempt& attempt);
  bool is_answered(const Attempt& attempt);

  Result<> add_connection();
  void load(Transfers& connection);
  void look_at_host(Time now);
  void pace(Time now);

  Samples& samples() { return state_ == State::Idle ? idle_ : recent_.back(); }
  RoundTrips loaded() const;
  static RoundTrips round_trips(const Samples& samples);

  Loop& loop_;
  ResponsivenessSettings settings_;
  std::function<void()> on_end_;
  State state_ = State::Idle;
  int timer_ = -1;
  Time began_{}, loaded_since_{}, looked_at_{}, probe_at_{};
  Nanos probe_every_{};
  std::unique_ptr<Transfers> foreign_;
  std::unique_ptr<Transfers> warm_;                // of the self probes while idle
  std::vector<std::unique_ptr<Transfers>> loads_;  // with one connection each
  std::uint64_t received_ = 0;                     // at the last look, with load
  std::size_t running_ = 0;                        // probes
  unsigned idle_probes_ = 0, silent_hops_ = 0;
  bool echoing_ = false;
  Samples idle_;
  std::deque<Samples> recent_;  // of the last intervals, the running one behind them
  std::deque<double> goodput_, averages_, rpm_;  // bytes/s, the same averaged
  std::size_t looks_ = 0;                        // since the goodput was stable
  std::vector<DeviceQueue> queues_;              // at the last look
  ResponsivenessResult result_;
  bool bytes_used_up_ = false;
  std::mt19937_64 random_{std::random_device()()};
};

}  // namespace netsonde
