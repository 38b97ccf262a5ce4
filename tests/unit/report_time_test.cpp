// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/report_fixture.h"
#include "user/sinks/report/words.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ReportTimeTest : public ReportTest {
 protected:
  // Ends with so many attempts refused within the second before.
  void refuse(double seconds, std::uint64_t times, std::uint16_t port = 443) {
    for (std::uint64_t i = 0; i < times; ++i) {
      ev_sample s = opened(seconds - 0.5, ++cookie_);
      s.conn.remote_port = port;
      s.established_ns = 0;
      ev_sample refused = closed(s, seconds - 0.4, ECONNREFUSED, EV_END_RESET_RECEIVED);
      refused.old_state = kSynSent;
      happen(refused);
    }
    look(seconds);
  }

  void look_until(int from, int to) {
    for (int second = from; second <= to; ++second) look(second);
  }

  static const ReportFinding& only(const Report& report, std::string_view id) {
    for (const ReportFinding& found : report.findings)
      if (found.finding.id == id) return found;
    ADD_FAILURE() << "no finding " << id;
    return report.findings.front();
  }

 private:
  std::uint64_t cookie_ = 1000;
};

TEST_F(ReportTimeTest, EveryTickIsABin) {
  look_until(0, 5);
  const Report report = finish();
  EXPECT_EQ(report.ticks, 5U);
  EXPECT_EQ(report.timeline.bins.size(), 5U);
  EXPECT_EQ(report.timeline.bins.back().to_ns - report.timeline.bins.front().from_ns,
            5 * static_cast<std::int64_t>(kSecond));
}

TEST_F(ReportTimeTest, ALongTimeHasBoundedBinsAndLosesNoCount) {
  look(0);
  ev_sample s = connection();
  sample(s, 0.5);
  for (int second = 1; second <= 5000; ++second) {
    s.tx_bytes += second == 4321 ? 1'000'000 : 1000;
    s.segs_out += 1;
    sample(s, second - 0.5);
    look(second);
  }
  const Report report = finish();
  EXPECT_LE(report.timeline.bins.size(), TimelineLog::kMostBins);
  EXPECT_GE(report.timeline.bins.size(), TimelineLog::kMostBins / 2);
  std::uint32_t ticks = 0;
  for (const TimelineBin& bin : report.timeline.bins) ticks += bin.ticks;
  EXPECT_EQ(ticks, 5000U);
  EXPECT_EQ(figure(report, "tx_bytes"), std::to_string(4998 * 1000 + 1'000'000));
  double most = 0;
  for (const Range& range : series(report, "tx_bytes_per_s").bins)
    most = std::max(most, range.max.value_or(0));
  EXPECT_DOUBLE_EQ(most, 1e6);
}

TEST_F(ReportTimeTest, WhatWasNotMeasuredIsAGap) {
  look_until(0, 2);
  ev_sample s = opened(2.1);
  s.segs_out = 10;
  sample(s, 2.5);
  look(3);
  const Report report = finish();
  const auto& rtt = series(report, "rtt_p50_us").bins;
  ASSERT_EQ(rtt.size(), 3U);
  EXPECT_FALSE(rtt[0].mean);
  EXPECT_FALSE(rtt[1].mean);
  EXPECT_EQ(rtt[2].mean, 1000);
  EXPECT_TRUE(series(report, "tx_bytes_per_s").bins[0].mean);
}

TEST_F(ReportTimeTest, AShareIsThatOfTheSegmentsWhateverTheirPace) {
  look(0);
  ev_sample s = connection();
  sample(s, 0.1);
  look(1);
  s.segs_out += 1000;
  s.retransmitted += 10;
  sample(s, 1.5);
  look(2);
  s.segs_out += 10;
  s.retransmitted += 5;
  sample(s, 2.5);
  look(3);
  // 15 of 1010, not the mean of 1% and 50%.
  EXPECT_NEAR(std::get<double>(cell(finish(), "retransmit_percent")), 1500.0 / 1010, 1e-9);
}

TEST_F(ReportTimeTest, AShortLastIntervalIsNoExtreme) {
  look(0);
  ev_sample s = connection();
  sample(s, 0.1);
  look(1);
  s.tx_bytes += 1000;
  sample(s, 1.5);
  look(2);
  s.tx_bytes += 1000;
  sample(s, 2.0005);
  auto tick = event<ev_tick>(EV_TICK, 2.001);
  tick.sampled = true;
  happen(tick);
  const Report report = finish();
  EXPECT_EQ(report.timeline.bins.size(), 2U);
  EXPECT_NEAR(*series(report, "tx_bytes_per_s").bins.back().max, 2000 / 1.001, 1);
  EXPECT_EQ(figure(report, "tx_bytes"), "2000");
}

TEST_F(ReportTimeTest, TheSameFindingOfSeveralWindowsIsOneWithItsSum) {
  look(0);
  refuse(1, 5);
  look_until(2, 10);
  refuse(11, 20);
  look_until(12, 20);
  const Report report = finish();
  const ReportFinding& found = only(report, "connect-refused");
  EXPECT_EQ(found.windows, 2U);
  EXPECT_EQ(found.spans.size(), 1U);
  EXPECT_EQ(found.finding.impact.attempts, 25U);
  EXPECT_THAT(found.finding.text, HasSubstr("20 attempts"));
  EXPECT_TRUE(found.lasted);
  EXPECT_EQ(found.since_ns, static_cast<std::int64_t>(at(0.5)));
}

TEST_F(ReportTimeTest, AFindingThatCeasedSaysWhen) {
  look(0);
  refuse(1, 5);
  look_until(2, 30);
  const Report report = finish();
  const ReportFinding& found = only(report, "connect-refused");
  EXPECT_FALSE(found.lasted);
  EXPECT_EQ(found.until_ns, static_cast<std::int64_t>(at(10)));
  EXPECT_EQ(when_text(found, report), "from 00:01:40 on, last found in the 10s before 00:01:50");
}

TEST_F(ReportTimeTest, AFindingThatComesBackHasTwoSpans) {
  look(0);
  refuse(1, 5);
  look_until(2, 20);
  refuse(21, 5);
  look_until(22, 40);
  const Report report = finish();
  EXPECT_EQ(only(report, "connect-refused").spans.size(), 2U);
}

TEST_F(ReportTimeTest, DifferentRemoteEndsAreDifferentFindingsTheCostlierFirst) {
  look(0);
  refuse(1, 5, 80);
  refuse(2, 50, 443);
  look_until(3, 10);
  const Report report = finish();
  std::vector<std::string> who;
  for (const ReportFinding& found : report.findings)
    if (found.finding.id == "connect-refused") who.push_back(found.who);
  EXPECT_THAT(who, ElementsAre(HasSubstr(":443, 50 connections"), HasSubstr(":80, 5 connections")));
}

TEST_F(ReportTimeTest, OfMoreFindingsThanAnybodyReadsTheCostliestAreKept) {
  look(0);
  for (std::uint16_t port = 1; port <= 1000; ++port) refuse(port * 0.03, port == 700 ? 5 : 3, port);
  const Report report = finish();
  EXPECT_EQ(report.findings.size(), FindingLog::kMost);
  EXPECT_EQ(report.findings.size() + report.findings_left_out, 1000U);
  EXPECT_THAT(report.findings[0].who, HasSubstr(":700, "));
  EXPECT_LT(to_html(report).size(), 1U << 20);
  EXPECT_LT(to_json(report).dump(1).size(), 1U << 20);
}

TEST_F(ReportTimeTest, ACutWindowEndsNoFinding) {
  look(0);
  refuse(1, 5);
  look_until(2, 11);
  EXPECT_TRUE(only(finish(), "connect-refused").lasted);
}

TEST_F(ReportTimeTest, AHostFaultBelongsToItsWindowAlone) {
  host_values = {{"softnet.processed", "cpu0", 0}, {"softnet.dropped", "cpu0", 0}};
  look(0);
  host_values[0].value = 100'000;
  host_values[1].value = 5000;
  look_until(1, 40);
  const Report report = finish();
  for (const ReportFinding& found : report.findings) {
    EXPECT_EQ(found.windows, 1U) << found.finding.id;
    EXPECT_FALSE(found.lasted) << found.finding.id;
  }
  EXPECT_FALSE(report.findings.empty());
}

TEST_F(ReportTimeTest, ASettingThatChangedIsAMark) {
  host_values = {{"setting.tcp_sack", "", 1}};
  look_until(0, 2);
  host_values[0].value = 0;
  look_until(3, 5);
  const Report report = finish();
  ASSERT_EQ(report.timeline.marks.size(), 1U);
  EXPECT_EQ(report.timeline.marks[0].text, "tcp_sack changed from 1 to 0");
  EXPECT_EQ(report.timeline.marks[0].to_ns, static_cast<std::int64_t>(at(3)));
}

TEST_F(ReportTimeTest, LossesOfBeforeAreNotToldAgain) {
  look(0, 100);
  look(1, 103);
  const Report report = finish();
  EXPECT_EQ(report.lost, 3U);
  EXPECT_EQ(report.losses["events"], 3);
  EXPECT_EQ(series(report, "lost_events_per_s").bins[0].mean, 3);
  EXPECT_THAT(report.verdict, HasSubstr("some events were lost"));
}

TEST_F(ReportTimeTest, WithoutAnIntervalNothingIsClaimed) {
  look(0);
  const Report report = finish();
  EXPECT_EQ(report.ticks, 0U);
  EXPECT_EQ(report.verdict, "Nothing was observed: there was no whole interval.");
  EXPECT_EQ(figure(report, "tx_bytes"), "-");
}

}  // namespace
}  // namespace netsonde
