// SPDX-License-Identifier: Apache-2.0
#include "user/base/when.h"

#include <chrono>
#include <limits>
#include <optional>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Takes from the front of a text what it asks for.
class Scan {
 public:
  explicit Scan(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }

  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Exactly so many digits, a number of at most that much.
  std::optional<int> number(std::size_t digits, int most) {
    int value = 0;
    if (rest_.size() < digits) return std::nullopt;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return std::nullopt;
      value = 10 * value + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return value <= most ? std::optional(value) : std::nullopt;
  }
  // ".5" and the like, in nanoseconds; nothing there: 0.
  std::int64_t fraction() {
    std::int64_t ns = 0, unit = kSecond / 10;
    if (!take('.')) return 0;
    for (; !rest_.empty() && is_digit(rest_.front()); rest_.remove_prefix(1), unit /= 10)
      ns += unit * (rest_.front() - '0');
    return ns;
  }

 private:
  std::string_view rest_;
};

// "03:12", "03:12:05.5".
std::optional<std::int64_t> clock(Scan& scan) {
  const auto hour = scan.number(2, 23);
  if (!hour || !scan.take(':')) return std::nullopt;
  const auto minute = scan.number(2, 59);
  if (!minute) return std::nullopt;
  std::int64_t ns = (*hour * 3600 + *minute * 60) * kSecond;
  if (!scan.take(':')) return ns;
  const auto second = scan.number(2, 60);
  if (!second) return std::nullopt;
  return ns + *second * kSecond + scan.fraction();
}

// What to take off to have UTC.
std::optional<std::int64_t> zone(Scan& scan) {
  if (scan.done() || scan.take('Z') || scan.take('z')) return 0;
  const bool east = scan.take('+');
  if (!east && !scan.take('-')) return std::nullopt;
  const auto hour = scan.number(2, 23);
  scan.take(':');
  const auto minute = scan.number(2, 59);
  if (!hour || !minute) return std::nullopt;
  return (east ? 1 : -1) * std::int64_t{*hour * 3600 + *minute * 60} * kSecond;
}

std::optional<std::int64_t> date(Scan& scan) {
  const auto year = scan.number(4, 2261);  // what nanoseconds since the epoch can tell
  if (!year || *year < 1970 || !scan.take('-')) return std::nullopt;
  const auto month = scan.number(2, 12);
  if (!month || !scan.take('-')) return std::nullopt;
  const auto day = scan.number(2, 31);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDay;
}

std::optional<std::int64_t> moment(std::string_view text) {
  Scan scan(text);
  const auto day = date(scan);
  if (!day || (!scan.take('T') && !scan.take('t') && !scan.take(' '))) return std::nullopt;
  const auto time = clock(scan);
  if (!time) return std::nullopt;
  const auto offset = zone(scan);
  return offset && scan.done() ? std::optional(*day + *time - *offset) : std::nullopt;
}

std::optional<std::int64_t> time_of_day(std::string_view text) {
  Scan scan(text);
  const auto time = clock(scan);
  if (time) scan.take('Z');
  return scan.done() ? time : std::nullopt;
}

}  // namespace

Result<When> When::parse(std::string_view text) {
  if (const auto ns = moment(text)) return When(Kind::Absolute, *ns);
  if (const auto ns = time_of_day(text)) return When(Kind::OfDay, *ns);
  const bool after = text.starts_with('+');
  auto span = parse_duration(after || text.starts_with('-') ? text.substr(1) : text);
  if (!span)
    return Error("'" + printable(text) +
                 "' is no time; try 03:12, 2026-11-22T03:12:05Z, 15m (before the end) or +30s "
                 "(after the begin)");
  return When(after ? Kind::AfterBegin : Kind::BeforeEnd, span.value().count());
}

std::int64_t When::in(std::int64_t begin_ns, std::int64_t end_ns) const {
  switch (kind_) {
    case Kind::Absolute: break;
    case Kind::OfDay: {
      const std::int64_t today = end_ns - end_ns % kDay + ns_;
      return today <= end_ns ? today : today - kDay;
    }
    case Kind::BeforeEnd: return end_ns - ns_;
    case Kind::AfterBegin: {
      constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
      return begin_ns > kMost - ns_ ? kMost : begin_ns + ns_;
    }
  }
  return ns_;
}

}  // namespace netsonde
