// SPDX-License-Identifier: Apache-2.0
#include "user/model/filter_value.h"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>
#include <map>
#include <span>
#include <vector>

#include "user/base/text.h"

namespace netsonde {

namespace {

struct Scale {
  std::string_view name;
  double factor;
};

constexpr std::array kTimes = {
    Scale{.name = "ns", .factor = 1},    Scale{.name = "us", .factor = 1e3},
    Scale{.name = "ms", .factor = 1e6},  Scale{.name = "s", .factor = 1e9},
    Scale{.name = "m", .factor = 60e9},  Scale{.name = "min", .factor = 60e9},
    Scale{.name = "h", .factor = 36e11}, Scale{.name = "d", .factor = 864e11},
};

constexpr std::array kBytes = {
    Scale{.name = "B", .factor = 1},         Scale{.name = "kB", .factor = 1e3},
    Scale{.name = "KB", .factor = 1e3},      Scale{.name = "MB", .factor = 1e6},
    Scale{.name = "GB", .factor = 1e9},      Scale{.name = "TB", .factor = 1e12},
    Scale{.name = "KiB", .factor = 1 << 10}, Scale{.name = "MiB", .factor = 1 << 20},
    Scale{.name = "GiB", .factor = 1 << 30}, Scale{.name = "TiB", .factor = 1LL << 40},
    Scale{.name = "k", .factor = 1e3},       Scale{.name = "M", .factor = 1e6},
    Scale{.name = "G", .factor = 1e9},       Scale{.name = "Ki", .factor = 1 << 10},
    Scale{.name = "Mi", .factor = 1 << 20},  Scale{.name = "Gi", .factor = 1 << 30},
};

constexpr std::array kBits = {
    Scale{.name = "bit", .factor = 1.0 / 8},
    Scale{.name = "kbit", .factor = 1e3 / 8},
    Scale{.name = "Mbit", .factor = 1e6 / 8},
    Scale{.name = "Gbit", .factor = 1e9 / 8},
};

constexpr std::array kCounts = {
    Scale{.name = "k", .factor = 1e3},
    Scale{.name = "M", .factor = 1e6},
    Scale{.name = "G", .factor = 1e9},
};

constexpr std::array kPercents = {Scale{.name = "%", .factor = 1}};

std::optional<double> factor_in(std::span<const Scale> scales, std::string_view name) {
  for (const Scale& scale : scales)
    if (scale.name == name) return scale.factor;
  return std::nullopt;
}

std::string_view without_per_second(std::string_view name) {
  if (name.ends_with("/s")) name.remove_suffix(2);
  return name;
}

std::optional<double> time_factor(std::string_view name, double own_unit_ns) {
  const std::optional<double> ns = factor_in(kTimes, name);
  return ns ? std::optional(*ns / own_unit_ns) : std::nullopt;
}

std::optional<double> rate_factor(std::string_view name) {
  name = without_per_second(name);
  if (name.empty()) return 1;
  const std::optional<double> bytes = factor_in(kBytes, name);
  return bytes ? bytes : factor_in(kBits, name);
}

// How many of the field's own unit one of the named unit is.
std::optional<double> factor_of(Unit unit, std::string_view name) {
  switch (unit) {
    case Unit::Microseconds: return time_factor(name, 1e3);
    case Unit::Milliseconds: return time_factor(name, 1e6);
    case Unit::Seconds: return time_factor(name, 1e9);
    case Unit::Bytes: return factor_in(kBytes, name);
    case Unit::BytesPerSecond: return rate_factor(name);
    case Unit::Percent: return factor_in(kPercents, name);
    case Unit::PerSecond:
      return name == "/s" ? std::optional(1.0) : factor_in(kCounts, without_per_second(name));
    case Unit::Count:
    case Unit::Segments: return factor_in(kCounts, name);
    case Unit::MegabitsPerSecond:
    case Unit::None: return std::nullopt;
  }
  return std::nullopt;
}

std::string_view units_of(Unit unit) {
  switch (unit) {
    case Unit::Microseconds:
    case Unit::Milliseconds:
    case Unit::Seconds: return "ns, us, ms, s, m, h, d";
    case Unit::Bytes: return "B, kB, MB, GB, TB, KiB, MiB, GiB, TiB";
    case Unit::BytesPerSecond:
      return "B, kB, MB, GB, KiB, MiB, GiB, bit, kbit, Mbit, Gbit, each also with /s";
    case Unit::Percent: return "%";
    case Unit::PerSecond: return "k, M, G, /s";
    case Unit::Count:
    case Unit::Segments: return "k, M, G";
    case Unit::MegabitsPerSecond:
    case Unit::None: break;
  }
  return "no unit";
}

// 0.57s is 570 ms and not a little less: units and the decimal point must not miss a whole number.
double snapped(double value) {
  const double nearest = std::round(value);
  return std::abs(value - nearest) <= 1e-12 * nearest ? nearest : value;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool begins_number(std::string_view text) {
  if (text.starts_with('.')) text.remove_prefix(1);
  return !text.empty() && is_digit(text[0]);
}

Result<Operand> parse_number(const FilterTarget& target, const std::string& text) {
  if (!begins_number(text))
    return Error(fmt::format("expected a number for '{}' (units: {}), found '{}'", target.name,
                             units_of(target.unit), printable(text)));
  const char* const end = text.data() + text.size();
  std::uint64_t whole = 0;
  if (const auto parsed = std::from_chars(text.data(), end, whole);
      parsed.ptr == end && parsed.ec == std::errc())
    return Operand(Number{.value = static_cast<double>(whole), .whole = whole});
  Number number;
  const auto parsed = std::from_chars(text.data(), end, number.value);
  if (parsed.ec != std::errc())
    return Error(fmt::format("expected a smaller number than '{}'", printable(text)));
  if (parsed.ptr == end) return Operand(number);
  const std::string_view unit(parsed.ptr, end);
  const std::optional<double> factor = factor_of(target.unit, unit);
  if (!factor)
    return Error(fmt::format("'{}' does not fit '{}', which takes {}", printable(unit), target.name,
                             units_of(target.unit)));
  number.value = snapped(number.value * *factor);
  return Operand(number);
}

Result<Operand> parse_flag(const FilterTarget& target, const std::string& text) {
  for (const char* yes : {"yes", "true"})
    if (strcasecmp(text.c_str(), yes) == 0) return Operand(true);
  for (const char* no : {"no", "false"})
    if (strcasecmp(text.c_str(), no) == 0) return Operand(false);
  return Error(fmt::format("expected yes, no, true or false for '{}', found '{}'", target.name,
                           printable(text)));
}

Result<Operand> parse_network(const std::string& text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::optional<Address> address = parse_address(std::string_view(text).substr(0, slash));
  if (!address)
    return Error(
        fmt::format("expected an address or a network such as 10.0.0.0/8 or 2001:db8::/32, "
                    "found '{}'",
                    printable(text)));
  const bool dotted = text.find(':') == std::string::npos;
  const int longest = dotted ? 32 : 128;
  int bits = longest;
  if (slash < text.size()) {
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + slash + 1, end, bits);
    if (parsed.ec != std::errc() || parsed.ptr != end || bits < 0 || bits > longest)
      return Error(fmt::format("expected a prefix length from 0 to {} behind the slash in '{}'",
                               longest, printable(text)));
  }
  Network network;
  for (int bit = 0; bit < bits + (dotted ? 96 : 0); ++bit)
    network.mask.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
  for (std::size_t i = 0; i < network.mask.bytes.size(); ++i)
    network.value.bytes[i] = address->bytes[i] & network.mask.bytes[i];
  return Operand(network);
}

Result<Operand> parse_word(const FilterTarget& target, const std::string& text) {
  // As the live view abbreviates them.
  const auto limit = std::find_if(kLimits.begin(), kLimits.end(),
                                  [&](Limit l) { return short_limit_name(l) == text; });
  const std::string word = limit == kLimits.end() ? text : std::string(limit_name(*limit));
  for (const std::string_view known : target.words)
    if (known.size() == word.size() && strncasecmp(known.data(), word.data(), word.size()) == 0)
      return Operand(word);
  return Error(fmt::format("expected one of {} for '{}', found '{}'", fmt::join(target.words, ", "),
                           target.name, printable(text)));
}

// RFC 3339 in UTC, as we print it: 2026-11-22T13:16:02.5Z.
Result<Operand> parse_time(const FilterTarget& target, const std::string& text) {
  std::tm utc = {};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::int64_t nanos = 0;
  if (rest && *rest == '.') {
    std::int64_t digit = 100'000'000;
    for (++rest; is_digit(*rest); ++rest, digit /= 10) nanos += (*rest - '0') * digit;
  }
  if (!rest || std::string_view(rest) != "Z" || utc.tm_year < 70 || utc.tm_year > 300)
    return Error(fmt::format("expected a time such as 2026-11-22T13:16:02Z for '{}', found '{}'",
                             target.name, printable(text)));
  return Operand(Timestamp{static_cast<std::int64_t>(timegm(&utc)) * 1'000'000'000 + nanos});
}

// The C library unrolls counts, and x+ into xx*: an upper bound of what becomes of the pattern.
bool is_small(std::string_view pattern) {
  constexpr double kLongest = 1024, kLimit = 10'000;
  double size = static_cast<double>(pattern.size());
  if (size > kLongest) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '+') size *= 2;
    if (pattern[i] != '{') continue;
    double count = 0, most = 1;
    for (; i + 1 < pattern.size() && (is_digit(pattern[i + 1]) || pattern[i + 1] == ','); ++i) {
      count = pattern[i + 1] == ',' ? 0 : count * 10 + (pattern[i + 1] - '0');
      most = std::max(most, count);
    }
    size *= most + 1;
  }
  return size <= kLimit;
}

bool has_back_reference(std::string_view pattern) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i)
    if (pattern[i] == '\\' && is_digit(pattern[++i])) return true;
  return false;
}

}  // namespace

FieldKind kind_of(const Field& field) {
  if (field.unit != Unit::None || !field.get) return FieldKind::Number;
  // A connection of which everything is known shows what a field without a unit holds.
  Connection connection;
  std::memset(&connection.last, 1, sizeof(connection.last));
  connection.last.conn.direction = EV_OUT;
  connection.sampled = connection.limit_known = true;
  connection.closed_ns = 1;
  Names names;
  names.learn_cgroup(connection.last.conn.cgroup,
                     [](std::uint64_t) { return "/" + std::string(64, 'a'); });
  const Value value = field.get({connection, names, Time(), 0});
  assert(!is_absent(value));
  if (std::holds_alternative<bool>(value)) return FieldKind::Flag;
  if (std::holds_alternative<Address>(value)) return FieldKind::Address;
  if (std::holds_alternative<Timestamp>(value)) return FieldKind::Time;
  return std::holds_alternative<std::string_view>(value) ? FieldKind::Text : FieldKind::Number;
}

std::span<const std::string_view> words_of(const Field& field) {
  using Words = std::vector<std::string_view>;
  static const std::map<std::string_view, Words> kWords = [] {
    std::map<std::string_view, Words> words = {
        {"family", {"ipv4", "ipv6"}},
        {"direction", {"in", "out"}},
        {"owner_source", {"listener", "file", "exact"}},
        {"end",
         {"fin", "reset_sent", "reset_received", "timeout", "refused", "unreachable", "aborted"}}};
    // The last is a half-open request, shown as SYN_RECV too.
    for (std::uint8_t state = 1; state + 1U < kTcpStates; ++state)
      words["state"].push_back(state_name(state));
    for (std::uint8_t state = 0; state < kCongestionStates; ++state)
      words["congestion_state"].push_back(congestion_state_name(state));
    for (const Limit limit : kLimits) words["limited_by"].push_back(limit_name(limit));
    return words;
  }();
  const auto found = kWords.find(field.id);
  return found == kWords.end() ? std::span<const std::string_view>() : found->second;
}

bool Network::contains(const Address& address) const {
  for (std::size_t i = 0; i < mask.bytes.size(); ++i)
    if ((address.bytes[i] & mask.bytes[i]) != value.bytes[i]) return false;
  return address.is_ipv4() == value.is_ipv4();
}

Result<Regex> Regex::compile(const std::string& pattern, bool ignore_case) {
  if (has_back_reference(pattern))
    return Error("expected a regular expression without back-references");
  if (!is_small(pattern))
    return Error("expected a shorter regular expression, or smaller repetitions in it");
  auto compiled = std::make_unique<regex_t>();
  const int flags = REG_EXTENDED | REG_NOSUB | (ignore_case ? REG_ICASE : 0);
  if (const int error = regcomp(compiled.get(), pattern.c_str(), flags)) {
    std::array<char, 128> why{};
    regerror(error, compiled.get(), why.data(), why.size());
    return Error(fmt::format("expected a regular expression: {}", why.data()));
  }
  Regex regex;
  regex.compiled_.reset(compiled.release());
  return regex;
}

bool Regex::matches(std::string_view text) const {
  // With REG_STARTEND the text needs no terminator.
  regmatch_t range = {.rm_so = 0, .rm_eo = static_cast<regoff_t>(text.size())};
  return regexec(compiled_.get(), text.data(), 0, &range, REG_STARTEND) == 0;
}

void Regex::Free::operator()(regex_t* compiled) const {
  regfree(compiled);
  delete compiled;
}

Result<Operand> parse_operand(const FilterTarget& target, const std::string& text) {
  switch (target.kind) {
    case FieldKind::Number: return parse_number(target, text);
    case FieldKind::Flag: return parse_flag(target, text);
    case FieldKind::Address: return parse_network(text);
    case FieldKind::Time: return parse_time(target, text);
    case FieldKind::Text: break;
  }
  return target.words.empty() ? Operand(text) : parse_word(target, text);
}

}  // namespace netsonde
