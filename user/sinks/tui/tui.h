// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/model/diagnosis/finding.h"
#include "user/model/filter.h"
#include "user/model/history.h"
#include "user/model/snapshot.h"
#include "user/sinks/tui/keys.h"

namespace netsonde {

struct TuiSettings {
  Nanos interval = std::chrono::seconds(1);
  std::size_t history_bytes = 64 << 20;
  Filter filter;                      // what the view starts with
  std::vector<const Field*> columns;  // empty: the default set
  const Field* sort = nullptr;        // null: worst first (retransmits, drops, rate)
  bool numeric = true;                // addresses are not resolved to names
  bool ascii = false;                 // no braille and no box drawing, whatever the locale
  std::string recording{};            // the name of what is played; empty: the host is watched
};

// Where in a recording the view stands.
struct PlayState {
  bool moving = false;
  std::string text;  // "paused", "playing 4x"
  double percent = 0;
};

// What the view asks of whoever runs it.
struct TuiActions {
  std::function<void()> quit;
  std::function<Result<>(Nanos)> set_interval;
  // From now on RTT histograms of just these connections are wanted.
  std::function<void(const std::vector<std::uint64_t>&)> want_histograms;
  // Looks a name up in the background; the answer comes through Tui::on_name.
  std::function<void(const Address&)> resolve;
  // In a recording: one of the keys that move in time.
  std::function<void(Action)> travel;
  // Likewise, to a time as it was typed.
  std::function<Result<>(const std::string&)> go_to_time;
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
  Result<> on_host(Time now, std::span<const HostValue> values) override;
  Result<> on_snapshot(const Snapshot& snapshot) override;
  Result<> on_input();  // standard input is readable
  Result<> on_resize();
  void on_name(const Address& address, std::string name);  // shown by the next draw
  void redraw();

  // Of a recording snapshots are only taken in; whoever plays it has those judged and drawn that
  // are to be seen. Findings are valid until the next one.
  std::span<const Finding> judge(const Snapshot& snapshot);
  // What comes next is of another time: nothing seen so far belongs to it.
  void forget();
  void set_play_state(PlayState state);
  void set_message(std::string text);  // until the next key

 private:
  struct Impl;
  explicit Tui(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace netsonde
