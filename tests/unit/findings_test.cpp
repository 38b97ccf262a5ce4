// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/tui/findings.h"

#include "tests/unit/store_fixture.h"

namespace netsonde {
namespace {

class FindingsTest : public StoreTest {
 protected:
  FindingsTest() { look(0); }

  void happen(const Event& event) {
    findings_.before_event(event, store_);
    store_.apply(event);
    ASSERT_TRUE(findings_.on_event(event, store_));
  }

  void look(double seconds) {
    auto tick = event<ev_tick>(EV_TICK, seconds);
    tick.sampled = true;
    happen(tick);
    ASSERT_TRUE(findings_.on_snapshot(Snapshot(store_)));
  }

  void refuse(double seconds, std::uint64_t cookie = kCookie) {
    ev_sample s = sample(seconds, EV_CLOSE);
    s.conn.cookie = cookie;
    s.conn.start_ns = at(seconds - 0.1);
    s.old_state = kSynSent;
    s.error = ECONNREFUSED;
    s.end = EV_END_RESET_RECEIVED;
    happen(s);
  }

  // The peer's window is shut with data waiting.
  void shut_window(int from, int to) {
    for (int second = from; second <= to; ++second) {
      ev_sample s = sample(second - 0.5);
      s.segs_out = static_cast<std::uint32_t>(100 + second);
      s.not_sent = s.send_queue = 4000;
      happen(s);
      look(second);
    }
  }

  std::vector<std::string> lines(std::uint64_t cookie, int width = 68, int height = 10) const {
    std::vector<std::string> texts;
    for (const FindingLine& line : finding_lines(&findings_, cookie, width, height))
      texts.push_back(line.text);
    return texts;
  }

  TuiVerdict verdict() const {
    TuiVerdict verdict{
        .figures = "OK: no retransmissions", .worst = "busiest", .style = Style::Good};
    add_finding(verdict, &findings_);
    return verdict;
  }

  LiveFindings findings_;
};

TEST_F(FindingsTest, NothingWrongIsSaidOfTheTimeThatWasObserved) {
  EXPECT_EQ(lines(kCookie), std::vector<std::string>{"Measuring: findings need a second tick."});
  look(0.3);
  EXPECT_EQ(lines(kCookie), std::vector<std::string>{"Nothing wrong found in the last 300ms."});
  for (int second = 1; second <= 12; ++second) look(second);
  EXPECT_EQ(lines(kCookie), std::vector<std::string>{"Nothing wrong found in the last 12s."});
  EXPECT_EQ(verdict().finding, "No warnings in the last 12s.");
  EXPECT_FALSE(verdict().has_finding);
  EXPECT_EQ(verdict().style, Style::Good);
}

TEST_F(FindingsTest, EveryMemberShowsTheFindingOfItsGroup) {
  refuse(0.5, 7);
  refuse(0.6, 8);
  look(1);
  for (const std::uint64_t cookie : {7, 8}) {
    ASSERT_GE(lines(cookie).size(), 2u);
    EXPECT_TRUE(lines(cookie)[0].starts_with("warning connect-refused, 2 connections: "))
        << lines(cookie)[0];
    EXPECT_TRUE(lines(cookie).back().starts_with("  ")) << lines(cookie).back();
  }
  EXPECT_EQ(lines(9), std::vector<std::string>{"Nothing wrong found in the last 1s."});
}

TEST_F(FindingsTest, TheSeverityIsColoured) {
  refuse(0.5);
  look(1);
  const FindingLine first = finding_lines(&findings_, kCookie, 68, 10).front();
  EXPECT_EQ(first.text.substr(0, first.marked), "warning connect-refused");
  EXPECT_EQ(first.mark, Style::Warn);
  EXPECT_EQ(first.rest, Style::Normal);
}

TEST_F(FindingsTest, TheHeaderNamesTheWorstAndNoLongerSaysOk) {
  refuse(0.5);
  look(1);
  const TuiVerdict now = verdict();
  EXPECT_TRUE(now.has_finding);
  EXPECT_EQ(now.finding.find("connect-refused "), 0u) << now.finding;
  EXPECT_EQ(now.finding_style, Style::Warn);
  EXPECT_EQ(now.figures, "no retransmissions");
  EXPECT_EQ(now.style, Style::Normal);
}

TEST_F(FindingsTest, AShutWindowIsFoundAndForgottenAgain) {
  happen(sample(0.1));
  shut_window(1, 3);
  ASSERT_FALSE(lines(kCookie).empty());
  EXPECT_TRUE(lines(kCookie)[0].starts_with("warning zero-window: The peer shut its window"))
      << lines(kCookie)[0];
  ev_sample open = sample(3.5);
  open.segs_out = 200;
  open.snd_wnd = 60'000;
  happen(open);
  for (int second = 4; second <= 24; ++second) look(second);
  EXPECT_TRUE(lines(kCookie)[0].starts_with("Nothing wrong found")) << lines(kCookie)[0];
}

TEST_F(FindingsTest, NoLineIsWiderOrBeyondTheHeight) {
  happen(sample(0.1));
  shut_window(1, 3);
  for (int width = 37; width < 120; width += 7)
    for (int height = 1; height < 8; ++height) {
      const auto texts = lines(kCookie, width, height);
      EXPECT_LE(texts.size(), static_cast<std::size_t>(height));
      for (const std::string& text : texts) EXPECT_LE(display_width(text), width) << text;
    }
}

TEST_F(FindingsTest, WhatHasNoRoomIsNamed) {
  happen(sample(0.1));
  shut_window(1, 3);
  for (int second = 4; second <= 6; ++second) {
    ev_sample s = sample(second - 0.5);
    s.segs_out = static_cast<std::uint32_t>(200 + second);
    s.not_sent = s.send_queue = s.receive_queue = 4000;
    s.rcv_mss = 1448;
    happen(s);
    look(second);
  }
  const auto all = lines(kCookie, 68, 100);
  const auto few = lines(kCookie, 68, 4);
  ASSERT_GT(all.size(), 5u);
  ASSERT_EQ(few.size(), 4u);
  EXPECT_EQ(few[0], all[0]);
  EXPECT_TRUE(few[3].starts_with("and ")) << few[3];
  EXPECT_NE(few[3].find("zero-window"), std::string::npos) << few[3];
}

TEST_F(FindingsTest, OfMoreMembersThanAreNamedTheRestIsToldSo) {
  for (std::uint64_t cookie = 1; cookie <= 1100; ++cookie) refuse(0.5, cookie);
  look(1);
  EXPECT_TRUE(lines(1000)[0].starts_with("warning connect-refused, 1100 connections"))
      << lines(1000)[0];
  EXPECT_EQ(lines(1100, 200)[0],
            "Nothing wrong found in the last 1s. Of some findings only the worst 1000 connections "
            "are known.");
}

TEST_F(FindingsTest, ThePastHasNone) {
  refuse(0.5);
  look(1);
  TuiVerdict frozen{.figures = "OK: no retransmissions", .worst = "busiest", .style = Style::Good};
  add_finding(frozen, nullptr);
  EXPECT_FALSE(frozen.has_finding);
  EXPECT_EQ(frozen.finding, "Findings are of the live view only.");
  EXPECT_EQ(frozen.figures, "OK: no retransmissions");
  EXPECT_EQ(finding_lines(nullptr, kCookie, 68, 10).front().text,
            "Findings are of the live view only.");
}

}  // namespace
}  // namespace netsonde
