// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <cstring>

#include "tests/unit/report_fixture.h"
#include "user/base/text.h"
#include "user/sinks/report/charts.h"

namespace netsonde {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class ReportRenderTest : public ReportTest {
 protected:
  // Somebody with this name is refused, and one connection moves bytes.
  void live_with(std::string_view name) {
    look(0);
    for (std::uint64_t cookie = 1; cookie <= 12; ++cookie) {
      ev_sample s = opened(0.1, cookie);
      std::memset(s.conn.comm, 0, sizeof(s.conn.comm));
      std::memcpy(s.conn.comm, name.data(), std::min(name.size(), sizeof(s.conn.comm)));
      s.segs_out = 10;
      s.tx_bytes = 5000;
      if (cookie == 1) {
        happen(closed(s, 0.5));
        continue;
      }
      s.established_ns = 0;
      ev_sample refused = closed(s, 0.5, ECONNREFUSED, EV_END_RESET_RECEIVED);
      refused.old_state = kSynSent;
      happen(refused);
    }
    for (int second = 1; second <= 4; ++second) look(second);
  }

  static ReportSection experiment() {
    return {.id = "experiments",
            .title = "Experiments",
            .words = {"bbr halved the time <here>."},
            .tables = {{.id = "tried",
                        .title = "What was tried",
                        .columns = {{.id = "setting",
                                     .title = "Setting",
                                     .help = "",
                                     .reach = Column::Reach::Everywhere,
                                     .is_text = true},
                                    {.id = "gain_percent",
                                     .title = "Gain",
                                     .help = "",
                                     .unit = Unit::Percent,
                                     .reach = Column::Reach::Everywhere}},
                        .rows = {{std::string("bbr"), 48.5}}}}};
  }

  // The forms for people and the page.
  static std::vector<std::string> forms(const Report& report) {
    return {to_text(report, 100), to_markdown(report), to_html(report)};
  }
};

TEST_F(ReportRenderTest, JsonHasTheKeysOfTheContract) {
  live_with("client");
  const Json json = to_json(finish());
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(
      keys, testing::ElementsAre("schema", "host", "begin", "end", "verdict", "severity", "summary",
                                 "totals", "findings", "timeline", "connections", "processes",
                                 "remotes", "ends", "listeners", "drops", "resets", "histograms",
                                 "host_faults", "sections", "unknown", "measured"));
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["begin"], "1970-01-01T00:01:40.000000000Z");
  EXPECT_EQ(json["totals"]["opened"], 12);
  EXPECT_EQ(json["connections"]["rows"].size(), 12U);
  EXPECT_EQ(json["connections"]["left_out"], 0);
  EXPECT_EQ(json["connections"]["rows"][0]["end"], "refused");
  EXPECT_TRUE(json["connections"]["rows"][0]["rtt_p99_us"].is_null());
  EXPECT_EQ(json["histograms"]["duration"]["total"], 12);
  EXPECT_EQ(json["measured"]["events"]["close"], 12);
  EXPECT_TRUE(json["measured"]["kernel"].is_null());
}

TEST_F(ReportRenderTest, AFindingInJsonSaysWhenAndHowMuch) {
  live_with("client");
  const Json finding = to_json(finish())["findings"][0];
  EXPECT_EQ(finding["id"], "connect-refused");
  EXPECT_EQ(finding["subject"]["comm"], "client");
  EXPECT_EQ(finding["impact"]["attempts"], 11);
  EXPECT_EQ(finding["windows"], 1);
  EXPECT_EQ(finding["spans"].size(), 1U);
  EXPECT_EQ(finding["lasted"], true);
  EXPECT_TRUE(finding["because"].is_null());
}

TEST_F(ReportRenderTest, TheTimelineInJsonHasOneValueForEachBin) {
  live_with("client");
  const Json timeline = to_json(finish())["timeline"];
  EXPECT_EQ(timeline["from"].size(), 4U);
  EXPECT_EQ(timeline["series"].size(), kTimelineSeries);
  for (const auto& [id, series] : timeline["series"].items())
    for (const char* what : {"mean", "min", "max"}) EXPECT_EQ(series[what].size(), 4U) << id;
}

TEST_F(ReportRenderTest, TheSameReportGivesTheSameBytes) {
  live_with("client");
  const Report report = finish();
  EXPECT_EQ(forms(report), forms(report));
  EXPECT_EQ(to_json(report).dump(), to_json(report).dump());
}

TEST_F(ReportRenderTest, TheWorstFindingIsInTheFirstSentence) {
  live_with("client");
  const Report report = finish();
  EXPECT_THAT(report.verdict, ContainsRegex("^[^.]*1 warning[^.]*\\. The worst, connect-refused of "
                                            "client\\[7\\] > 10\\.0\\.0\\.2:443"));
  for (const std::string& form : forms(report)) EXPECT_THAT(form, HasSubstr("refused"));
}

TEST_F(ReportRenderTest, TextFitsItsWidth) {
  live_with("client");
  builder().add_section(experiment());
  const std::string text = to_text(finish(), 80);
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const std::string line = text.substr(at, text.find('\n', at) - at);
    const bool has_name = line.find("10.0.0.2") != std::string::npos;
    EXPECT_TRUE(has_name || display_width(line) <= 80) << line;
  }
}

TEST_F(ReportRenderTest, NoNameIsObeyedByMarkdown) {
  live_with("a|b`<img>[x](y)");
  const std::string text = to_markdown(finish());
  EXPECT_THAT(text, HasSubstr("| `` a\\|b`<img>[x](y) `` |"));
  for (const char* bare : {"| a|b", "\n<img>"}) EXPECT_THAT(text, Not(HasSubstr(bare)));
  EXPECT_THAT(text, HasSubstr("a\\|b\\`\\<img\\>\\[x\\](y)"));  // in the verdict
}

TEST_F(ReportRenderTest, NoNameBreaksOutOfThePage) {
  for (const char* name : {"<script>x</scr", "\"'onload=x>", "</title></p><b", "&lt;&amp;"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(html(name).find_first_of("<>\"'"), std::string::npos);
  }
  live_with("</script><b x='");
  const std::string page = to_html(finish());
  EXPECT_THAT(page, Not(HasSubstr("<b x=")));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;b x=&#39;"));
}

TEST_F(ReportRenderTest, ControlCharactersReachNoForm) {
  live_with("\x1b[31mr\xe2\x80\xae\xff\r\n");
  const Report report = finish();
  for (const std::string& form : forms(report)) {
    EXPECT_THAT(form, HasSubstr("\\x1b["));
    for (const char* bare : {"\x1b", "\xe2\x80\xae", "\xff", "\r"})
      EXPECT_THAT(form, Not(HasSubstr(bare)));
  }
}

TEST_F(ReportRenderTest, ThePageAsksForNothingFromElsewhere) {
  live_with("client");
  const std::string page = to_html(finish());
  EXPECT_THAT(page, HasSubstr("default-src 'none'; style-src 'sha256-"));
  for (const char* outside : {"http://", "https://", "<img", "@import", "url("})
    EXPECT_THAT(page, Not(HasSubstr(outside)));
}

TEST_F(ReportRenderTest, EverySectionThatIsThereStandsInEveryForm) {
  live_with("client");
  builder().add_section(experiment());
  builder().add_mark({.from_ns = static_cast<std::int64_t>(at(1)),
                      .to_ns = static_cast<std::int64_t>(at(2)),
                      .kind = "change",
                      .text = "bbr was set"});
  const Report report = finish();
  for (const std::string& form : forms(report)) {
    EXPECT_THAT(form, HasSubstr("Experiments"));
    EXPECT_THAT(form, HasSubstr("48.5"));
    EXPECT_THAT(form, HasSubstr("bbr was set"));
  }
  const Json json = to_json(report);
  EXPECT_EQ(json["sections"]["experiments"]["tables"]["tried"]["rows"][0]["gain_percent"], 48.5);
  EXPECT_EQ(json["timeline"]["marks"][0]["text"], "bbr was set");
}

TEST_F(ReportRenderTest, WhatIsEmptyIsNotPrinted) {
  look(0);
  look(1);
  const Report report = finish();
  for (const std::string& form : forms(report))
    for (const char* title : {"Experiments", "Listeners", "Worst connections", "Resets, by"})
      EXPECT_THAT(form, Not(HasSubstr(title)));
}

TEST_F(ReportRenderTest, RoundTripsAreThoseOfTheTimeObserved) {
  auto histogram = event<ev_histogram>(EV_HISTOGRAM, -1);
  histogram.cookie = kCookie;
  histogram.buckets[rtt_bucket(50'000)] = 100;
  ev_sample s = connection();
  happen(histogram);
  sample(s, -1);
  look(0);
  histogram.buckets[rtt_bucket(1000)] = 7;
  happen(histogram);
  s.segs_out += 7;
  sample(s, 0.5);
  look(1);
  const Report report = finish();
  EXPECT_EQ(report.histograms[0].total, 7U);
  EXPECT_NEAR(*report.histograms[0].p99, 1000, 63);
  EXPECT_THAT(report.histograms[0].note, HasSubstr("every acknowledgement"));
}

TEST_F(ReportRenderTest, WithoutHistogramsTheSmoothedTimesAreShownAndSaySo) {
  look(0);
  ev_sample s = opened(0.1);
  s.segs_out = 5;
  sample(s, 0.5);
  look(1);
  const Report report = finish();
  EXPECT_EQ(report.histograms[0].total, 1U);
  EXPECT_THAT(report.histograms[0].note, HasSubstr("Smoothed"));
}

}  // namespace
}  // namespace netsonde
