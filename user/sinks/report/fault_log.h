// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <tuple>
#include <unordered_map>

#include "user/sinks/report/connection_log.h"

namespace netsonde {

// Drops and resets by their reason, and listeners.
class FaultLog {
 public:
  static constexpr std::size_t kMostListeners = 4096;

  void begin(const Store& store);
  void on_event(const Event& event);

  ReportTable drops(const Store& now) const;
  ReportTable resets(const Names& names) const;
  // Those that the filter accepts.
  ReportTable listeners(const Snapshot& last, const Filter& filter,
                        const ConnectionLog& connections) const;
  // Of all listeners.
  std::uint64_t overflows() const { return overflows_; }

 private:
  struct Listener {
    ev_sample last{};
    std::uint64_t overflows = 0;
    std::uint32_t most_queued = 0;
    bool closed = false;
  };
  using DropKey = std::tuple<std::uint32_t, std::uint64_t, std::uint32_t, std::uint16_t>;

  static DropKey key_of(const ev_drop_key& key);
  void on(const ev_sample& sample);

  bool begun_ = false;
  std::map<DropKey, std::uint64_t> drops_before_;
  std::map<std::pair<bool, std::uint32_t>, std::uint64_t> resets_;
  std::unordered_map<std::uint64_t, Listener> listeners_;
  std::uint64_t listeners_left_out_ = 0, overflows_ = 0;
};

}  // namespace netsonde
