// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules_fixture.h"

namespace netsonde {
namespace {

// Moved more than an unscaled window, some each way, and agreed on nothing.
ev_sample plain() {
  ev_sample s = connection();
  s.options = 0;
  s.tx_bytes = 60'000;
  s.rx_bytes = 10'000;
  s.established_ns = 0;  // opened before we looked
  return s;
}

TEST(OptionRulesTest, WhatMovedMoreThanAnUnscaledWindowWithoutAnOptionIsFound) {
  for (const std::string_view id : {"window-scaling-off", "timestamps-off"})
    expect(
        id, plain(),
        {{"70 kB", 1, [](ev_sample&) {}},
         {"65537 bytes", 1, [](ev_sample& s) { s.rx_bytes = 5'537; }},
         {"65535 bytes", 0, [](ev_sample& s) { s.rx_bytes = 5'535; }},
         {"never established", 0, [](ev_sample& s) { s.srtt_us = 0; }},
         {"established meanwhile", 1, [](ev_sample& s) { s.srtt_us = 0, s.established_ns = 1; }}});
}

TEST(OptionRulesTest, WhatWasAgreedOnIsNotMissed) {
  expect("window-scaling-off", plain(),
         {{"scaling", 0, [](ev_sample& s) { s.options = EV_OPT_WINDOW_SCALE; }},
          {"timestamps", 1, [](ev_sample& s) { s.options = EV_OPT_TIMESTAMPS; }}});
  expect("timestamps-off", plain(),
         {{"scaling", 1, [](ev_sample& s) { s.options = EV_OPT_WINDOW_SCALE; }},
          {"timestamps", 0, [](ev_sample& s) { s.options = EV_OPT_TIMESTAMPS; }}});
}

TEST(WindowScalingRulesTest, TheFiguresAreTheWindowsAndTheRoundTrip) {
  ev_sample s = plain();
  s.snd_wnd = 60'000;
  s.rcv_wnd = 50'000;
  s.srtt_us = 64'000;
  World world;
  world.run({s});
  const Finding finding = world.only("window-scaling-off");
  EXPECT_EQ(verdict(finding), "info peer high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=70000");
  EXPECT_EQ(figures(finding),
            "send_window_bytes=60000 bytes, receive_window_bytes=50000 bytes, srtt_us=64000 us, "
            "receive_window_limited_ms=0 ms");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_window_scaling");
  EXPECT_NE(finding.text.find("on this path of 64.0ms is 1000KiB/s"), std::string::npos)
      << finding.text;
}

TEST(WindowScalingRulesTest, WhereTheWindowHeldItBackItIsAWarning) {
  ev_sample s = plain();
  s.rwnd_limited_ms = 1;
  World world;
  world.run({s});
  const Finding finding = world.only("window-scaling-off");
  EXPECT_EQ(verdict(finding), "warning peer high");
  EXPECT_TRUE(figures(finding).ends_with("receive_window_limited_ms=1 ms")) << figures(finding);
}

TEST(TimestampRulesTest, TheFiguresAreHowOftenItMeasured) {
  ev_sample s = plain();
  s.rtt_samples = 9;
  World world;
  world.run({s});
  const Finding finding = world.only("timestamps-off");
  EXPECT_EQ(verdict(finding), "info peer high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=70000");
  EXPECT_EQ(figures(finding), "rtt_samples=9 count, tx_bytes=60000 bytes");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_timestamps");
}

// A link of 1500 bytes, and something on the way that takes less.
ev_sample clamped() {
  ev_sample s = plain();
  s.advmss = 1448;
  s.mss = 1447;
  return s;
}

TEST(MssRulesTest, SegmentsSmallerThanTheOwnLinkWouldTakeAreFound) {
  expect("mss-clamped", clamped(),
         {{"a byte smaller", 1, [](ev_sample&) {}},
          {"as large", 0, [](ev_sample& s) { s.mss = 1448; }},
          {"larger", 0, [](ev_sample& s) { s.mss = 1449; }},
          {"a jumbo link", 1, [](ev_sample& s) { s.advmss = 9216; }},
          {"loopback", 0, [](ev_sample& s) { s.advmss = 9217; }},
          {"little moved", 0, [](ev_sample& s) { s.rx_bytes = 5'535; }},
          {"some moved", 1, [](ev_sample& s) { s.rx_bytes = 5'537; }},
          {"never established", 0, [](ev_sample& s) { s.srtt_us = 0; }},
          {"established meanwhile", 1, [](ev_sample& s) { s.srtt_us = 0, s.established_ns = 1; }}});
}

TEST(MssRulesTest, TheFiguresAreBothSizes) {
  World world;
  world.run({clamped()});
  const Finding finding = world.only("mss-clamped");
  EXPECT_EQ(verdict(finding), "info network high");
  EXPECT_EQ(cost(finding), "connections=1 bytes=70000");
  EXPECT_EQ(figures(finding), "mss_bytes=1447 bytes, advertised_mss_bytes=1448 bytes");
  EXPECT_TRUE(
      finding.text.starts_with("Segments carry 1447 bytes although the own link would take 1448"))
      << finding.text;
}

ev_sample bleached(std::uint64_t cookie = kCookie) {
  ev_sample s = connection(cookie);
  s.options |= EV_OPT_ECN;
  s.data_segs_in = 10;
  s.rx_bytes = 9000;
  return s;
}

TEST(EcnRulesTest, TenSegmentsWithoutAMarkAlthoughItWasAgreedOnAreFound) {
  expect("ecn-bleached", bleached(),
         {{"ten", 1, [](ev_sample&) {}},
          {"nine", 0, [](ev_sample& s) { s.data_segs_in = 9; }},
          {"not agreed on", 0, [](ev_sample& s) { s.options &= ~EV_OPT_ECN; }},
          {"seen", 0, [](ev_sample& s) { s.options |= EV_OPT_ECN_SEEN; }}});
}

TEST(EcnRulesTest, TheFiguresAreHowManyCameWithout) {
  World world;
  world.run({bleached(1), bleached(2)});
  const Finding finding = world.only("ecn-bleached");
  EXPECT_EQ(verdict(finding), "info network high");
  EXPECT_EQ(cost(finding), "connections=2 bytes=18000");
  EXPECT_EQ(figures(finding), "rx_data_segments=20 segments, ecn=agreed, never seen");
  EXPECT_EQ(tunables(finding), "ipv4.tcp_ecn");
  EXPECT_NE(finding.text.find("none of 20 data segments"), std::string::npos) << finding.text;
}

}  // namespace
}  // namespace netsonde
