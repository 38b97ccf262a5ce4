// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/keys.h"

#include <algorithm>

namespace netsonde {

namespace {

constexpr char32_t control(char letter) {
  return static_cast<char32_t>(letter & 0x1f);
}

// In the order of the help.
constexpr std::array kBindings = {
    KeyBinding{.action = Action::Help,
               .keys = {U'?', kF1, U'h'},
               .names = "? F1 h",
               .help = "This help.",
               .hint = "help"},
    KeyBinding{.action = Action::Quit,
               .keys = {U'q', control('C'), kF10},
               .names = "q Ctrl-C F10",
               .help = "Quit.",
               .hint = "quit"},
    KeyBinding{
        .action = Action::Filter,
        .keys = {U'/', U'\\'},
        .names = "/",
        .help =
            "Filter, in force while you type; Tab completes a field, Enter keeps it, Esc drops it.",
        .hint = "filter"},
    KeyBinding{.action = Action::Freeze,
               .keys = {U' '},
               .names = "Space",
               .help = "Freeze what is shown; once more: live again.",
               .hint = "freeze"},
    KeyBinding{.action = Action::Open,
               .keys = {kEnter},
               .names = "Enter",
               .help = "Open one connection; in a group: its connections.",
               .hint = "open"},
    KeyBinding{
        .action = Action::Group,
        .keys = {U'g'},
        .names = "g",
        .help = "Group by process, remote host, remote subnet, listener, cgroup, not at all.",
        .hint = "group"},
    KeyBinding{.action = Action::GroupBack,
               .keys = {U'G'},
               .names = "G",
               .help = "The same, backwards.",
               .hint = ""},
    KeyBinding{.action = Action::SortChoose,
               .keys = {U's'},
               .names = "s",
               .help = "Choose the column to sort by.",
               .hint = "sort"},
    KeyBinding{.action = Action::SortLeft,
               .keys = {U'<', U','},
               .names = "<",
               .help = "Sort by the column to the left.",
               .hint = ""},
    KeyBinding{.action = Action::SortRight,
               .keys = {U'>', U'.'},
               .names = ">",
               .help = "Sort by the column to the right.",
               .hint = "sort by next"},
    KeyBinding{.action = Action::SortReverse,
               .keys = {U'r'},
               .names = "r",
               .help = "Reverse the order.",
               .hint = "reverse"},
    KeyBinding{
        .action = Action::SortWorst,
        .keys = {U'w'},
        .names = "w",
        .help = "Worst first: retransmissions per second, then drops, then bytes per second.",
        .hint = ""},
    KeyBinding{.action = Action::Columns,
               .keys = {U'c'},
               .names = "c",
               .help = "Choose the columns.",
               .hint = "columns"},
    KeyBinding{
        .action = Action::Faults,
        .keys = {U'e'},
        .names = "e",
        .help = "Only rows with faults: retransmissions, drops, overflows, ends other than FIN.",
        .hint = "faults"},
    KeyBinding{.action = Action::Listeners,
               .keys = {U'l'},
               .names = "l",
               .help = "Connections, connections and listeners, only listeners.",
               .hint = "listeners"},
    KeyBinding{.action = Action::Closed,
               .keys = {U'x'},
               .names = "x",
               .help = "Show or hide connections that closed a moment ago.",
               .hint = ""},
    KeyBinding{.action = Action::Names,
               .keys = {U'n'},
               .names = "n",
               .help = "Names or numbers for remote addresses.",
               .hint = "names"},
    KeyBinding{.action = Action::StepBack,
               .keys = {U'['},
               .names = "[",
               .help = "Freeze, and one tick back in time.",
               .hint = "back"},
    KeyBinding{.action = Action::StepForward,
               .keys = {U']'},
               .names = "]",
               .help = "One tick forward; behind the newest: live again.",
               .hint = "forward"},
    KeyBinding{.action = Action::JumpBack,
               .keys = {U'{'},
               .names = "{",
               .help = "Ten ticks back.",
               .hint = "10 back"},
    KeyBinding{.action = Action::JumpForward,
               .keys = {U'}'},
               .names = "}",
               .help = "Ten ticks forward.",
               .hint = "10 forward"},
    KeyBinding{.action = Action::Left,
               .keys = {kLeft},
               .names = "Left",
               .help = "Frozen: one tick back. Live: scroll the columns.",
               .hint = ""},
    KeyBinding{.action = Action::Right,
               .keys = {kRight},
               .names = "Right",
               .help = "Frozen: one tick forward. Live: scroll the columns.",
               .hint = ""},
    KeyBinding{.action = Action::Up,
               .keys = {kUp, U'k', kWheelUp},
               .names = "Up k",
               .help = "One row up; also the mouse wheel.",
               .hint = "older"},
    KeyBinding{.action = Action::Down,
               .keys = {kDown, U'j', kWheelDown},
               .names = "Down j",
               .help = "One row down; the cursor then stays with its connection.",
               .hint = "newer"},
    KeyBinding{.action = Action::PageUp,
               .keys = {kPageUp, control('B')},
               .names = "PgUp",
               .help = "One page up.",
               .hint = ""},
    KeyBinding{.action = Action::PageDown,
               .keys = {kPageDown, control('F')},
               .names = "PgDn",
               .help = "One page down.",
               .hint = ""},
    KeyBinding{.action = Action::Top,
               .keys = {kHome},
               .names = "Home",
               .help = "To the first row, and stay there whoever it is.",
               .hint = ""},
    KeyBinding{.action = Action::Bottom,
               .keys = {kEnd},
               .names = "End",
               .help = "To the last row.",
               .hint = ""},
    KeyBinding{.action = Action::Back,
               .keys = {kEscape, kBackspace},
               .names = "Esc",
               .help = "Back: close the connection, leave the group, drop the filter, live again.",
               .hint = "back"},
    KeyBinding{.action = Action::Faster,
               .keys = {U'-'},
               .names = "-",
               .help = "Shorter interval.",
               .hint = ""},
    KeyBinding{.action = Action::Slower,
               .keys = {U'+', U'='},
               .names = "+",
               .help = "Longer interval.",
               .hint = ""},
    KeyBinding{.action = Action::Mouse,
               .keys = {U'm'},
               .names = "m",
               .help = "Mouse off or on; off, the terminal selects text.",
               .hint = ""},
    KeyBinding{.action = Action::Redraw,
               .keys = {control('L')},
               .names = "Ctrl-L",
               .help = "Redraw the screen.",
               .hint = ""},
};

}  // namespace

std::span<const KeyBinding> key_bindings() {
  return kBindings;
}

std::optional<Action> action_of(char32_t key) {
  const auto found =
      std::find_if(kBindings.begin(), kBindings.end(), [key](const KeyBinding& binding) {
        return key &&
               std::find(binding.keys.begin(), binding.keys.end(), key) != binding.keys.end();
      });
  if (found == kBindings.end()) return std::nullopt;
  return found->action;
}

const KeyBinding& binding_of(Action action) {
  return *std::find_if(kBindings.begin(), kBindings.end(),
                       [action](const KeyBinding& binding) { return binding.action == action; });
}

}  // namespace netsonde
