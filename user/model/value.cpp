// SPDX-License-Identifier: Apache-2.0
#include "user/model/value.h"

#include <fmt/format.h>

#include <algorithm>

namespace netsonde {

namespace {

double as_number(const Value& value) {
  if (const auto* n = std::get_if<std::uint64_t>(&value)) return static_cast<double>(*n);
  if (const auto* d = std::get_if<double>(&value)) return *d;
  return 0;
}

// A recording may claim any time.
Nanos nanos(double value) {
  return Nanos(static_cast<std::int64_t>(std::min(value, 9e18)));
}

std::string human_number(double value, Unit unit) {
  switch (unit) {
    case Unit::Microseconds: return short_duration(nanos(value * 1e3));
    case Unit::Milliseconds: return short_duration(nanos(value * 1e6));
    case Unit::Seconds: return short_duration(nanos(value * 1e9));
    case Unit::Bytes:
    case Unit::BytesPerSecond: return short_bytes(value);
    case Unit::Percent: return value == 0 ? "0" : fmt::format("{:.{}f}", value, value < 10 ? 2 : 1);
    case Unit::PerSecond:
      return value == 0 ? "0" : value < 10 ? fmt::format("{:.1f}", value) : short_count(value);
    case Unit::Count:
    case Unit::Segments: return value < 100'000 ? fmt::format("{:.0f}", value) : short_count(value);
    case Unit::MegabitsPerSecond:
      return fmt::format("{:.{}f}", value, value < 10 ? 2 : value < 100 ? 1 : 0);
    case Unit::None: return fmt::format("{:.0f}", value);
  }
  return {};
}

Value sum(const Value& a, const Value& b) {
  if (const auto* n = std::get_if<std::uint64_t>(&b)) return std::get<std::uint64_t>(a) + *n;
  return as_number(a) + as_number(b);
}

}  // namespace

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::None: return "";
    case Unit::Count: return "count";
    case Unit::Bytes: return "bytes";
    case Unit::BytesPerSecond: return "bytes/s";
    case Unit::PerSecond: return "1/s";
    case Unit::Microseconds: return "us";
    case Unit::Milliseconds: return "ms";
    case Unit::Seconds: return "s";
    case Unit::Percent: return "percent";
    case Unit::Segments: return "segments";
    case Unit::MegabitsPerSecond: return "Mbit/s";
  }
  return "";
}

std::string human(const Value& value, Unit unit) {
  if (is_absent(value)) return "-";
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "yes" : "no";
  if (const auto* text = std::get_if<std::string_view>(&value)) return printable(*text);
  if (const auto* address = std::get_if<Address>(&value)) return to_text(*address);
  if (const auto* time = std::get_if<Timestamp>(&value)) return rfc3339(time->ns);
  return human_number(as_number(value), unit);
}

bool sorts_before(const Value& a, const Value& b, bool descending) {
  if (is_absent(a) || is_absent(b)) return !is_absent(a) && is_absent(b);
  if (a.index() != b.index()) {
    const double left = as_number(a), right = as_number(b);
    return descending ? left > right : left < right;
  }
  return descending ? b < a : a < b;
}

Value combined(const Value& a, const Value& b, Combine how) {
  if (how == Combine::Same) return a == b ? a : Value();
  if (is_absent(b)) return a;
  if (is_absent(a)) return b;
  if (how == Combine::Sum) return sum(a, b);
  const bool larger = as_number(b) > as_number(a);
  return larger == (how == Combine::Max) ? b : a;
}

}  // namespace netsonde
