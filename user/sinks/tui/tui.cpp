// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/tui.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "user/sinks/tui/impl.h"

namespace netsonde {

namespace {

constexpr int kMostKeys = 64;  // at a time: what is pasted must not keep the loop from signals

constexpr std::array kMainHints = {
    Action::Help,   Action::Quit,      Action::Filter,    Action::Freeze,     Action::StepBack,
    Action::Open,   Action::Group,     Action::SortRight, Action::SortChoose, Action::Columns,
    Action::Faults, Action::Listeners, Action::Names};
constexpr std::array kFrozenHints = {Action::Freeze,   Action::StepBack,    Action::StepForward,
                                     Action::JumpBack, Action::JumpForward, Action::Help,
                                     Action::Quit,     Action::Filter,      Action::Open,
                                     Action::Group,    Action::SortChoose};
constexpr std::array kRecordingHints = {
    Action::PlayPause,       Action::StepBack,  Action::StepForward, Action::NextFinding,
    Action::GoToTime,        Action::Help,      Action::Quit,        Action::Filter,
    Action::PreviousFinding, Action::Open,      Action::Group,       Action::PlaySlower,
    Action::PlayFaster,      Action::GoToBegin, Action::GoToEnd,     Action::SortChoose};
constexpr std::array kRecordingDetailHints = {
    Action::Back,        Action::Up,          Action::Down, Action::PlayPause, Action::StepBack,
    Action::StepForward, Action::NextFinding, Action::Help, Action::Quit};
constexpr std::array kDetailHints = {Action::Back,   Action::Up,       Action::Down,
                                     Action::Freeze, Action::StepBack, Action::StepForward,
                                     Action::Help,   Action::Quit};

std::string sort_text(const Sort& sort) {
  if (!sort.field) return sort.descending ? "worst first" : "worst last";
  return fmt::format("{} ({} first)", sort.field->id,
                     sort.field->is_text() ? (sort.descending ? "z" : "a")
                                           : (sort.descending ? "largest" : "smallest"));
}

}  // namespace

Tui::Impl::Impl(TuiSettings settings, TuiActions actions, std::unique_ptr<Screen> screen)
    : actions_(std::move(actions)),
      screen_(std::move(screen)),
      playback_(settings.history_bytes),
      names_(actions_.resolve),
      chosen_(std::move(settings.columns)),
      numeric_(settings.numeric),
      recording_(std::move(settings.recording)),
      interval_(settings.interval) {
  view_.filter = std::move(settings.filter);
  if (settings.sort) sort_by(settings.sort);
}

void Tui::Impl::before_event(const Event& event, const Store& store) {
  playback_.before_event(event, store);
  findings_.before_event(event, store);
}

Result<> Tui::Impl::on_event(const Event& event, const Store& store) {
  blame_.on_event(event, store.names());
  if (detail_) detail_->on_event(event);
  return findings_.on_event(event, store);
}

Result<> Tui::Impl::on_snapshot(const Snapshot& snapshot) {
  live_ = &snapshot.store();
  header_.add(snapshot);
  if (in_recording()) return findings_.take(snapshot);
  TRY(findings_.on_snapshot(snapshot));
  draw();
  return {};
}

bool Tui::Impl::too_small() const {
  return screen_->rows() < kLeastRows || screen_->columns() < kLeastColumns;
}

void Tui::Impl::draw() {
  screen_->clear();
  if (too_small()) {
    screen_->put(0, 0, screen_->columns(),
                 fmt::format("terminal too small: need {}x{}", kLeastColumns, kLeastRows));
  } else if (!live_) {
    screen_->put(0, 0, screen_->columns(),
                 in_recording() ? "netsonde: reading" : "netsonde: waiting for the first tick");
  } else {
    const Snapshot snapshot(shown());
    if (detail_) {
      header_.draw_title(*screen_, snapshot, moment());
      detail_->draw(*screen_, 1, snapshot, names(), findings());
    } else {
      draw_main(snapshot);
    }
    draw_bottom();
    tell_histograms();
  }
  screen_->flush();
}

Moment Tui::Impl::moment() const {
  Moment moment = playback_.moment(*live_);
  moment.interval = interval_;
  moment.recording = recording_;
  moment.play = play_;
  return moment;
}

void Tui::Impl::forget() {
  playback_ = Playback(playback_.history().budget());
  header_ = Header();
  blame_ = Blame();
  findings_ = LiveFindings();
  if (detail_) detail_.emplace(detail_->cookie(), live_->names(), playback_.history());
}

std::span<const Finding> Tui::Impl::judge(const Snapshot& snapshot) {
  findings_.judge(snapshot);
  return findings_.all();
}

void Tui::Impl::draw_main(const Snapshot& snapshot) {
  TuiVerdict verdict =
      netsonde::judge(snapshot, playback_.frozen() ? playback_.blame() : blame_.interval());
  add_finding(verdict, findings());
  header_.draw(*screen_, snapshot, verdict, moment());
  Items items(snapshot, view_);
  const int y = header_.height(*screen_, snapshot);
  std::vector<TuiColumn> columns = columns_for(chosen_, view_.show);
  if (view_.group != GroupBy::Connection) columns = grouped(view_.group, columns);
  table_.draw(*screen_, {.y = y + 1, .height = screen_->rows() - 1 - (y + 1)}, items, view_,
              columns, names());
  draw_status(y, items, snapshot.totals());
}

// What is shown, in which order, and what is not shown.
void Tui::Impl::draw_status(int y, const Items& items, const Totals& totals) {
  const std::string_view what = view_.show == Show::Listeners ? "listeners" : "sockets";
  std::string text = items.shown() == items.available()
                         ? fmt::format("{} {}", items.shown(), what)
                         : fmt::format("{} of {} {}", items.shown(), items.available(), what);
  if (const std::size_t closed = items.closed()) text += fmt::format(", {} closed", closed);
  if (view_.group != GroupBy::Connection)
    text += fmt::format(" in {} groups by {}", items.size(), group_name(view_.group));
  if (view_.open_group)
    text += fmt::format(" | {}: {}", group_name(view_.open_group->by), view_.open_group->text);
  text += " | sort: " + sort_text(view_.sort);
  if (view_.faults_only) text += " | faults only";
  if (view_.show == Show::Connections) text += " | no listeners";
  if (!view_.closed) text += " | no closed";
  if (const std::uint32_t more = totals.closed_not_kept; more && view_.closed)
    text += fmt::format(" | {} more closed", more);
  if (!view_.filter.empty()) text += " | filter: " + view_.filter.text();
  screen_->put(y, 0, screen_->columns(), text, Style::Strong);
}

void Tui::Impl::draw_hints(int y) {
  std::span<const Action> actions = detail_ ? std::span<const Action>(kDetailHints) : kMainHints;
  if (in_recording())
    actions = detail_ ? std::span<const Action>(kRecordingDetailHints) : kRecordingHints;
  else if (!detail_ && playback_.frozen())
    actions = kFrozenHints;
  int x = 0;
  for (const Action action : actions) {
    const KeyBinding& binding = binding_of(action);
    const std::string_view key = binding.names.substr(0, binding.names.find(' '));
    const bool thaw = action == Action::Freeze && playback_.frozen();
    const bool pause = action == Action::PlayPause && play_.moving;
    const std::string_view hint = thaw ? "live" : pause ? "pause" : binding.hint;
    const int width = static_cast<int>(key.size() + 1 + hint.size());
    if (x + width > screen_->columns()) break;
    screen_->put(y, x, static_cast<int>(key.size()), key, Style::Bar);
    screen_->put(y, x + static_cast<int>(key.size()) + 1, static_cast<int>(hint.size()), hint);
    x += width + 2;
  }
}

void Tui::Impl::draw_prompt(std::string_view label, const Prompt& prompt) {
  const int y = screen_->rows() - 1, columns = screen_->columns();
  const int typed = display_width(screen_->clean(prompt.line.before_cursor()));
  screen_->put(y, 0, columns, std::string(label) + prompt.line.text(), Style::Strong);
  screen_->place_cursor(y, static_cast<int>(label.size()) + typed);
  std::string_view error = prompt.error;
  for (int line = static_cast<int>(std::count(error.begin(), error.end(), '\n')) + 1;
       line > 0 && !error.empty(); --line) {
    screen_->put(y - line, 0, columns, error.substr(0, error.find('\n')), Style::Warn);
    error.remove_prefix(std::min(error.find('\n'), error.size() - 1) + 1);
  }
}

void Tui::Impl::draw_bottom() {
  const int y = screen_->rows() - 1, columns = screen_->columns();
  if (filter_edit_) {
    draw_prompt("Filter: ", *filter_edit_);
  } else if (time_edit_) {
    draw_prompt("Go to: ", *time_edit_);
  } else if (!message_.empty()) {
    screen_->put(y, 0, columns, message_, Style::Warn);
  } else {
    draw_hints(y);
  }
  if (chooser_) chooser_->draw(*screen_);
  if (page_) page_->draw(*screen_);
}

void Tui::Impl::tell_histograms() {
  if (!actions_.want_histograms || playback_.frozen()) return;
  std::vector<std::uint64_t> wanted =
      detail_ ? std::vector{detail_->cookie()} : table_.wants_histograms();
  if (wanted == histograms_) return;
  histograms_ = std::move(wanted);
  actions_.want_histograms(histograms_);
}

Result<std::unique_ptr<Tui>> Tui::open(TuiSettings settings, TuiActions actions) {
  auto screen = TRY(Screen::open(settings.ascii));
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(actions), std::move(screen));
  impl->draw();
  return std::unique_ptr<Tui>(new Tui(std::move(impl)));
}

Tui::Tui(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tui::~Tui() = default;

void Tui::before_event(const Event& event, const Store& store) {
  impl_->before_event(event, store);
}

Result<> Tui::on_event(const Event& event, const Store& store) {
  return impl_->on_event(event, store);
}

Result<> Tui::on_host(Time now, std::span<const HostValue> values) {
  return impl_->on_host(now, values);
}

Result<> Tui::on_snapshot(const Snapshot& snapshot) {
  return impl_->on_snapshot(snapshot);
}

Result<> Tui::on_input() {
  bool any = false;
  for (int left = kMostKeys; left > 0; --left) {
    const auto input = impl_->screen_->read();
    if (!input) break;
    any = true;
    impl_->on_key(*input);
    impl_->draw();  // the next key acts on what this one shows
  }
  if (!any && impl_->screen_->hung_up()) impl_->actions_.quit();
  return {};
}

Result<> Tui::on_resize() {
  impl_->screen_->resize();
  impl_->draw();
  return {};
}

void Tui::redraw() {
  impl_->draw();
}

std::span<const Finding> Tui::judge(const Snapshot& snapshot) {
  return impl_->judge(snapshot);
}

void Tui::forget() {
  impl_->forget();
}

void Tui::set_play_state(PlayState state) {
  impl_->play_ = std::move(state);
}

void Tui::set_message(std::string text) {
  impl_->message_ = std::move(text);
}

void Tui::on_name(const Address& address, std::string name) {
  impl_->names_.learn(address, std::move(name));
}

}  // namespace netsonde
