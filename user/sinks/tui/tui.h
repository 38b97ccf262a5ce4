// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "user/model/filter.h"
#include "user/model/history.h"
#include "user/model/snapshot.h"

namespace netsonde {

struct TuiSettings {
  Nanos interval = std::chrono::seconds(1);
  std::size_t history_bytes = 64 << 20;
  Filter filter;                      // what the view starts with
  std::vector<const Field*> columns;  // empty: the default set
  const Field* sort = nullptr;        // null: worst first (retransmits, drops, rate)
  bool numeric = true;                // addresses are not resolved to names
  bool ascii = false;                 // no braille and no box drawing, whatever the locale
};

// What the view asks of whoever runs it.
struct TuiActions {
  std::function<void()> quit;
  std::function<Result<>(Nanos)> set_interval;
  // From now on RTT histograms of just these connections are wanted.
  std::function<void(const std::vector<std::uint64_t>&)> want_histograms;
  // Looks a name up in the background; the answer comes through Tui::on_name.
  std::function<void(const Address&)> resolve;
};

// The live view. Draws on snapshots and keys; nothing else moves it. The terminal is restored when
// it is destroyed. Between two snapshots it looks at the store of the newest one, which must
// outlive it.
class Tui : public Sink {
 public:
  // Fails when standard input or output is no terminal, or the terminal cannot position its cursor.
  static Result<std::unique_ptr<Tui>> open(TuiSettings settings, TuiActions actions);
  ~Tui() override;

  // To be called before the store is given the event.
  void before_event(const Event& event, const Store& store) override;
  Result<> on_event(const Event& event, const Store& store) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;
  Result<> on_input();  // standard input is readable
  Result<> on_resize();
  void on_name(const Address& address, std::string name);  // shown by the next draw
  void redraw();

 private:
  struct Impl;
  explicit Tui(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace netsonde
