// SPDX-License-Identifier: Apache-2.0
#include "probes/retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <span>

namespace netsonde {

namespace {

constexpr std::uint64_t kRetry = 1000;      // what one takes from the budget
constexpr std::int64_t kYear = 31'556'952;  // seconds, of the Gregorian calendar's mean

constexpr std::array<std::string_view, 6> kIdempotent = {"GET", "HEAD",   "OPTIONS",
                                                         "PUT", "DELETE", "TRACE"};
constexpr std::array kPassingStatuses = {429, 500, 502, 503, 504};

constexpr std::array<std::string_view, 7> kDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                   "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes from the front of a text what it asks for; what is not there fails all of it.
class Scan {
 public:
  explicit Scan(std::string_view text) : rest_(text) {}
  bool complete() const { return good_ && rest_.empty(); }

  void literal(std::string_view text) {
    good_ = good_ && rest_.starts_with(text);
    if (good_) rest_.remove_prefix(text.size());
  }
  // Exactly so many digits.
  int number(std::size_t digits) {
    int value = 0;
    good_ = good_ && rest_.size() >= digits;
    for (std::size_t i = 0; good_ && i < digits; ++i) {
      good_ = rest_[i] >= '0' && rest_[i] <= '9';
      value = 10 * value + (rest_[i] - '0');
    }
    if (good_) rest_.remove_prefix(digits);
    return value;
  }
  // Which of the words, of each at most so many letters.
  unsigned word(std::span<const std::string_view> words, std::size_t letters) {
    for (unsigned i = 0; good_ && i < words.size(); ++i) {
      const std::string_view word = words[i].substr(0, letters);
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return i;
    }
    good_ = false;
    return 0;
  }
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

struct DateParts {
  int year = 0;
  unsigned month = 0;  // from 0
  int day = 0, hour = 0, minute = 0, second = 0;
};

void take_clock(Scan& scan, DateParts& parts) {
  parts.hour = scan.number(2);
  scan.literal(":");
  parts.minute = scan.number(2);
  scan.literal(":");
  parts.second = scan.number(2);
}

// "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"
std::optional<DateParts> comma_date(std::string_view text, bool short_form) {
  Scan scan(text);
  DateParts parts;
  const std::string_view separator = short_form ? " " : "-";
  scan.word(kDays, short_form ? 3 : std::string_view::npos);
  scan.literal(", ");
  parts.day = scan.number(2);
  scan.literal(separator);
  parts.month = scan.word(kMonths, 3);
  scan.literal(separator);
  parts.year = scan.number(short_form ? 4 : 2);
  scan.literal(" ");
  take_clock(scan, parts);
  scan.literal(" GMT");
  return scan.complete() ? std::optional(parts) : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994"
std::optional<DateParts> asctime_date(std::string_view text) {
  Scan scan(text);
  DateParts parts;
  scan.word(kDays, 3);
  scan.literal(" ");
  parts.month = scan.word(kMonths, 3);
  scan.literal(" ");
  const bool one_digit = scan.next_is(' ');
  if (one_digit) scan.literal(" ");
  parts.day = scan.number(one_digit ? 1 : 2);
  scan.literal(" ");
  take_clock(scan, parts);
  scan.literal(" ");
  parts.year = scan.number(4);
  return scan.complete() ? std::optional(parts) : std::nullopt;
}

std::optional<std::int64_t> seconds_of(const DateParts& parts) {
  const std::chrono::year_month_day date(std::chrono::year(parts.year),
                                         std::chrono::month(parts.month + 1),
                                         std::chrono::day(static_cast<unsigned>(parts.day)));
  if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 + parts.hour) * 60 + parts.minute) * 60 + parts.second;
}

// Of the years that end like that, the last that is not more than 50 years ahead.
std::optional<std::int64_t> seconds_in_century(DateParts parts, std::int64_t now_s) {
  const auto century = static_cast<int>((1970 + now_s / kYear) / 100);
  const int digits = parts.year;
  for (int ahead = 1; ahead >= -1; --ahead) {
    parts.year = (century + ahead) * 100 + digits;
    const auto seconds = seconds_of(parts);
    if (seconds && *seconds <= now_s + 50 * kYear) return seconds;
  }
  return std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

bool before_an_answer(const Attempt& attempt) {
  return attempt.failure->phase != ProbePhase::Transfer && !(attempt.http && attempt.http->status);
}

}  // namespace

bool may_retry(const Attempt& attempt, std::string_view method) {
  if (!attempt.failure || std::ranges::find(kIdempotent, method) == kIdempotent.end()) return false;
  switch (attempt.failure->kind) {
    case FailureKind::DnsTimeout:
    case FailureKind::DnsServfail:
    case FailureKind::ConnectRefused:
    case FailureKind::ConnectTimeout:
    case FailureKind::ConnectUnreachable: return true;
    case FailureKind::Reset:
    case FailureKind::Closed: return before_an_answer(attempt);
    case FailureKind::HttpStatus:
      return attempt.http && attempt.http->status &&
             std::ranges::find(kPassingStatuses, *attempt.http->status) != kPassingStatuses.end();
    default: return false;
  }
}

std::optional<Nanos> wait_before_retry(const RetrySettings& settings, unsigned attempts,
                                       std::optional<std::uint64_t> retry_after_s, double random) {
  const std::uint64_t asked_s = retry_after_s.value_or(0);
  if (static_cast<double>(asked_s) > seconds(settings.longest_retry_after)) return std::nullopt;
  Nanos most = std::min(settings.base, settings.cap);
  for (unsigned i = 1; i < attempts && most < settings.cap; ++i)
    most = most > settings.cap / 2 ? settings.cap : most * 2;
  const Nanos jitter(std::llround(static_cast<double>(most.count()) * random));
  return std::chrono::seconds(asked_s) + jitter;
}

RetryBudget::RetryBudget(const Settings& settings)
    : per_attempt_(static_cast<std::uint64_t>(std::llround(settings.share * kRetry))),
      most_(kRetry * std::max(settings.most, settings.reserve)),
      left_(kRetry * settings.reserve) {}

void RetryBudget::note_first_attempt() {
  left_ = std::min(left_ + per_attempt_, most_);
}

bool RetryBudget::take_retry() {
  if (left_ < kRetry) return false;
  left_ -= kRetry;
  return true;
}

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_s) {
  if (const auto parts = comma_date(text, true)) return seconds_of(*parts);
  if (const auto parts = comma_date(text, false)) return seconds_in_century(*parts, now_s);
  if (const auto parts = asctime_date(text)) return seconds_of(*parts);
  return std::nullopt;
}

std::optional<std::uint64_t> parse_retry_after(std::string_view text, std::string_view date,
                                               std::int64_t now_s) {
  text = trimmed(text);
  std::uint64_t seconds = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, seconds);
  if (parsed.ptr == end && parsed.ec == std::errc()) return seconds;
  if (parsed.ptr == end && parsed.ec == std::errc::result_out_of_range)
    return std::numeric_limits<std::uint64_t>::max();
  const auto until = parse_http_date(text, now_s);
  if (!until) return std::nullopt;
  const std::int64_t from = parse_http_date(trimmed(date), now_s).value_or(now_s);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(*until - from, 0));
}

}  // namespace netsonde
