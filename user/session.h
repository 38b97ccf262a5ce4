// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "user/base/loop.h"
#include "user/capture/live.h"
#include "user/model/filter.h"
#include "user/model/snapshot.h"
#include "user/model/store.h"
#include "user/sinks/tui/tui.h"

namespace netsonde {

struct SessionSettings {
  std::uint32_t ring_bytes = 4 << 20;
  Nanos interval = std::chrono::seconds(1);  // between two passes over all sockets
  bool opens = false;                        // connect, accept, ... as events
  bool symbols_first = false;                // read the kernel's before anything is timed
  bool sample_connections = true;            // else the passes visit listeners alone
  bool measure_cost = false;                 // of our BPF programs, a tenth of a second in ten
  Nanos read_host_every{0};                  // the host's own counters, on a tick; 0: never
  std::optional<Nanos> duration{};           // stop by itself
  std::size_t closed_limit = 512;            // closed connections kept for the sinks
  const Filter* deep = nullptr;  // connections to look at at every ACK; outlives the session
};

// Wires one source to the store and the store to its sinks, on one loop: every interval a pass
// drains the ring, reads all sockets and gives the sinks a snapshot.
class Session {
 public:
  // What the filter leaves to the kernel is pushed down to it.
  static Result<Session> open(const SessionSettings& settings, const Filter& filter);

  void add_sink(Sink& sink);  // outlives the session
  // Called after each drain, of which there are then twenty a second; else the ring is drained by
  // the passes and when the kernel asks for it.
  void after_drain(std::function<Result<>()> function);
  // Called when everything is being watched, before the first interval; may ask for more.
  void when_started(std::function<Result<>()> function);
  // Calls back when the descriptor can be read.
  Result<> watch(int fd, std::function<Result<>()> function);
  // For whoever has more to do on it; outlived by the session.
  Loop& loop();
  // Hands over what waits now.
  Result<> drain();
  // The terminal view becomes a sink, and the keyboard an input.
  Result<> show(TuiSettings settings);

  // Until stop(), a signal, or the duration. What had happened by then is handed over before it
  // returns.
  Result<> run();
  // The same with so many snapshots (0: no limit). The first pass is only what rates are counted
  // from.
  Result<> run_ticks(std::uint64_t ticks);
  void stop();
  // Between two passes, from now on.
  Result<> set_interval(Nanos interval);

  Live& live();
  const Store& store() const;
  // As of the last tick; its host() is null where the host is not read.
  Snapshot snapshot() const;
  std::uint64_t host_values_unreadable() const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);

 public:
  Session(Session&&) noexcept;
  ~Session();

 private:
  std::unique_ptr<State> state_;
};

}  // namespace netsonde
