// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "user/model/host_counters.h"
#include "user/model/store.h"

namespace netsonde {

// One row of a view, and what its fields need besides it.
struct Row {
  const Connection& connection;
  const Names& names;
  Time now;
  std::int64_t realtime_offset_ns;
};

// The store at one tick, read-only. Valid until the store's next apply().
class Snapshot {
 public:
  // host: the host's own counters at the same time; nullptr where nobody reads them.
  explicit Snapshot(const Store& store, const HostCounters* host = nullptr)
      : store_(store), host_(host) {}

  Time time() const { return time_from_ns(store_.tick().header.time_ns); }
  std::int64_t realtime_ns() const {
    return static_cast<std::int64_t>(store_.tick().header.time_ns +
                                     static_cast<std::uint64_t>(store_.tick().realtime_offset_ns));
  }
  Nanos interval() const { return store_.interval(); }
  const Totals& totals() const { return store_.totals(); }
  const ev_tick& tick() const { return store_.tick(); }
  std::uint64_t lost() const { return store_.lost(); }
  const Names& names() const { return store_.names(); }
  const Store& store() const { return store_; }
  const HostCounters* host() const { return host_; }

  Row row(const Connection& connection) const {
    return {connection, store_.names(), time(), store_.tick().realtime_offset_ns};
  }

  // Everything that a table may show: live connections and those that closed lately.
  enum Kinds : unsigned { Connections = 1, Listeners = 2, Closed = 4 };
  std::vector<const Connection*> select(unsigned kinds) const;

 private:
  const Store& store_;
  const HostCounters* host_;
};

// Where the stream ends: a screen, a file, a stream of lines. A sink never changes what others see.
class Sink {
 public:
  virtual ~Sink() = default;
  // The store as it is without the event, then with it.
  virtual void before_event(const Event&, const Store&) {}
  virtual Result<> on_event(const Event&, const Store&) { return {}; }
  // The host's own counters as they were read, before the snapshot of the same tick.
  virtual Result<> on_host(Time, std::span<const HostValue>) { return {}; }
  virtual Result<> on_snapshot(const Snapshot&) { return {}; }
};

}  // namespace netsonde
