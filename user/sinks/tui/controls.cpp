// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "user/sinks/tui/impl.h"

namespace netsonde {

namespace {

constexpr char32_t kControlC = 3;
constexpr int kJump = 10;
constexpr std::array<Nanos, 7> kIntervals = {
    std::chrono::milliseconds(250), std::chrono::milliseconds(500), std::chrono::seconds(1),
    std::chrono::seconds(2),        std::chrono::seconds(5),        std::chrono::seconds(10),
    std::chrono::seconds(30)};

std::vector<std::string_view> filter_words() {
  std::vector<std::string_view> words = {"and", "or", "not", "in", "port"};
  for (const Field& field : fields()) {
    words.push_back(field.id);
    if (!field.alias.empty()) words.push_back(field.alias);
  }
  return words;
}

}  // namespace

void Tui::Impl::on_key(const Input& input) {
  if (input.key == kIgnored) return;
  message_.clear();
  if (input.key == kControlC) return actions_.quit();
  if (!live_ || too_small())
    return action_of(input.key, in_recording()) == Action::Quit ? actions_.quit() : void();
  if (page_) {
    if (!page_->on_key(input.key)) page_.reset();
  } else if (chooser_) {
    on_chooser_key(input.key);
  } else if (filter_edit_) {
    on_filter_key(input.key);
  } else if (time_edit_) {
    on_time_key(input.key);
  } else if (input.key == kClick) {
    on_click(input);
  } else if (const auto action = action_of(input.key, in_recording())) {
    perform(*action);
  }
}

void Tui::Impl::perform(Action action) {
  if (perform_move(action) || perform_travel(action) || perform_time(action)) return;
  switch (action) {
    case Action::Quit: return actions_.quit();
    case Action::Help: page_ = help_page(screen_->columns(), in_recording()); return;
    case Action::Redraw: return screen_->forget();
    case Action::Back: return back();
    case Action::Names: numeric_ = !numeric_; return;
    case Action::Slower: return change_interval(1);
    case Action::Faster: return change_interval(-1);
    case Action::Mouse:
      mouse_ = !mouse_;
      message_ = mouse_ ? "The mouse works here" : "The mouse selects text; m: it works here again";
      return screen_->set_mouse(mouse_);
    default: break;
  }
  if (detail_ || perform_sort(action) || perform_show(action)) return;
  if (action == Action::Open) open();
}

bool Tui::Impl::perform_move(Action action) {
  const auto move = [this](int lines) { detail_ ? detail_->scroll(lines) : table_.move(lines); };
  const auto page = [this](int pages) {
    detail_ ? detail_->scroll(pages * kJump) : table_.move_pages(pages);
  };
  switch (action) {
    case Action::Up: move(-1); return true;
    case Action::Down: move(1); return true;
    case Action::PageUp: page(-1); return true;
    case Action::PageDown: page(1); return true;
    case Action::Top: detail_ ? detail_->scroll(-1'000'000) : table_.top(); return true;
    case Action::Bottom: detail_ ? detail_->scroll(1'000'000) : table_.bottom(); return true;
    default: return false;
  }
}

bool Tui::Impl::perform_time(Action action) {
  switch (action) {
    case Action::Freeze:
      playback_.frozen() ? playback_.thaw() : playback_.freeze(*live_, blame_.interval());
      return true;
    case Action::StepBack: step(-1); return true;
    case Action::StepForward: step(1); return true;
    case Action::JumpBack: step(-kJump); return true;
    case Action::JumpForward: step(kJump); return true;
    case Action::Left: playback_.frozen() ? step(-1) : table_.scroll_columns(-1); return true;
    case Action::Right: playback_.frozen() ? step(1) : table_.scroll_columns(1); return true;
    default: return false;
  }
}

// In a recording whoever plays it moves in time.
bool Tui::Impl::perform_travel(Action action) {
  if (!in_recording()) return false;
  const bool sideways = action == Action::Left || action == Action::Right;
  if (sideways && !play_.moving)
    action = action == Action::Left ? Action::StepBack : Action::StepForward;
  switch (action) {
    case Action::GoToTime: time_edit_.emplace(); return true;
    case Action::PlayPause:
    case Action::StepBack:
    case Action::StepForward:
    case Action::JumpBack:
    case Action::JumpForward:
    case Action::GoToBegin:
    case Action::GoToEnd:
    case Action::NextFinding:
    case Action::PreviousFinding:
    case Action::PlaySlower:
    case Action::PlayFaster: actions_.travel(action); return true;
    default: return false;
  }
}

bool Tui::Impl::perform_sort(Action action) {
  switch (action) {
    case Action::SortLeft: sort_beside(-1); return true;
    case Action::SortRight: sort_beside(1); return true;
    case Action::SortReverse: view_.sort.descending ^= true; return true;
    case Action::SortWorst: sort_by(nullptr); return true;
    case Action::SortChoose: choose_sort(); return true;
    case Action::Columns: choose_columns(); return true;
    default: return false;
  }
}

bool Tui::Impl::perform_show(Action action) {
  const auto rotated = [](auto value, int by, int count) {
    return static_cast<decltype(value)>((static_cast<int>(value) + by + count) % count);
  };
  switch (action) {
    case Action::Filter:
      filter_edit_ = Prompt{.line = LineEdit(view_.filter.text()), .error = {}};
      return true;
    case Action::Group:
      set_group(static_cast<int>(rotated(view_.group, 1, kGroupings)));
      return true;
    case Action::GroupBack:
      set_group(static_cast<int>(rotated(view_.group, -1, kGroupings)));
      return true;
    case Action::Faults: view_.faults_only ^= true; return true;
    case Action::Closed: view_.closed ^= true; return true;
    case Action::Listeners: view_.show = rotated(view_.show, 1, 3); return true;
    default: return false;
  }
}

void Tui::Impl::set_group(int by) {
  view_.group = static_cast<GroupBy>(by);
  view_.open_group.reset();
  table_.reset();
}

void Tui::Impl::open() {
  if (const auto id = table_.selected()) open_item(*id);
}

void Tui::Impl::open_item(std::uint64_t id) {
  if (view_.group == GroupBy::Connection) {
    detail_.emplace(id, live_->names(), playback_.history());
    return;
  }
  const Snapshot snapshot(shown());
  Items items(snapshot, view_);
  const auto position = items.position_of(id);
  if (!position) return;
  const Row& row = items.window(*position, 1).front().first();
  view_.open_group = OpenGroup{
      .by = view_.group, .key = group_key(view_.group, row), .text = group_text(view_.group, row)};
  view_.group = GroupBy::Connection;
  table_.reset();
}

void Tui::Impl::back() {
  if (detail_) {
    detail_.reset();
  } else if (view_.open_group) {
    set_group(static_cast<int>(view_.open_group->by));
  } else if (!view_.filter.empty()) {
    view_.filter = Filter();
  } else if (in_recording()) {
    actions_.travel(Action::Back);
  } else {
    playback_.thaw();
  }
}

void Tui::Impl::step(int ticks) {
  message_ = playback_.step(ticks, *live_, blame_.interval());
}

void Tui::Impl::sort_by(const Field* field) {
  const bool again = field && view_.sort.field == field;
  view_.sort.descending = again ? !view_.sort.descending : !field || !field->is_text();
  view_.sort.field = field;
}

// The columns on the screen in their order, and before the first one: worst first.
void Tui::Impl::sort_beside(int by) {
  std::vector<const Field*> choice = {nullptr};
  for (const PlacedColumn& placed : table_.columns())
    if (placed.column.field) choice.push_back(placed.column.field);
  const auto now = std::find(choice.begin(), choice.end(), view_.sort.field);
  const auto count = static_cast<int>(choice.size());
  const int at = now == choice.end() ? 0 : static_cast<int>(now - choice.begin());
  sort_by(choice[static_cast<std::size_t>((at + by + count) % count)]);
}

void Tui::Impl::on_click(const Input& input) {
  if (detail_) return;
  if (const Field* field = table_.title_at(input.y, input.x)) return sort_by(field);
  const auto id = table_.line_at(input.y);
  if (!id) return;
  if (id == table_.selected()) return open_item(*id);
  table_.select(*id);
}

void Tui::Impl::choose_columns() {
  std::vector<const Field*> now = chosen_;
  if (now.empty())
    for (const std::string_view id : default_column_ids(view_.show)) now.push_back(find_field(id));
  std::vector<Chooser::Entry> entries;
  for (const Field& field : fields())
    entries.push_back({.name = std::string(field.id),
                       .help = std::string(field.help),
                       .marked = std::find(now.begin(), now.end(), &field) != now.end()});
  chooser_.emplace("Columns; none marked: the default", std::move(entries), true);
  choice_ = Choice::Columns;
}

void Tui::Impl::choose_sort() {
  std::vector<Chooser::Entry> entries = {{.name = "worst first",
                                          .help = std::string(binding_of(Action::SortWorst).help),
                                          .marked = false}};
  for (const Field& field : fields())
    entries.push_back(
        {.name = std::string(field.id), .help = std::string(field.help), .marked = false});
  chooser_.emplace("Sort by", std::move(entries), false);
  choice_ = Choice::Sort;
}

// Those that were there keep their order; new ones come behind.
void Tui::Impl::take_columns() {
  const auto marked = [this](const Field* field) {
    return chooser_->entries()[static_cast<std::size_t>(field - fields().data())].marked;
  };
  if (chosen_.empty())
    for (const std::string_view id : default_column_ids(view_.show))
      chosen_.push_back(find_field(id));
  std::erase_if(chosen_, [&](const Field* field) { return !marked(field); });
  for (const Field& field : fields())
    if (marked(&field) && std::find(chosen_.begin(), chosen_.end(), &field) == chosen_.end())
      chosen_.push_back(&field);
}

void Tui::Impl::on_chooser_key(char32_t key) {
  const Chooser::Answer answer = chooser_->on_key(key);
  if (choice_ == Choice::Columns && answer == Chooser::Answer::Changed) take_columns();
  if (choice_ == Choice::Sort && answer == Chooser::Answer::Taken) {
    const std::size_t chosen = chooser_->chosen();
    if (chosen <= fields().size()) sort_by(chosen == 0 ? nullptr : &fields()[chosen - 1]);
  }
  if (answer == Chooser::Answer::Taken || answer == Chooser::Answer::Left) chooser_.reset();
}

void Tui::Impl::parse_filter() {
  const std::string& text = filter_edit_->line.text();
  filter_edit_->error.clear();
  if (text.find_first_not_of(' ') == std::string::npos) {
    view_.filter = Filter();
    return;
  }
  auto filter = Filter::parse(text);
  if (filter)
    view_.filter = std::move(filter).value();
  else
    filter_edit_->error = filter.error().message();
}

void Tui::Impl::complete_filter() {
  const auto matching = filter_edit_->line.complete(filter_words());
  parse_filter();
  if (matching.size() < 2) return;
  filter_edit_->error.clear();
  for (const std::string_view word : matching) filter_edit_->error += std::string(word) + "  ";
}

void Tui::Impl::on_filter_key(char32_t key) {
  switch (key) {
    case kEnter:
      parse_filter();
      if (filter_edit_->error.empty()) filter_edit_.reset();
      return;
    case kEscape: view_.filter = Filter(); return filter_edit_.reset();
    case U'\t': return complete_filter();
    case kUp: return table_.move(-1);
    case kDown: return table_.move(1);
    default:
      if (filter_edit_->line.on_key(key)) parse_filter();
  }
}

void Tui::Impl::on_time_key(char32_t key) {
  if (key == kEscape) return time_edit_.reset();
  if (key != kEnter) {
    if (time_edit_->line.on_key(key)) time_edit_->error.clear();
    return;
  }
  const auto gone = actions_.go_to_time(time_edit_->line.text());
  if (gone)
    time_edit_.reset();
  else
    time_edit_->error = gone.error().message();
}

void Tui::Impl::change_interval(int by) {
  const auto now = std::lower_bound(kIntervals.begin(), kIntervals.end(), interval_);
  const auto at = static_cast<int>(now - kIntervals.begin()) + by;
  const Nanos wanted = kIntervals[static_cast<std::size_t>(
      std::clamp(at, 0, static_cast<int>(kIntervals.size()) - 1))];
  if (!actions_.set_interval) return;
  const auto set = actions_.set_interval(wanted);
  if (set)
    interval_ = wanted;
  else
    message_ = set.error().message();
}

}  // namespace netsonde
