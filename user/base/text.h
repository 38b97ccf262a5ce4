// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/result.h"
#include "user/base/units.h"

namespace netsonde {

// Bytes from outside as text that is safe on a terminal and in a file: invalid UTF-8 and control
// characters (C0, DEL, C1, bidirectional overrides) become \xNN.
std::string printable(std::string_view untrusted);

// The text of a fixed-size, perhaps unterminated kernel string.
std::string_view fixed_string(std::span<const char> bytes);

// An IP address as the kernel's events hold it: IPv4 is ::ffff:a.b.c.d.
struct Address {
  std::array<std::uint8_t, 16> bytes{};

  static Address from(const std::uint8_t (&raw)[16]);
  bool is_ipv4() const;
  bool is_unspecified() const;
  auto operator<=>(const Address&) const = default;
};

// "192.0.2.1", "2001:db8::1".
std::string to_text(const Address& address);
std::optional<Address> parse_address(std::string_view text);
// The first bits of the address (counted in its own family), the rest zero.
Address prefix_of(const Address& address, int bits);

// At most width characters: "999", "1.2k", "34M" (decimal), "1.5Ki", "3.2Mi" (binary).
std::string short_count(double value);
std::string short_bytes(double value);
// "85us", "1.25ms", "3.4s", "12m", "5h".
std::string short_duration(Nanos span);
// RFC 3339 in UTC with nanoseconds: "2026-11-22T13:16:02.123456789Z".
std::string rfc3339(std::int64_t ns_since_epoch);

// "1500", "64KiB", "10MB", "1GiB": bytes. Fails on a missing number, an unknown unit, or overflow.
Result<std::uint64_t> parse_bytes(std::string_view text);
// "250ms", "1.5s", "2m", "1h", "10us"; without a unit: seconds.
Result<Nanos> parse_duration(std::string_view text);

// How many terminal columns the text takes.
int display_width(std::string_view utf8);
// Cut or padded with spaces to exactly width columns; a cut ends with the mark.
std::string fit(std::string_view utf8, int width, bool right = false, std::string_view mark = "~");
// In lines of at most width columns, broken between words; a longer word has a line of its own.
std::vector<std::string> wrap(std::string_view utf8, int width);

}  // namespace netsonde
