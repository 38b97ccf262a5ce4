// SPDX-License-Identifier: Apache-2.0
#include "user/time_travel.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "probes/name_resolver.h"
#include "user/base/loop.h"
#include "user/base/text.h"
#include "user/model/diagnosis/news.h"
#include "user/pace.h"
#include "user/playhead.h"
#include "user/recorded.h"
#include "user/sinks/tui/findings.h"
#include "user/sinks/tui/tui.h"

namespace netsonde {

namespace {

constexpr Nanos kBeat = std::chrono::milliseconds(50);  // between two looks while time passes
constexpr Nanos kRedrawAfter = std::chrono::milliseconds(100);
constexpr Nanos kSearchSpan = std::chrono::minutes(1);  // backwards, at a time
constexpr int kJump = 10;
constexpr std::string_view kAtEnd = "The end of the recording";

// Where the view stands is where the playhead stands. Keys only say what is wanted; it is done on
// the next beat, so that many keys are one move.
class TimeTravel {
 public:
  TimeTravel(recording::Recording recording, std::string name)
      : playhead_(std::move(recording)), name_(std::move(name)) {}

  Result<> open(const Options& options, Request& request, std::int64_t end_ns);
  Result<> start(std::int64_t at_ns, bool playing);
  Result<> run() { return stopped_ ? Result<>() : loop_.run(); }
  void close() { tui_.reset(); }  // the terminal is as it was
  const Replay& replay() const { return playhead_.replay(); }

 private:
  enum class Mode { Paused, Playing, Searching, SearchingBack };

  TuiActions actions();
  Result<> on_name(const Address& address, std::string name);
  void on_action(Action action);
  void change_mode(Mode mode);
  Result<> on_time(const std::string& text);

  Result<> wake(Nanos delay);
  Result<> beat();
  Result<> move();
  Result<> pass_time();
  Result<> play();
  Result<> search();
  Result<> search_back();
  Result<> begin_span(std::int64_t before_ns);
  Result<> end_span();
  Result<> give_up(std::string_view why);

  std::span<const Finding> judge() { return tui_->judge(replay().snapshot()); }
  const Finding* news() { return news_.add(playhead_.at_ns(), judge()); }
  void show();
  std::string mode_text() const;
  PlayState play_state() const;

  Loop loop_;
  NameResolver resolver_{loop_, [this](const Address& address, std::string name) {
                           note(on_name(address, std::move(name)));
                         }};
  void note(Result<> result) {
    if (!result && !failed_) failed_ = std::move(result).error();
    if (failed_) loop_.stop();
  }

  Playhead playhead_;
  std::string name_;
  std::unique_ptr<Tui> tui_;

  Mode mode_ = Mode::Paused;
  Pace pace_;
  Time last_beat_{};
  int steps_ = 0;                          // wanted
  std::optional<std::int64_t> wanted_ns_;  // a time to go to

  FindingNews news_;
  std::int64_t origin_ns_ = 0;                // where the search began
  std::int64_t span_ns_ = 0, behind_ns_ = 0;  // backwards: searched now, from and up to before
  struct Found {
    std::int64_t at_ns;
    std::string text;
  };
  std::optional<Found> found_;  // backwards: the last one in that span

  std::optional<Error> failed_;
  bool beat_due_ = false, redraw_due_ = false, stopped_ = false;

 public:
  Result<> outcome() const { return failed_ ? Result<>(*failed_) : Result<>(); }
};

std::string news_text(const Finding& finding) {
  return "New: " + headline(finding);
}

Result<> TimeTravel::open(const Options& options, Request& request, std::int64_t end_ns) {
  loop_ = TRY(Loop::open());
  TRY(loop_.take_signals(
      [this]() -> Result<> {
        stopped_ = true;
        loop_.stop();
        return {};
      },
      [this]() -> Result<> { return tui_ ? tui_->on_resize() : Result<>(); }));
  TRY(playhead_.open(end_ns));
  tui_ = TRY(Tui::open({.interval = Nanos(replay().recording().origin().interval_ns),
                        .history_bytes = options.history_bytes,
                        .filter = std::move(request.filter),
                        .columns = request.fields,
                        .sort = request.by,
                        .numeric = !options.resolve,
                        .ascii = options.ascii,
                        .recording = name_},
                       actions()));
  playhead_.add_sink(*tui_, [this] { tui_->forget(); });
  return loop_.watch(STDIN_FILENO, [this] { return tui_->on_input(); });
}

TuiActions TimeTravel::actions() {
  TuiActions actions;
  actions.quit = [this] { loop_.stop(); };
  actions.resolve = [this](const Address& address) { note(resolver_.resolve(address)); };
  actions.travel = [this](Action action) { on_action(action); };
  actions.go_to_time = [this](const std::string& text) { return on_time(text); };
  return actions;
}

// Names come in bunches; one redraw shows them.
Result<> TimeTravel::on_name(const Address& address, std::string name) {
  tui_->on_name(address, std::move(name));
  if (std::exchange(redraw_due_, true)) return {};
  return loop_.after(kRedrawAfter, [this]() -> Result<> {
    redraw_due_ = false;
    tui_->redraw();
    return {};
  });
}

Result<> TimeTravel::start(std::int64_t at_ns, bool playing) {
  TRY(playhead_.go_to(at_ns));
  judge();
  if (playing) change_mode(Mode::Playing);
  show();
  return wake(kBeat);
}

void TimeTravel::change_mode(Mode mode) {
  mode_ = mode;
  pace_.begin();
  last_beat_ = kernel_now();
  origin_ns_ = playhead_.at_ns();
  behind_ns_ = 0;
  if (mode == Mode::Searching) {
    news_ = FindingNews();
    news();
  }
}

void TimeTravel::on_action(Action action) {
  const bool searching = mode_ == Mode::Searching || mode_ == Mode::SearchingBack;
  switch (action) {
    case Action::PlaySlower: pace_.slower(); break;
    case Action::PlayFaster: pace_.faster(); break;
    case Action::PlayPause:
      change_mode(mode_ == Mode::Paused ? Mode::Playing : Mode::Paused);
      break;
    case Action::NextFinding: change_mode(Mode::Searching); break;
    case Action::PreviousFinding: change_mode(Mode::SearchingBack); break;
    case Action::Back:
      if (searching) change_mode(Mode::Paused);
      break;
    default: change_mode(Mode::Paused);
  }
  const bool speed = action == Action::PlaySlower || action == Action::PlayFaster;
  if (speed && mode_ == Mode::Paused) tui_->set_message("Space plays " + pace_.text());
  if (action == Action::StepBack) --steps_;
  if (action == Action::StepForward) ++steps_;
  if (action == Action::JumpBack) steps_ -= kJump;
  if (action == Action::JumpForward) steps_ += kJump;
  if (action == Action::GoToBegin) wanted_ns_ = playhead_.first_ns();
  if (action == Action::GoToEnd) wanted_ns_ = playhead_.last_ns();
  tui_->set_play_state(play_state());
  note(wake(Nanos(0)));
}

Result<> TimeTravel::on_time(const std::string& text) {
  const std::int64_t time_ns = TRY(time_in(text, replay().recording()));
  if (time_ns < replay().recording().begin_ns() || time_ns > playhead_.last_ns())
    return Error(fmt::format("{} is not in the recording: it is from {} to {}", rfc3339(time_ns),
                             rfc3339(replay().recording().begin_ns()),
                             rfc3339(playhead_.last_ns())));
  wanted_ns_ = time_ns;
  if (mode_ != Mode::Playing) change_mode(Mode::Paused);
  return wake(Nanos(0));
}

Result<> TimeTravel::wake(Nanos delay) {
  if (std::exchange(beat_due_, true)) return {};
  return loop_.after(delay, [this] {
    beat_due_ = false;
    return beat();
  });
}

Result<> TimeTravel::beat() {
  TRY(move());
  TRY(pass_time());
  show();
  return mode_ == Mode::Paused ? Result<>() : wake(kBeat);
}

Result<> TimeTravel::move() {
  const auto wanted = std::exchange(wanted_ns_, std::nullopt);
  const int steps = std::exchange(steps_, 0);
  if (wanted) TRY(playhead_.go_to(*wanted));
  if (steps > 0 && !TRY(playhead_.forward(steps))) tui_->set_message(std::string(kAtEnd));
  if (steps < 0 && !TRY(playhead_.back(static_cast<std::size_t>(-steps))))
    tui_->set_message("The begin of the recording");
  if (wanted || steps) judge();
  return {};
}

Result<> TimeTravel::pass_time() {
  switch (mode_) {
    case Mode::Paused: return {};
    case Mode::Playing: return play();
    case Mode::Searching: return search();
    case Mode::SearchingBack: return search_back();
  }
  return {};
}

Result<> TimeTravel::play() {
  const Time began = kernel_now();
  pace_.pass(began - std::exchange(last_beat_, began));
  bool moved = false;
  while (pace_.take(replay().store().interval())) {
    if (!TRY(playhead_.next())) {
      change_mode(Mode::Paused);
      tui_->set_message(std::string(kAtEnd));
      break;
    }
    moved = true;
    if (kernel_now() - began < kBeat) continue;
    pace_.forgive(replay().store().interval());
    break;
  }
  if (moved) judge();
  return {};
}

Result<> TimeTravel::give_up(std::string_view why) {
  const std::int64_t origin_ns = origin_ns_;
  change_mode(Mode::Paused);
  TRY(playhead_.go_to_snapshot(origin_ns, playhead_.lead_in_ns()));
  judge();
  tui_->set_message(std::string(why));
  return {};
}

Result<> TimeTravel::search() {
  const Time until = kernel_now() + kBeat;
  do {
    if (!TRY(playhead_.next()))
      return give_up("No new finding from here to the end of the recording");
    if (const Finding* finding = news()) {
      tui_->set_message(news_text(*finding));
      change_mode(Mode::Paused);
      return {};
    }
  } while (kernel_now() < until);
  return {};
}

// Span by span, each from its begin on: which one was the last before is known at its end.
Result<> TimeTravel::search_back() {
  const Time until = kernel_now() + kBeat;
  if (behind_ns_ == 0) TRY(begin_span(origin_ns_));
  do {
    if (!TRY(playhead_.next()) || playhead_.at_ns() >= behind_ns_) return end_span();
    if (const Finding* finding = news()) found_ = {playhead_.at_ns(), news_text(*finding)};
  } while (kernel_now() < until);
  return {};
}

Result<> TimeTravel::begin_span(std::int64_t before_ns) {
  behind_ns_ = before_ns;
  span_ns_ = TRY(playhead_.snapshot_before(
      before_ns - std::max<std::int64_t>(kSearchSpan.count(), 2 * playhead_.lead_in_ns())));
  TRY(playhead_.go_to_snapshot(span_ns_, playhead_.lead_in_ns()));
  found_.reset();
  news_ = FindingNews();
  const Finding* finding = news();
  if (finding && span_ns_ == playhead_.first_ns() && span_ns_ < before_ns)
    found_ = {span_ns_, news_text(*finding)};
  return {};
}

Result<> TimeTravel::end_span() {
  if (found_) {
    // Read from where the span was read from, for findings to be the same.
    TRY(playhead_.go_to_snapshot(found_->at_ns, found_->at_ns - span_ns_ + playhead_.lead_in_ns()));
    judge();
    tui_->set_message(found_->text);
    change_mode(Mode::Paused);
    return {};
  }
  if (span_ns_ <= playhead_.first_ns()) return give_up("No finding began before this time");
  return begin_span(span_ns_ + 1);
}

std::string TimeTravel::mode_text() const {
  switch (mode_) {
    case Mode::Paused: return "paused";
    case Mode::Playing: return "playing " + pace_.text();
    case Mode::Searching: return "searching";
    case Mode::SearchingBack: return "searching back";
  }
  return {};
}

PlayState TimeTravel::play_state() const {
  return {.moving = mode_ != Mode::Paused, .text = mode_text(), .percent = playhead_.percent()};
}

void TimeTravel::show() {
  tui_->set_play_state(play_state());
  tui_->redraw();
}

}  // namespace

Result<int> run_time_travel(const Options& options, Request& request) {
  // Times are typed in UTC here, so all are shown in it.
  setenv("TZ", "UTC0", 1);
  tzset();
  RecordedSpan span = TRY(open_recorded(options));
  const bool at = !options.at.empty();
  const std::int64_t start_ns = at ? span.until_ns : span.since_ns;
  const std::int64_t end_ns = at ? span.recording.end_ns() : span.until_ns;
  const std::filesystem::path path(options.from);
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  auto travel = std::make_unique<TimeTravel>(std::move(span.recording), name.string());
  TRY(travel->open(options, request, end_ns));
  TRY(travel->start(start_ns, !options.since.empty()));
  TRY(travel->run());
  TRY(travel->outcome());
  travel->close();
  tell_gaps(travel->replay());
  return 0;
}

}  // namespace netsonde
