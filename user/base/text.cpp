// SPDX-License-Identifier: Apache-2.0
#include "user/base/text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>
#include <cwchar>

namespace netsonde {

namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  // 0: not valid UTF-8
};

CodePoint decode_utf8(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return {};
  char32_t value = lead & (0xff >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {};
    value = value << 6 | (byte & 0x3f);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value > 0x10ffff) return {};
  return {value, length};
}

bool is_control(char32_t c) {
  const bool bidi = (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
                    c == 0x200f || c == 0x061c || c == 0x2028 || c == 0x2029 || c == 0xfeff;
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || bidi;
}

// A number and the rest of the text behind it.
Result<std::pair<double, std::string_view>> split_number(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0)
    return Error(fmt::format("'{}' does not begin with a number", printable(text)));
  return std::pair(number, text.substr(end - text.data()));
}

struct Scale {
  std::string_view name;
  double factor;
};

Result<double> scaled(std::string_view text, std::span<const Scale> scales, std::string_view what) {
  const auto [number, unit] = TRY(split_number(text));
  for (const Scale& scale : scales)
    if (scale.name == unit) return number * scale.factor;
  std::string known;
  for (const Scale& scale : scales)
    if (!scale.name.empty()) known += (known.empty() ? "" : ", ") + std::string(scale.name);
  return Error(fmt::format("'{}' is no unit of {}; known: {}", printable(unit), what, known));
}

std::string short_number(double value, double base, std::span<const std::string_view> suffixes) {
  std::size_t step = 0;
  while (std::abs(value) >= base * 0.9995 && step + 1 < suffixes.size()) {
    value /= base;
    ++step;
  }
  const int digits = step == 0 || std::abs(value) >= 99.95 ? 0 : 1;
  return fmt::format("{:.{}f}{}", value, digits, suffixes[step]);
}

}  // namespace

std::string printable(std::string_view untrusted) {
  std::string text;
  text.reserve(untrusted.size());
  while (!untrusted.empty()) {
    const CodePoint point = decode_utf8(untrusted);
    const std::size_t length = std::max<std::size_t>(point.length, 1);
    if (point.length && !is_control(point.value)) {
      text += untrusted.substr(0, length);
    } else {
      for (const char byte : untrusted.substr(0, length))
        text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
    untrusted.remove_prefix(length);
  }
  return text;
}

std::string_view fixed_string(std::span<const char> bytes) {
  return {bytes.data(), strnlen(bytes.data(), bytes.size())};
}

Address Address::from(const std::uint8_t (&raw)[16]) {
  Address address;
  std::copy(std::begin(raw), std::end(raw), address.bytes.begin());
  return address;
}

bool Address::is_ipv4() const {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0,    0,
                                                           0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kMapped.begin(), kMapped.end(), bytes.begin());
}

bool Address::is_unspecified() const {
  const auto begin = bytes.begin() + (is_ipv4() ? 12 : 0);
  return std::all_of(begin, bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool ipv4 = address.is_ipv4();
  inet_ntop(ipv4 ? AF_INET : AF_INET6, address.bytes.data() + (ipv4 ? 12 : 0), text.data(),
            text.size());
  return text.data();
}

std::optional<Address> parse_address(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  Address address;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  address = {};
  address.bytes[10] = address.bytes[11] = 0xff;
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + 12) == 1) return address;
  return std::nullopt;
}

Address prefix_of(const Address& address, int bits) {
  Address prefix = address;
  const int first = address.is_ipv4() ? 96 : 0;
  for (int i = first + bits; i < 128; ++i)
    prefix.bytes[i / 8] &= static_cast<std::uint8_t>(~(0x80 >> (i % 8)));
  return prefix;
}

std::string short_count(double value) {
  static constexpr std::array<std::string_view, 6> kSuffixes = {"", "k", "M", "G", "T", "P"};
  return short_number(value, 1000, kSuffixes);
}

std::string short_bytes(double value) {
  static constexpr std::array<std::string_view, 6> kSuffixes = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
  return short_number(value, 1024, kSuffixes);
}

std::string short_duration(Nanos span) {
  const double us = static_cast<double>(span.count()) / 1e3;
  if (us < 1) return us > 0 ? "<1us" : "0us";
  if (us < 999.5) return fmt::format("{:.0f}us", us);
  if (us < 99'950) return fmt::format("{:.{}f}ms", us / 1e3, us < 9'995 ? 2 : 1);
  if (us < 999'500) return fmt::format("{:.0f}ms", us / 1e3);
  if (us < 119.5e6) return fmt::format("{:.{}f}s", us / 1e6, us < 9.95e6 ? 1 : 0);
  if (us < 7200e6) return fmt::format("{:.0f}m", us / 60e6);
  if (us < 172800e6) return fmt::format("{:.0f}h", us / 3600e6);
  return fmt::format("{:.0f}d", us / 86400e6);
}

std::string rfc3339(std::int64_t ns_since_epoch) {
  std::time_t second = ns_since_epoch / 1'000'000'000;
  std::int64_t nanos = ns_since_epoch % 1'000'000'000;
  if (nanos < 0) {
    nanos += 1'000'000'000;
    --second;
  }
  std::tm utc = {};
  gmtime_r(&second, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, nanos);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  static constexpr std::array kScales = {
      Scale{"", 1},
      Scale{"B", 1},
      Scale{"kB", 1e3},
      Scale{"KB", 1e3},
      Scale{"MB", 1e6},
      Scale{"GB", 1e9},
      Scale{"TB", 1e12},
      Scale{"KiB", 1024.0},
      Scale{"MiB", 1 << 20},
      Scale{"GiB", 1 << 30},
      Scale{"TiB", 1099511627776.0},
      Scale{"k", 1e3},
      Scale{"M", 1e6},
      Scale{"G", 1e9},
      Scale{"Ki", 1024.0},
      Scale{"Mi", 1 << 20},
      Scale{"Gi", 1 << 30},
  };
  const double bytes = TRY(scaled(text, kScales, "bytes"));
  if (bytes >= 1.8e19) return Error(fmt::format("'{}' is too large", printable(text)));
  return static_cast<std::uint64_t>(std::round(bytes));
}

Result<Nanos> parse_duration(std::string_view text) {
  static constexpr std::array kScales = {
      Scale{"", 1e9},     Scale{"ns", 1},     Scale{"us", 1e3},
      Scale{"ms", 1e6},   Scale{"s", 1e9},    Scale{"m", 60e9},
      Scale{"min", 60e9}, Scale{"h", 3600e9}, Scale{"d", 86400e9},
  };
  const double ns = TRY(scaled(text, kScales, "time"));
  if (ns >= 9.2e18) return Error(fmt::format("'{}' is too long", printable(text)));
  return Nanos(std::llround(ns));
}

int display_width(std::string_view utf8) {
  int width = 0;
  while (!utf8.empty()) {
    const CodePoint point = decode_utf8(utf8);
    const std::size_t length = std::max<std::size_t>(point.length, 1);
    // -1: the locale does not know the character; a terminal shows something for it.
    const int columns = point.length ? wcwidth(static_cast<wchar_t>(point.value)) : 1;
    width += columns < 0 ? 1 : columns;
    utf8.remove_prefix(length);
  }
  return width;
}

std::string fit(std::string_view utf8, int width, bool right, std::string_view mark) {
  if (width <= 0) return {};
  const int full = display_width(utf8);
  std::string text(utf8);
  if (full > width) {
    text.clear();
    int used = 0;
    while (!utf8.empty()) {
      const std::size_t length = std::max<std::size_t>(decode_utf8(utf8).length, 1);
      const int columns = display_width(utf8.substr(0, length));
      if (used + columns > width - display_width(mark)) break;
      text += utf8.substr(0, length);
      used += columns;
      utf8.remove_prefix(length);
    }
    text += mark;
  }
  const std::string padding(std::max(width - display_width(text), 0), ' ');
  return right ? padding + text : text + padding;
}

std::vector<std::string> wrap(std::string_view utf8, int width) {
  std::vector<std::string> lines(1);
  int column = 0;
  while (!utf8.empty()) {
    const std::size_t space = std::min(utf8.find(' '), utf8.size());
    const std::string_view word = utf8.substr(0, space);
    const int length = display_width(word);
    if (column > 0 && column + 1 + length > width) {
      lines.emplace_back();
      column = 0;
    } else if (column > 0) {
      lines.back() += ' ';
      ++column;
    }
    lines.back() += word;
    column += length;
    utf8.remove_prefix(std::min(space + 1, utf8.size()));
  }
  return lines;
}

}  // namespace netsonde
