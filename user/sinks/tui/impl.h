// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "user/sinks/tui/chooser.h"
#include "user/sinks/tui/detail.h"
#include "user/sinks/tui/findings.h"
#include "user/sinks/tui/header.h"
#include "user/sinks/tui/line_edit.h"
#include "user/sinks/tui/playback.h"
#include "user/sinks/tui/table.h"
#include "user/sinks/tui/tui.h"
#include "user/sinks/tui/verdict.h"

namespace netsonde {

// The state of the view: what is shown, and which of the things that take keys are open.
struct Tui::Impl {
  Impl(TuiSettings settings, TuiActions actions, std::unique_ptr<Screen> screen);

  void before_event(const Event& event, const Store& store);
  Result<> on_event(const Event& event, const Store& store);
  Result<> on_host(Time now, std::span<const HostValue> values) {
    return findings_.on_host(now, values);
  }
  Result<> on_snapshot(const Snapshot& snapshot);
  void on_key(const Input& input);
  void draw();
  void forget();
  std::span<const Finding> judge(const Snapshot& snapshot);

  TuiActions actions_;
  std::unique_ptr<Screen> screen_;
  Playback playback_;
  NameCache names_;
  PlayState play_;
  std::string message_;  // until the next key

 private:
  struct Prompt {
    LineEdit line;
    std::string error;  // why the text is not in force, or means nothing
  };
  enum class Choice { Columns, Sort };
  static constexpr int kLeastRows = 10, kLeastColumns = 40;

  // Keys, by what is open.
  void on_filter_key(char32_t key);
  void on_time_key(char32_t key);
  void on_chooser_key(char32_t key);
  void on_click(const Input& input);
  void perform(Action action);
  bool perform_move(Action action);
  bool perform_time(Action action);
  bool perform_travel(Action action);
  bool perform_sort(Action action);
  bool perform_show(Action action);

  void open();
  void open_item(std::uint64_t id);
  void back();
  void set_group(int by);
  void sort_by(const Field* field);
  void sort_beside(int by);
  void choose_columns();
  void choose_sort();
  void take_columns();
  void change_interval(int by);
  void step(int ticks);
  void parse_filter();
  void complete_filter();

  const Store& shown() const { return playback_.store(*live_); }
  const LiveFindings* findings() const { return playback_.frozen() ? nullptr : &findings_; }
  NameCache* names() { return numeric_ ? nullptr : &names_; }
  void draw_main(const Snapshot& snapshot);
  void draw_status(int y, const Items& items, const Totals& totals);
  Moment moment() const;
  void draw_bottom();
  void draw_prompt(std::string_view label, const Prompt& prompt);
  void draw_hints(int y);
  void tell_histograms();
  bool too_small() const;
  bool in_recording() const { return !recording_.empty(); }

  View view_;
  std::vector<const Field*> chosen_;
  bool numeric_;
  std::string recording_;
  bool mouse_ = true;
  Nanos interval_;
  const Store* live_ = nullptr;  // whoever feeds the view keeps it
  Header header_;
  Blame blame_;
  LiveFindings findings_;
  TuiTable table_;
  std::optional<Detail> detail_;
  std::optional<Prompt> filter_edit_;
  std::optional<Prompt> time_edit_;
  std::optional<Chooser> chooser_;
  Choice choice_ = Choice::Columns;
  std::optional<Page> page_;
  std::vector<std::uint64_t> histograms_;
};

}  // namespace netsonde
