// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "user/base/result.h"
#include "user/sinks/tui/keys.h"

namespace netsonde {

// Colour says how bad something is and nothing else.
enum class Style : std::uint8_t { Normal, Strong, Dim, Good, Warn, Bad, Title, Bar };

struct Input {
  char32_t key = 0;  // a character, or one of the special keys
  int y = 0, x = 0;  // where the mouse was
};

// The terminal. Owns ncurses, of which there can be one, and gives the terminal back as it was.
class Screen {
 public:
  // Fails when standard input or output is no terminal, or the terminal cannot position its cursor.
  static Result<std::unique_ptr<Screen>> open(bool ascii);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  int rows() const;
  int columns() const;
  // Takes over the size that the terminal has now.
  void resize();

  bool unicode() const { return unicode_; }
  // What of the text this terminal can show: no control characters, and ASCII only where it must
  // be.
  std::string clean(std::string_view text) const;

  // Draws into a frame that shows with flush(). The text is cleaned, and cut or padded to the
  // width.
  void clear();
  // Where the cursor of a list is, it is also shown in reverse.
  void put(int y, int x, int width, std::string_view text, Style style = Style::Normal,
           bool under_cursor = false);
  void flush();
  // Forgets what the terminal shows, for when another program wrote over it.
  void forget();

  // Places the visible cursor of a text that is being typed; clear() hides it again.
  void place_cursor(int y, int x);
  // While it is off, the terminal's own selection of text works.
  void set_mouse(bool on);

  // The next key, if there is one.
  std::optional<Input> read();
  // Nobody will ever type again: the terminal is gone.
  bool hung_up() const;

 private:
  struct Terminal;
  explicit Screen(std::unique_ptr<Terminal> terminal, bool unicode);

  std::unique_ptr<Terminal> terminal_;
  bool unicode_;
};

}  // namespace netsonde
