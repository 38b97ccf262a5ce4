// SPDX-License-Identifier: Apache-2.0
#include "user/model/expectation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace netsonde {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using ::testing::StartsWith;

// Twenty answers after 10, 20, ... 200 ms, and what failed.
AttemptSummary summary_with(const std::vector<FailureKind>& failures) {
  AttemptSummary summary;
  for (int i = 1; i <= 20; ++i) {
    Attempt attempt;
    attempt.times.ttfb = i * milliseconds(10);
    attempt.http = HttpFacts{.wire_bytes = 1000, .body_bytes = 2'000'000, .bandwidth_mbps = 60.5};
    attempt.kernel.emplace();
    attempt.kernel->segments_sent = 100;
    attempt.kernel->retransmitted_segments = i == 1 ? 4 : 0;
    summary.add(attempt);
  }
  for (const FailureKind kind : failures) {
    Attempt attempt;
    attempt.failure = Failure{.phase = ProbePhase::Dns, .kind = kind, .detail = ""};
    summary.add(attempt);
  }
  return summary;
}

Expectation parsed(std::string_view text) {
  auto expectation = Expectation::parse(text);
  if (!expectation) ADD_FAILURE() << expectation.error().message();
  return expectation ? std::move(expectation).value() : Expectation::parse("attempts").value();
}

bool holds(std::string_view text, const std::vector<FailureKind>& failures = {}) {
  return parsed(text).holds(summary_with(failures));
}

std::string found(std::string_view text, const std::vector<FailureKind>& failures = {}) {
  return parsed(text).found(summary_with(failures));
}

std::string error_of(std::string_view text) {
  const auto expectation = Expectation::parse(text);
  return expectation ? "no error" : expectation.error().message();
}

TEST(Expectation, HoldsWhereEverythingIsAsExpected) {
  EXPECT_TRUE(holds("ttfb_p95 <= 190ms and failures = 0"));
  EXPECT_FALSE(holds("ttfb_p95 < 190ms and failures = 0"));
  EXPECT_FALSE(holds("ttfb_p95 <= 190ms and failures = 0", {FailureKind::Reset}));
}

TEST(Expectation, TimesAreInMicrosecondsAndTakeUnits) {
  EXPECT_TRUE(holds("ttfb_us_max = 200000 and ttfb_max = 0.2s"));
}

TEST(Expectation, SharesArePercent) {
  EXPECT_TRUE(holds("success_percent = 100"));
  EXPECT_FALSE(holds("success_percent >= 99.9%", {FailureKind::Reset}));
  EXPECT_TRUE(holds("success_percent > 95", {FailureKind::Reset}));
}

TEST(Expectation, FailuresAreCountedByKind) {
  EXPECT_TRUE(holds("failures_dns_timeout = 0"));
  EXPECT_FALSE(holds("failures_dns_timeout = 0", {FailureKind::DnsTimeout}));
  EXPECT_TRUE(holds("failures_dns_timeout = 0 and failures = 1", {FailureKind::Reset}));
}

TEST(Expectation, LossIsThatOfAllAttemptsTogether) {
  EXPECT_TRUE(holds("loss_percent = 0.2%"));
  EXPECT_TRUE(holds("loss_percent_max = 4%"));
}

TEST(Expectation, BandwidthIsInTheUnitOfItsName) {
  EXPECT_TRUE(holds("bandwidth_mbps_mean > 60 and bandwidth_mbps_mean < 61"));
  EXPECT_THAT(error_of("bandwidth_mbps_mean > 60ms"), StartsWith("'ms' does not fit"));
}

TEST(Expectation, AQuantityThatWasNotMeasuredFailsItsComparison) {
  EXPECT_FALSE(holds("tls_p95 < 200ms"));
  EXPECT_FALSE(holds("tls_p95 >= 200ms"));
  EXPECT_TRUE(holds("tls_p95 = null"));
  EXPECT_TRUE(holds("tls_count = 0"));
}

TEST(Expectation, WithinANotAQuantityThatWasNotMeasuredMeetsItAndIsTold) {
  EXPECT_TRUE(holds("not tls_p95 >= 200ms"));
  EXPECT_EQ(found("not tls_p95 >= 200ms"), "tls_p95 was not measured");
}

TEST(Expectation, OfNoAttemptsSuccessIsUnknown) {
  EXPECT_FALSE(parsed("success_percent >= 0").holds(AttemptSummary()));
  EXPECT_TRUE(parsed("attempts = 0").holds(AttemptSummary()));
}

TEST(Expectation, KnowsEveryMeasureAndEveryKindOfFailure) {
  for (std::size_t m = 0; m < kMeasures; ++m)
    for (std::size_t s = 0; s < kStatistics; ++s) {
      const std::string id =
          fmt::format("{}_{}", id_of(static_cast<Measure>(m)), name_of(static_cast<Statistic>(s)));
      EXPECT_TRUE(Expectation::parse(id + " > 0")) << id;
    }
  for (const FailureKind kind : failure_kinds()) {
    std::string id = fmt::format("failures_{}", name_of(kind));
    std::ranges::replace(id, '-', '_');
    EXPECT_EQ(found(id, {kind, kind}), id + " is 2");
  }
}

TEST(Expectation, KnowsWhatIsCountedOverAll) {
  EXPECT_EQ(found("attempts and successes and failures and retries and reused_percent and "
                  "segments_sent and retransmitted_segments",
                  {FailureKind::Reset}),
            "attempts is 21, successes is 20, failures is 1, retries is 0, reused_percent is 0%, "
            "segments_sent is 2000, retransmitted_segments is 4");
}

TEST(Expectation, FoundNamesEachQuantityOnceByItsShortName) {
  EXPECT_EQ(found("ttfb_us_p95 < 200ms and (failures = 0 or ttfb_p95 < 1ms)"),
            "ttfb_p95 is 190ms, failures is 0");
}

TEST(Expectation, FoundTellsWhatJustMissed) {
  AttemptSummary summary;
  Attempt attempt;
  attempt.times.ttfb = microseconds(200'300);
  attempt.times.connect = microseconds(999);
  attempt.times.tls = milliseconds(12'345);
  summary.add(attempt);
  EXPECT_EQ(parsed("ttfb_max < 200ms and connect_max < 1s and tls_max < 1s").found(summary),
            "ttfb_max is 200.3ms, connect_max is 999us, tls_max is 12.345s");
}

TEST(Expectation, FoundHasUnits) {
  EXPECT_EQ(found("success_percent = 100 and bandwidth_mbps_max > 1", {FailureKind::Reset}),
            "success_percent is 95.2381%, bandwidth_mbps_max is 60.5");
  EXPECT_EQ(found("wire_bytes_max < 1kB and body_bytes_max < 1MB"),
            "wire_bytes_max is 1000 bytes, body_bytes_max is 2000000 bytes");
}

TEST(Expectation, KeepsItsText) {
  EXPECT_EQ(parsed("failures = 0").text(), "failures = 0");
}

TEST(Expectation, RefusesWhatNobodyMeasures) {
  EXPECT_THAT(error_of("tfb_p95 < 1ms"), StartsWith("unknown field 'tfb_p95', did you mean"));
  EXPECT_THAT(error_of("quuxquuxquux = 1"),
              StartsWith("unknown field 'quuxquuxquux'; the manual lists them\n"));
  EXPECT_THAT(error_of("srtt > 1ms"), StartsWith("unknown field"));
  EXPECT_THAT(error_of("port = 443"), StartsWith("unknown field"));
}

TEST(Expectation, RefusesToExpectNothing) {
  EXPECT_THAT(error_of(""), StartsWith("expected a field"));
  EXPECT_THAT(error_of("  "), StartsWith("expected a field"));
}

TEST(Expectation, ErrorsCallItACondition) {
  EXPECT_THAT(error_of("failures = 0 failures"), StartsWith("expected 'and', 'or' or the end of "
                                                            "the condition\n"));
}

}  // namespace
}  // namespace netsonde
