// SPDX-License-Identifier: Apache-2.0
#include "probes/retry.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace netsonde {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kNow = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT

Attempt failed(FailureKind kind, ProbePhase phase = ProbePhase::Connect) {
  Attempt attempt;
  attempt.failure = Failure{.phase = phase, .kind = kind, .detail = ""};
  return attempt;
}

Attempt answered(int status, FailureKind kind = FailureKind::HttpStatus) {
  Attempt attempt = failed(kind, ProbePhase::Response);
  attempt.http = HttpFacts{.status = status};
  return attempt;
}

TEST(MayRetry, WhatMayPassByItselfIsTriedAgain) {
  for (const FailureKind kind :
       {FailureKind::DnsTimeout, FailureKind::DnsServfail, FailureKind::ConnectRefused,
        FailureKind::ConnectTimeout, FailureKind::ConnectUnreachable, FailureKind::Reset,
        FailureKind::Closed})
    EXPECT_TRUE(may_retry(failed(kind), "GET")) << name_of(kind);
}

TEST(MayRetry, WhatStaysAsItIsIsNot) {
  for (const FailureKind kind :
       {FailureKind::DnsNxdomain, FailureKind::DnsRefused, FailureKind::DnsNoAddress,
        FailureKind::DnsName, FailureKind::ConnectLocal, FailureKind::TlsCertificate,
        FailureKind::TlsProtocol, FailureKind::HttpTimeout, FailureKind::HttpTruncated,
        FailureKind::TooLarge, FailureKind::CircuitOpen, FailureKind::Unsupported})
    EXPECT_FALSE(may_retry(failed(kind), "GET")) << name_of(kind);
}

TEST(MayRetry, WhatDidNotFailIsNot) {
  EXPECT_FALSE(may_retry(Attempt{}, "GET"));
}

TEST(MayRetry, StatusesThatPassAre) {
  for (const int status : {429, 500, 502, 503, 504})
    EXPECT_TRUE(may_retry(answered(status), "GET")) << status;
  for (const int status : {400, 401, 403, 404, 410, 501, 505})
    EXPECT_FALSE(may_retry(answered(status), "GET")) << status;
  EXPECT_FALSE(may_retry(failed(FailureKind::HttpStatus), "GET"));
}

TEST(MayRetry, AnAnswerThatBrokeOffIsNot) {
  EXPECT_FALSE(may_retry(failed(FailureKind::Reset, ProbePhase::Transfer), "GET"));
  EXPECT_FALSE(may_retry(answered(200, FailureKind::Reset), "GET"));
}

TEST(MayRetry, OnlyIdempotentMethodsAre) {
  for (const char* method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
    EXPECT_TRUE(may_retry(answered(503), method)) << method;
  for (const char* method : {"POST", "PATCH", "CONNECT", "get", ""}) {
    EXPECT_FALSE(may_retry(answered(503), method)) << method;
    EXPECT_FALSE(may_retry(failed(FailureKind::ConnectRefused), method)) << method;
  }
}

TEST(RetryWait, DoublesUpToItsCap) {
  const RetrySettings settings{.base = milliseconds(100), .cap = milliseconds(500)};
  const auto middle = [&](unsigned attempts) {
    return wait_before_retry(settings, attempts, std::nullopt, 0.5);
  };
  EXPECT_EQ(middle(1), milliseconds(50));
  EXPECT_EQ(middle(2), milliseconds(100));
  EXPECT_EQ(middle(3), milliseconds(200));
  EXPECT_EQ(middle(4), milliseconds(250));
  EXPECT_EQ(middle(std::numeric_limits<unsigned>::max()), milliseconds(250));
}

TEST(RetryWait, IsAnywhereFromNothingToItsMost) {
  const RetrySettings settings{.base = milliseconds(100), .cap = seconds(1)};
  EXPECT_EQ(wait_before_retry(settings, 1, std::nullopt, 0), Nanos(0));
  EXPECT_EQ(wait_before_retry(settings, 1, std::nullopt, 0.99), milliseconds(99));
}

TEST(RetryWait, NoCapIsTooLong) {
  const RetrySettings settings{.base = seconds(1), .cap = Nanos::max()};
  const auto wait = wait_before_retry(settings, 1000, std::nullopt, 0.5);
  ASSERT_TRUE(wait);
  EXPECT_GT(*wait, Nanos::max() / 3);
}

TEST(RetryWait, WhatTheServerAsksForIsTheLeast) {
  const RetrySettings settings{.base = milliseconds(100), .cap = seconds(1)};
  EXPECT_EQ(wait_before_retry(settings, 1, 30, 0), seconds(30));
  EXPECT_EQ(wait_before_retry(settings, 1, 30, 0.5), seconds(30) + milliseconds(50));
  EXPECT_EQ(wait_before_retry(settings, 1, 0, 0.5), milliseconds(50));
}

TEST(RetryWait, AServerThatAsksForTooLongIsNotAskedAgain) {
  const RetrySettings settings{.longest_retry_after = minutes(1)};
  EXPECT_TRUE(wait_before_retry(settings, 1, 60, 0));
  EXPECT_FALSE(wait_before_retry(settings, 1, 61, 0));
  EXPECT_FALSE(wait_before_retry(settings, 1, std::numeric_limits<std::uint64_t>::max(), 0));
}

TEST(RetryBudget, HasAReserve) {
  RetryBudget budget;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.take_retry());
  EXPECT_FALSE(budget.take_retry());
}

TEST(RetryBudget, OneRetryInFiveAttempts) {
  RetryBudget budget({.reserve = 0});
  int retries = 0;
  for (int i = 0; i < 1000; ++i) {
    budget.note_first_attempt();
    while (budget.take_retry()) ++retries;
  }
  EXPECT_EQ(retries, 200);
}

TEST(RetryBudget, WhatWentWellSavesUpOnlySoMuch) {
  RetryBudget budget({.most = 10});
  for (int i = 0; i < 1000; ++i) budget.note_first_attempt();
  int retries = 0;
  while (budget.take_retry()) ++retries;
  EXPECT_EQ(retries, 10);
}

TEST(HttpDate, HasThreeForms) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow), kNow);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), kNow);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", kNow), kNow);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", kNow), kNow + 10 * 86'400);
}

TEST(HttpDate, TwoDigitsAreAtMostFiftyYearsAhead) {
  constexpr std::int64_t kIn2026 = 1'780'000'000;
  const auto date = [](const char* year) {
    return parse_http_date("Friday, 01-Jan-" + std::string(year) + " 00:00:00 GMT", kIn2026);
  };
  EXPECT_EQ(date("26"), 1'767'225'600);
  EXPECT_EQ(date("76"), 3'345'062'400);  // 2076
  EXPECT_EQ(date("77"), 220'924'800);    // 1977
  // At the end of a century, the next.
  EXPECT_EQ(parse_http_date("Saturday, 01-Jan-00 00:00:00 GMT", 946'684'799), 946'684'800);
}

TEST(HttpDate, WhatIsNoneIsNone) {
  for (const char* text : {"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
                           "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
                           "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
                           "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 19x4 08:49:37 GMT",
                           "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994"})
    EXPECT_FALSE(parse_http_date(text, kNow)) << text;
}

TEST(RetryAfter, IsANumberOfSeconds) {
  EXPECT_EQ(parse_retry_after("120", "", kNow), 120U);
  EXPECT_EQ(parse_retry_after(" 0\t", "", kNow), 0U);
  EXPECT_EQ(parse_retry_after("99999999999999999999999", "", kNow),
            std::numeric_limits<std::uint64_t>::max());
}

TEST(RetryAfter, IsATimeCountedFromTheAnswersDate) {
  const char* text = "Sun, 06 Nov 1994 08:50:37 GMT";
  EXPECT_EQ(parse_retry_after(text, "Sun, 06 Nov 1994 08:50:07 GMT", kNow), 30U);
  EXPECT_EQ(parse_retry_after(text, "", kNow), 60U);
  EXPECT_EQ(parse_retry_after(text, "yesterday", kNow), 60U);
}

TEST(RetryAfter, ATimeThatIsPastAsksForNoWait) {
  EXPECT_EQ(parse_retry_after("Sun Nov  6 08:49:36 1994", "", kNow), 0U);
}

TEST(RetryAfter, WhatIsNeitherIsAbsent) {
  for (const char* text : {"", " ", "-1", "+1", "1.5", "1s", "soon"})
    EXPECT_FALSE(parse_retry_after(text, "", kNow)) << text;
}

}  // namespace
}  // namespace netsonde
