// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace netsonde {

// Keys that are no characters; their numbers lie above those of all characters.
enum SpecialKey : char32_t {
  kUp = 0x110000,
  kDown,
  kLeft,
  kRight,
  kHome,
  kEnd,
  kPageUp,
  kPageDown,
  kEnter,
  kEscape,
  kBackspace,
  kDelete,
  kF1,
  kF10,
  kClick,
  kWheelUp,
  kWheelDown,
  kIgnored,
};

enum class Action : std::uint8_t {
  Up,
  Down,
  PageUp,
  PageDown,
  Top,
  Bottom,
  Left,
  Right,
  Open,
  Back,
  Freeze,
  StepBack,
  StepForward,
  JumpBack,
  JumpForward,
  PlayPause,
  GoToTime,
  GoToBegin,
  GoToEnd,
  NextFinding,
  PreviousFinding,
  PlaySlower,
  PlayFaster,
  Filter,
  Group,
  GroupBack,
  SortLeft,
  SortRight,
  SortReverse,
  SortWorst,
  SortChoose,
  Columns,
  Faults,
  Listeners,
  Closed,
  Names,
  Slower,
  Faster,
  Mouse,
  Redraw,
  Help,
  Quit,
};

// Where a key does so: what is played goes at a speed, what happens now at an interval.
enum class Scope : std::uint8_t { Everywhere, Live, Recording };

// One thing that a key does. The help overlay, the line of hints and the manual are made from
// these.
struct KeyBinding {
  Action action;
  std::array<char32_t, 4> keys;  // zero: none
  std::string_view names;        // as the user knows them
  std::string_view help;
  std::string_view hint;  // for the bottom line of the screen
  Scope scope = Scope::Everywhere;

  bool applies(bool recording) const {
    return scope == Scope::Everywhere || (scope == Scope::Recording) == recording;
  }
};

std::span<const KeyBinding> key_bindings();
std::optional<Action> action_of(char32_t key, bool recording);
const KeyBinding& binding_of(Action action);

}  // namespace netsonde
