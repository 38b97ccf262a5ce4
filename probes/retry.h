// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "user/base/units.h"
#include "user/model/attempt.h"

namespace netsonde {

struct RetrySettings {
  Nanos base = std::chrono::milliseconds(200);          // the first wait is at most that
  Nanos cap = std::chrono::seconds(10);                 // and any, but for what the server asks
  Nanos longest_retry_after = std::chrono::minutes(1);  // a server that asks for more gets no retry
};

// Whether what failed may go well when tried again, and doing so asks for nothing twice: the HTTP
// method is idempotent (RFC 9110 9.2.2).
bool may_retry(const Attempt& attempt, std::string_view method);

// How long to wait after so many attempts (from 1): exponential back-off with full jitter, after
// what the server asked for. random: in [0, 1). Absent: not to be tried again.
std::optional<Nanos> wait_before_retry(const RetrySettings& settings, unsigned attempts,
                                       std::optional<std::uint64_t> retry_after_s, double random);

// Retries are at most a share of the first attempts, and a few: so a target that fails is not
// asked many times more than one that works. One per target.
class RetryBudget {
 public:
  struct Settings {
    double share = 0.2;    // of first attempts, to 1/1000
    unsigned reserve = 3;  // retries there are before any attempt
    unsigned most = 100;   // retries that attempts which went well can save up
  };

  explicit RetryBudget(const Settings& settings);
  RetryBudget() : RetryBudget(Settings{}) {}

  void note_first_attempt();
  // Whether one more retry may be made, which is then taken as made.
  bool take_retry();

 private:
  std::uint64_t per_attempt_, most_, left_;  // in 1/1000 of a retry
};

// An HTTP-date in any of its three forms (RFC 9110 5.6.7), in seconds since the epoch; now_s tells
// the century of the form that has none.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_s);

// How many seconds a Retry-After header asks to wait: as it says, or until the time that it names,
// counted from the Date header of the same answer, or from now where that is empty or no date.
std::optional<std::uint64_t> parse_retry_after(std::string_view text, std::string_view date,
                                               std::int64_t now_s);

}  // namespace netsonde
