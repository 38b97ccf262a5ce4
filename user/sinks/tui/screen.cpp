// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/screen.h"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <langinfo.h>
#include <ncurses.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <cwchar>

#include "user/base/loop.h"
#include "user/base/text.h"

namespace netsonde {

struct Screen::Terminal {
  struct Closer {
    void operator()(SCREEN* screen) const {
      if (!isendwin()) endwin();
      delscreen(screen);
    }
  };
  std::unique_ptr<SCREEN, Closer> screen;
  bool colors = false;
  int cursor_y = -1, cursor_x = -1;
};

namespace {

enum Pair : short { kRed = 1, kYellow, kGreen };

attr_t attributes(Style style, bool colors) {
  switch (style) {
    case Style::Normal: return A_NORMAL;
    case Style::Strong: return A_BOLD;
    case Style::Dim: return A_DIM;
    case Style::Good: return colors ? COLOR_PAIR(kGreen) : A_NORMAL;
    case Style::Warn: return (colors ? COLOR_PAIR(kYellow) : A_NORMAL) | A_BOLD;
    case Style::Bad: return (colors ? COLOR_PAIR(kRed) : A_UNDERLINE) | A_BOLD;
    case Style::Title: return A_BOLD | A_UNDERLINE;
    case Style::Bar: return A_REVERSE;
  }
  return A_NORMAL;
}

bool start_colors() {
  const char* no_color = std::getenv("NO_COLOR");
  if ((no_color && *no_color) || !has_colors()) return false;
  start_color();
  const short background = use_default_colors() == OK ? -1 : COLOR_BLACK;
  init_pair(kRed, COLOR_RED, background);
  init_pair(kYellow, COLOR_YELLOW, background);
  init_pair(kGreen, COLOR_GREEN, background);
  return true;
}

char32_t special_key(wint_t code) {
  switch (code) {
    case KEY_UP: return kUp;
    case KEY_DOWN: return kDown;
    case KEY_LEFT: return kLeft;
    case KEY_RIGHT: return kRight;
    case KEY_HOME: return kHome;
    case KEY_END: return kEnd;
    case KEY_PPAGE: return kPageUp;
    case KEY_NPAGE: return kPageDown;
    case KEY_ENTER: return kEnter;
    case KEY_BACKSPACE: return kBackspace;
    case KEY_DC: return kDelete;
    case KEY_F(1): return kF1;
    case KEY_F(10): return kF10;
    default: return kIgnored;
  }
}

char32_t plain_key(wint_t code) {
  switch (code) {
    case '\r':
    case '\n': return kEnter;
    case '\b':
    case 0x7f: return kBackspace;
    case 0x1b: return kEscape;
    default: return static_cast<char32_t>(code);
  }
}

Input mouse_input() {
  MEVENT event;
  if (getmouse(&event) != OK) return {.key = kIgnored};
  const char32_t key = event.bstate & BUTTON4_PRESSED   ? kWheelUp
                       : event.bstate & BUTTON5_PRESSED ? kWheelDown
                       : event.bstate & BUTTON1_PRESSED ? kClick
                                                        : kIgnored;
  return {.key = key, .y = event.y, .x = event.x};
}

// What a signal's handler needs to leave the terminal without ncurses.
termios settings_before;
std::array<char, 64> leaving;
std::size_t leaving_size = 0;

void prepare_to_leave() {
  std::string text;
  for (const char* capability : {"cnorm", "rmcup", "rmkx"}) {
    const char* sequence = tigetstr(capability);
    if (sequence) text += sequence;
  }
  leaving_size = text.copy(leaving.data(), leaving.size());
}

void leave_at_once() {
  tcsetattr(STDIN_FILENO, TCSANOW, &settings_before);
  pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&output, 1, 0) == 1) (void)!write(STDOUT_FILENO, leaving.data(), leaving_size);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

// Characters of valid UTF-8 text; in a locale that is not UTF-8 all others than ASCII become one
// '?'.
std::string ascii_only(std::string_view text) {
  std::string out;
  for (const unsigned char byte : text) {
    if (byte < 0x80)
      out += static_cast<char>(byte);
    else if (byte >= 0xc0)
      out += '?';
  }
  return out;
}

// What the C library gives no width would be shown in some other way than it is counted.
std::string measurable_only(std::string_view text) {
  std::string out;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t wide = 0;
    const std::size_t length = std::mbrtowc(&wide, text.data(), text.size(), &state);
    if (length == 0 || length > text.size()) return out + '?';
    if (wcwidth(wide) < 0)
      out += '?';
    else
      out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace

Screen::Screen(std::unique_ptr<Terminal> terminal, bool unicode)
    : terminal_(std::move(terminal)), unicode_(unicode) {}

Screen::~Screen() {
  set_last_act(nullptr);
  set_mouse(false);
}

Result<std::unique_ptr<Screen>> Screen::open(bool ascii) {
  if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
    return Error("open the live view: standard input and output must be a terminal");
  std::setlocale(LC_CTYPE, "");
  const bool unicode = !ascii && std::string_view(nl_langinfo(CODESET)) == "UTF-8";
  const char* term = std::getenv("TERM");
  const Error unusable("open the live view: the terminal '" + printable(term ? term : "") +
                       "' cannot place its cursor, or is not known here; set TERM to what it is");
  if (tcgetattr(STDIN_FILENO, &settings_before)) return Error::from_errno("open the live view");
  auto terminal = std::make_unique<Terminal>();
  terminal->screen.reset(newterm(nullptr, stdout, stdin));
  if (!terminal->screen || !tigetstr("cup")) return unusable;
  prepare_to_leave();
  set_last_act(leave_at_once);
  set_escdelay(25);
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  mouseinterval(0);
  curs_set(0);
  terminal->colors = start_colors();
  std::unique_ptr<Screen> screen(new Screen(std::move(terminal), unicode));
  screen->set_mouse(true);
  return screen;
}

int Screen::rows() const {
  return getmaxy(stdscr);
}
int Screen::columns() const {
  return getmaxx(stdscr);
}

void Screen::resize() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col) return;
  resizeterm(size.ws_row, size.ws_col);
  wclear(stdscr);
}

std::string Screen::clean(std::string_view text) const {
  std::string safe = printable(text);
  if (is_ascii(safe)) return safe;
  return unicode_ ? measurable_only(safe) : ascii_only(safe);
}

void Screen::clear() {
  werase(stdscr);
  terminal_->cursor_y = -1;
}

void Screen::put(int y, int x, int width, std::string_view text, Style style, bool under_cursor) {
  width = std::min(width, columns() - x);
  if (y < 0 || y >= rows() || x < 0 || width <= 0) return;
  const std::string cell = fit(clean(text), width);
  const attr_t reverse = under_cursor ? A_REVERSE : A_NORMAL;
  wattrset(stdscr, static_cast<int>(attributes(style, terminal_->colors) | reverse));
  mvwaddnstr(stdscr, y, x, cell.data(), static_cast<int>(cell.size()));
  wattrset(stdscr, A_NORMAL);
}

void Screen::flush() {
  const bool typing = terminal_->cursor_y >= 0;
  curs_set(typing ? 1 : 0);
  if (typing) wmove(stdscr, terminal_->cursor_y, terminal_->cursor_x);
  wrefresh(stdscr);
}

void Screen::forget() {
  clearok(stdscr, TRUE);
}

void Screen::place_cursor(int y, int x) {
  terminal_->cursor_y = std::clamp(y, 0, rows() - 1);
  terminal_->cursor_x = std::clamp(x, 0, columns() - 1);
}

void Screen::set_mouse(bool on) {
  mousemask(on ? BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED : 0, nullptr);
}

std::optional<Input> Screen::read() {
  wint_t code = 0;
  switch (wget_wch(stdscr, &code)) {
    case KEY_CODE_YES: return code == KEY_MOUSE ? mouse_input() : Input{.key = special_key(code)};
    case OK: return Input{.key = plain_key(code)};
    default: return std::nullopt;
  }
}

bool Screen::hung_up() const {
  pollfd input = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, 0) <= 0) return false;
  int waiting = 0;
  ioctl(STDIN_FILENO, FIONREAD, &waiting);
  return (input.revents & (POLLHUP | POLLERR)) || waiting == 0;
}

}  // namespace netsonde
