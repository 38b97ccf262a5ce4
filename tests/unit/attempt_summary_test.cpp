// SPDX-License-Identifier: Apache-2.0
#include "user/model/attempt_summary.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace netsonde {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

Attempt answered(Nanos ttfb) {
  Attempt attempt;
  attempt.times.ttfb = ttfb;
  attempt.times.total = 2 * ttfb;
  return attempt;
}

Attempt failed(FailureKind kind) {
  Attempt attempt;
  attempt.times.total = milliseconds(10);
  attempt.failure = Failure{.phase = ProbePhase::Connect, .kind = kind, .detail = ""};
  return attempt;
}

Attempt sent(std::uint64_t segments, std::uint64_t again) {
  Attempt attempt;
  attempt.kernel.emplace();
  attempt.kernel->segments_sent = segments;
  attempt.kernel->retransmitted_segments = again;
  return attempt;
}

AttemptSummary summary_of(const std::vector<Attempt>& attempts) {
  AttemptSummary summary;
  for (const Attempt& attempt : attempts) summary.add(attempt);
  return summary;
}

TEST(AttemptSummary, OfNoneKnowsNothing) {
  const AttemptSummary summary;
  EXPECT_EQ(summary.attempts(), 0U);
  EXPECT_FALSE(summary.success_percent());
  EXPECT_FALSE(summary.success_percent_interval());
  EXPECT_FALSE(summary.reused_percent());
  EXPECT_FALSE(summary.segments_sent());
  EXPECT_FALSE(summary.loss_percent());
  const Statistics& ttfb = summary.of(Measure::Ttfb);
  EXPECT_EQ(value_of(ttfb, Statistic::Count), 0);
  for (std::size_t i = 1; i < kStatistics; ++i)
    EXPECT_FALSE(value_of(ttfb, static_cast<Statistic>(i)));
}

TEST(AttemptSummary, TellsWhatAMeasureWasLike) {
  AttemptSummary summary;
  for (int i = 1; i <= 100; ++i) summary.add(answered(milliseconds(i)));
  const Statistics& ttfb = summary.of(Measure::Ttfb);
  EXPECT_EQ(value_of(ttfb, Statistic::Count), 100);
  EXPECT_EQ(value_of(ttfb, Statistic::Min), 1000);
  EXPECT_NEAR(value_of(ttfb, Statistic::Mean).value(), 50'500, 1e-6);
  EXPECT_EQ(value_of(ttfb, Statistic::Max), 100'000);
  EXPECT_EQ(value_of(ttfb, Statistic::P50), 50'000);
  EXPECT_EQ(value_of(ttfb, Statistic::P90), 90'000);
  EXPECT_EQ(value_of(ttfb, Statistic::P95), 95'000);
  EXPECT_EQ(value_of(ttfb, Statistic::P99), 99'000);
  EXPECT_NEAR(value_of(ttfb, Statistic::Deviation).value(), 29'011.5, 0.1);
}

TEST(AttemptSummary, OfOneAttemptHasPercentilesAndNoDeviation) {
  const AttemptSummary summary = summary_of({answered(microseconds(1500))});
  EXPECT_EQ(value_of(summary.of(Measure::Ttfb), Statistic::P99), 1500);
  EXPECT_FALSE(value_of(summary.of(Measure::Ttfb), Statistic::Deviation));
}

TEST(AttemptSummary, KeepsNanoseconds) {
  const AttemptSummary summary = summary_of({answered(Nanos(1'234'567))});
  EXPECT_EQ(value_of(summary.of(Measure::Ttfb), Statistic::Max), 1234.567);
}

TEST(AttemptSummary, LeavesOutAttemptsWithoutTheMeasure) {
  const AttemptSummary summary = summary_of({answered(milliseconds(5)), Attempt{}});
  EXPECT_EQ(summary.of(Measure::Ttfb).count(), 1U);
  EXPECT_EQ(summary.of(Measure::Ttfb).mean(), 5000);
}

TEST(AttemptSummary, TotalIsOfThoseThatSucceeded) {
  const AttemptSummary summary =
      summary_of({answered(milliseconds(5)), failed(FailureKind::ConnectTimeout)});
  EXPECT_EQ(summary.of(Measure::Total).count(), 1U);
  EXPECT_EQ(summary.of(Measure::Total).max(), 10'000);
}

TEST(AttemptSummary, HasEveryMeasureOfAnAttempt) {
  Attempt attempt = sent(200, 3);
  attempt.times = {.dns = microseconds(1),
                   .connect = microseconds(2),
                   .tls = microseconds(3),
                   .ttfb = microseconds(4),
                   .transfer = microseconds(5),
                   .total = microseconds(6)};
  attempt.echo = microseconds(7);
  attempt.http = HttpFacts{.wire_bytes = 12, .body_bytes = 13, .bandwidth_mbps = 8};
  attempt.kernel->syn_rtt = microseconds(9);
  attempt.kernel->min_rtt = microseconds(10);
  attempt.kernel->srtt = microseconds(11);
  attempt.kernel->prober_delay = microseconds(14);
  const std::vector<std::pair<std::string_view, double>> expected = {
      {"dns_us", 1},         {"connect_us", 2},  {"tls_us", 3},     {"ttfb_us", 4},
      {"transfer_us", 5},    {"total_us", 6},    {"echo_us", 7},    {"bandwidth_mbps", 8},
      {"syn_rtt_us", 9},     {"min_rtt_us", 10}, {"srtt_us", 11},   {"prober_delay_us", 14},
      {"loss_percent", 1.5}, {"wire_bytes", 12}, {"body_bytes", 13}};
  ASSERT_EQ(expected.size(), kMeasures);
  for (std::size_t i = 0; i < kMeasures; ++i) {
    EXPECT_EQ(id_of(static_cast<Measure>(i)), expected[i].first);
    EXPECT_EQ(value_of(attempt, static_cast<Measure>(i)), expected[i].second) << expected[i].first;
  }
}

TEST(AttemptSummary, AnEmptyAttemptHasATotalAlone) {
  for (std::size_t i = 0; i < kMeasures; ++i) {
    const auto measure = static_cast<Measure>(i);
    EXPECT_EQ(value_of(Attempt{}, measure).has_value(), measure == Measure::Total)
        << id_of(measure);
  }
}

TEST(AttemptSummary, CountsFailuresByKind) {
  const AttemptSummary summary =
      summary_of({failed(FailureKind::DnsTimeout), answered(milliseconds(1)),
                  failed(FailureKind::Reset), failed(FailureKind::DnsTimeout)});
  EXPECT_EQ(summary.attempts(), 4U);
  EXPECT_EQ(summary.failures(), 3U);
  EXPECT_EQ(summary.successes(), 1U);
  EXPECT_EQ(summary.failures_by_kind(),
            (std::map<FailureKind, std::uint64_t>{{FailureKind::DnsTimeout, 2},
                                                  {FailureKind::Reset, 1}}));
}

TEST(AttemptSummary, SuccessHasWilsonsInterval) {
  std::vector<Attempt> attempts(9, answered(milliseconds(1)));
  attempts.push_back(failed(FailureKind::Reset));
  const AttemptSummary summary = summary_of(attempts);
  EXPECT_EQ(summary.success_percent(), 90);
  EXPECT_NEAR(summary.success_percent_interval()->low, 59.585, 1e-3);
  EXPECT_NEAR(summary.success_percent_interval()->high, 98.213, 1e-3);
}

TEST(AttemptSummary, CountsRetriesAndTheShareOfReusedConnections) {
  Attempt again = answered(milliseconds(1)), reused = again;
  again.attempt = 3;
  reused.reused = true;
  const AttemptSummary summary = summary_of({again, reused, reused, reused});
  EXPECT_EQ(summary.retries(), 1U);
  EXPECT_EQ(summary.reused_percent(), 75);
}

TEST(AttemptSummary, LossOfAllIsOfTheirSegmentsAndNotTheMeanOfLosses) {
  const AttemptSummary summary = summary_of({sent(10, 1), sent(990, 1)});
  EXPECT_EQ(summary.segments_sent(), 1000U);
  EXPECT_EQ(summary.retransmitted_segments(), 2U);
  EXPECT_EQ(summary.loss_percent(), 0.2);
  EXPECT_NEAR(summary.of(Measure::Loss).mean().value(), 5.05, 0.001);
}

TEST(AttemptSummary, CountsSegmentsOnlyOfAttemptsWhoseRetransmissionsAreKnown) {
  Attempt half = sent(500, 0);
  half.kernel->retransmitted_segments.reset();
  const AttemptSummary summary = summary_of({sent(100, 1), half});
  EXPECT_EQ(summary.segments_sent(), 100U);
  EXPECT_EQ(summary.loss_percent(), 1);
}

TEST(FailureKinds, AreAllThereAreByName) {
  std::set<std::string_view> names;
  for (const FailureKind kind : failure_kinds()) {
    EXPECT_EQ(parse_failure_kind(name_of(kind)), kind);
    names.insert(name_of(kind));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(FailureKind::Unsupported) + 1);
}

}  // namespace
}  // namespace netsonde
