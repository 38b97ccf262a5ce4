// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/test_report.h"

#include <gmock/gmock.h>

#include "user/sinks/report/render.h"
#include "user/sinks/test_tables.h"

namespace netsonde {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Time kBegan = time_from_ns(1'000'000'000'000);

LoadResult load_of(std::uint64_t answered, std::uint64_t refused = 0, double latency_us = 2000) {
  LoadResult load{.started = answered + refused, .answered = answered};
  for (std::uint64_t i = 0; i < answered; ++i) load.latency_us.add(latency_us);
  if (refused) load.failures[FailureKind::HttpStatus] = {.count = refused, .example = "status 503"};
  return load;
}

SweepLevel level(std::size_t concurrency, double per_second, double latency_us) {
  SweepLevel level{.concurrency = concurrency, .load = load_of(50, 0, latency_us)};
  level.load.per_second = per_second;
  return level;
}

// Of all stages but the upload.
TestResults whole_test() {
  TestResults results{.began = kBegan, .ended = kBegan + seconds(12), .requests = 700};
  for (const TestStage stage : {TestStage::Cold, TestStage::Warm, TestStage::Sweep})
    results.stages.push_back({.stage = stage, .from = kBegan, .to = kBegan + seconds(1)});
  results.stages.push_back({.stage = TestStage::Download, .why_not = "An answer is too short."});
  results.cold = LatencyResult{.load = load_of(20)};
  results.warm = LatencyResult{.load = load_of(100)};
  results.sweep = {level(1, 500, 2000), level(2, 960, 2100), level(4, 970, 4300)};
  results.bin_length = seconds(1);
  results.bins.resize(13);
  results.bins[3] = {.answered = 10, .failed = 5, .latency_us = 1e6, .least_us = 1, .most_us = 9e5};
  return results;
}

Report report_of(const TestResults& results) {
  return test_report(results, {.url = "http://a.test/", .program = "netsonde 1.2.3"});
}

const ReportSection& section(const Report& report, std::string_view id) {
  const auto found = std::ranges::find(report.sections, id, &ReportSection::id);
  EXPECT_NE(found, report.sections.end()) << id;
  return *found;
}

Cell figure(const Report& report, std::string_view id) {
  return std::ranges::find(report.figures, id, &Figure::id)->value;
}

TEST(TestReport, SaysInOneSentenceHowItWent) {
  const Report report = report_of(whole_test());
  EXPECT_THAT(report.verdict,
              HasSubstr("All of 270 requests were answered; an answer takes 2.00ms (p99 2.00ms)"));
  EXPECT_FALSE(report.has_trouble());
}

TEST(TestReport, FailuresAreItsTrouble) {
  TestResults results = whole_test();
  results.warm = LatencyResult{.load = load_of(99, 1)};
  EXPECT_EQ(report_of(results).severity, Severity::Warning);
  EXPECT_THAT(report_of(results).verdict, HasSubstr("1 of 270 requests failed (0.37%)"));
  results.warm = LatencyResult{.load = load_of(50, 50)};
  EXPECT_EQ(report_of(results).severity, Severity::Critical);
}

TEST(TestReport, WhatWasNotMeasuredIsAbsentAndSaysWhy) {
  const Report report = report_of(whole_test());
  EXPECT_TRUE(std::holds_alternative<std::monostate>(figure(report, "download_mbps")));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(figure(report, "rpm")));
  EXPECT_THAT(section(report, "bandwidth").words, ElementsAre("download: An answer is too short."));
  EXPECT_THAT(section(report, "bandwidth").tables.front().rows, IsEmpty());
}

TEST(TestReport, APartThatWasNotWantedHasNoSection) {
  const Report report = report_of(whole_test());
  EXPECT_EQ(std::ranges::count(report.sections, "open_loop", &ReportSection::id), 0);
  EXPECT_EQ(std::ranges::count(report.sections, "responsiveness", &ReportSection::id), 0);
}

TEST(TestReport, TheKneeIsInItsFiguresWordsAndCurves) {
  const Report report = report_of(whole_test());
  EXPECT_EQ(figure(report, "knee_concurrency"), Cell(std::uint64_t{2}));
  const ReportSection& sweep = section(report, "concurrency");
  EXPECT_THAT(sweep.words.front(), HasSubstr("The knee is at 2 at once: 960/s"));
  EXPECT_THAT(sweep.words.front(), HasSubstr("from 4 on take twice as long"));
  ASSERT_EQ(sweep.curves.size(), 2U);
  EXPECT_EQ(sweep.curves[0].marked, 1U);
  EXPECT_THAT(to_html(report), HasSubstr("the knee, 2 at once"));
}

TEST(TestReport, FailuresOverTimeStandInTheirPartOfIt) {
  const ReportTable table = over_time_table(whole_test(), 0);
  ASSERT_EQ(table.rows.size(), 1U) << "parts without a request are left out";
  EXPECT_EQ(table.rows[0][0], Cell(std::string("00:16:42.000")));
  EXPECT_EQ(table.rows[0][1], Cell(std::uint64_t{10}));
  EXPECT_EQ(table.rows[0][2], Cell(std::uint64_t{5}));
  EXPECT_NEAR(std::get<double>(table.rows[0][3]), 66.7, 0.1);
  EXPECT_NEAR(std::get<double>(table.rows[0][4]), 41.7, 0.1) << "Wilson";
  EXPECT_NEAR(std::get<double>(table.rows[0][5]), 84.8, 0.1);
}

TEST(TestReport, HasNoWordOfEventsInAnyForm) {
  const Report report = report_of(whole_test());
  for (const std::string& form : {to_text(report, 100), to_markdown(report), to_html(report)}) {
    EXPECT_THAT(form, Not(HasSubstr("Lost events")));
    EXPECT_THAT(form, Not(HasSubstr("rules, on")));
    EXPECT_THAT(form, HasSubstr("netsonde test"));
    EXPECT_THAT(form, HasSubstr("2000 requests, 100MB, 30s"));
  }
}

TEST(TestReport, NamesFromOutsideAreHarmlessInEveryForm) {
  TestSubject subject{.url = "http://a.test/<script>"};
  subject.first.address = parse_address("192.0.2.1");
  subject.first.http.emplace().server = "<b>\x1b[31m|";
  const Report report = test_report(whole_test(), subject);
  EXPECT_THAT(to_html(report), Not(HasSubstr("<b>\x1b")));
  EXPECT_THAT(to_html(report), Not(HasSubstr("/<script>")));
  EXPECT_THAT(to_text(report, 100), Not(HasSubstr("\x1b")));
}

TEST(TestHistogram, HasAboutTwentyBucketsThatHoldAllValues) {
  for (const double spread : {1.01, 1.5, 10.0, 1e5}) {
    Statistics values;
    for (int i = 0; i <= 1000; ++i) values.add(1000 * std::pow(spread, i / 1000.0));
    const ReportHistogram histogram = histogram_of(values, "x", "X");
    std::uint64_t sum = 0;
    for (const auto& bucket : histogram.buckets) sum += bucket.count;
    EXPECT_EQ(sum, 1001U) << spread;
    EXPECT_LE(histogram.buckets.size(), 20U) << spread;
    EXPECT_GT(histogram.buckets.front().count, 0U) << spread;
    EXPECT_GT(histogram.buckets.back().count, 0U) << spread;
    EXPECT_LE(histogram.buckets.front().from, 1000) << spread;
    EXPECT_GT(histogram.buckets.back().to, *values.max()) << spread;
  }
}

TEST(TestHistogram, OfOneValueIsOneBucketAndOfNoneEmpty) {
  Statistics values;
  EXPECT_THAT(histogram_of(values, "x", "X").buckets, IsEmpty());
  values.add(5);
  EXPECT_EQ(histogram_of(values, "x", "X").buckets.size(), 1U);
}

}  // namespace
}  // namespace netsonde
