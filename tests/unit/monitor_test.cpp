// SPDX-License-Identifier: Apache-2.0
#include "user/sinks/monitor.h"

#include <gmock/gmock.h>

#include "tests/unit/watch_fixture.h"
#include "user/base/text.h"

namespace netsonde {
namespace {

using testing::HasSubstr;
using testing::Not;

class MonitorTest : public WatchTest {
 protected:
  std::string summary() { return to_text(watch_, {.last = snapshot()}); }
  Json json() { return to_json(watch_, {.last = snapshot(), .host_values_unreadable = 3}); }

  static int widest(const std::string& text) {
    int widest = 0;
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
      widest = std::max(widest, display_width(text.substr(at, text.find('\n', at) - at)));
    return widest;
  }
};

constexpr std::int64_t kWhen = 1'795'353'362'123'456'789;  // 2026-11-22

TEST_F(MonitorTest, AnAnomalyThatBeginsIsOneLine) {
  receive("eth0", 10'240, 200);
  const auto changes = receive("eth0", 10'240'000);
  ASSERT_EQ(changes.size(), 1U);
  const std::string line = to_text(changes[0], kWhen);
  EXPECT_THAT(line,
              testing::StartsWith("2026-11-22T13:16:02.123Z began device_rx_bytes_per_s eth0: "
                                  "9.8MiB/s, +"));
  EXPECT_THAT(line, testing::EndsWith(" sigmas; spike up from 10.0KiB/s\n"));
}

TEST_F(MonitorTest, AnAnomalyThatBeginsHasNoEndInJson) {
  receive("eth0", 10'000, 200);
  const Json json = to_json(receive("eth0", 10'000'000)[0], kWhen);
  EXPECT_EQ(json["time"], "2026-11-22T13:16:02.123456789Z");
  EXPECT_EQ(json["event"], "anomaly_began");
  EXPECT_EQ(json["series"], "device_rx_bytes_per_s");
  EXPECT_EQ(json["instance"], "eth0");
  EXPECT_EQ(json["unit"], "bytes/s");
  EXPECT_EQ(json["value"], 1e7);
  EXPECT_EQ(json["kind"], "spike");
  EXPECT_EQ(json["direction"], "up");
  EXPECT_TRUE(json["ended"].is_null());
  EXPECT_TRUE(json["duration_s"].is_null());
}

TEST_F(MonitorTest, AnAnomalyThatEndsSaysHowAndAfterWhat) {
  receive("eth0", 10'000, 200);
  receive("eth0", 10'000'000, 5);
  const auto ended = receive("eth0", 10'000, 10);
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_THAT(to_text(ended[0], kWhen),
              testing::ContainsRegex("ended .*, returned after [0-9.]+s"));
  const Json json = to_json(ended[0], kWhen);
  EXPECT_EQ(json["event"], "anomaly_ended");
  EXPECT_EQ(json["ended"], "returned");
  EXPECT_GE(json["duration_s"], 5.0);
}

TEST_F(MonitorTest, AnAnomalyThatWentWithItsDeviceHasNoValue) {
  devices_["eth0"] = 0;
  receive("eth1", 10'000, 200);
  receive("eth1", 10'000'000, 3);
  devices_.erase("eth1");
  const auto gone = after_a_second();
  ASSERT_EQ(gone.size(), 1U);
  EXPECT_THAT(to_text(gone[0], kWhen), HasSubstr(", vanished after 3.0s"));
  const Json json = to_json(gone[0], kWhen);
  EXPECT_EQ(json["ended"], "vanished");
  EXPECT_TRUE(json["value"].is_null());
  EXPECT_TRUE(json["deviation_sigmas"].is_null());
}

TEST_F(MonitorTest, WhatStillRunsAtTheEndIsListed) {
  receive("eth0", 10'000, 200);
  receive("eth0", 10'000'000, 5);
  EXPECT_THAT(summary(), HasSubstr("1 anomaly:\n   1  device_rx_bytes_per_s eth0, still running "
                                   "after 4.0s: spike up from "));
  const Json running = json()["running"];
  ASSERT_EQ(running.size(), 1U);
  EXPECT_EQ(running[0]["series"], "device_rx_bytes_per_s");
  EXPECT_EQ(running[0]["duration_s"], 4.0);
  EXPECT_EQ(json()["anomalies"], 1);
}

TEST_F(MonitorTest, TheTableLeavesOutWhatWasAlwaysZero) {
  devices_["eth0"] = 0;
  receive("eth1", 10'000, 3);
  EXPECT_THAT(summary(), HasSubstr("\ndevice_rx_bytes_per_s eth1"));
  EXPECT_THAT(summary(), Not(HasSubstr("device_rx_bytes_per_s eth0")));
  EXPECT_THAT(summary(), testing::ContainsRegex("Left out: [1-9][0-9]* series always at zero, "
                                                "[1-9][0-9]* never measured"));
}

TEST_F(MonitorTest, TheTableFits80Columns) {
  devices_["a-long-name-0123"] = 0;
  numbers_ = {{"sockstat.tcp.tw", "", 123'456'789}, {"sockstat.tcp.mem", "", 99'999}};
  for (const std::uint64_t bytes : {0ULL, 1'047'000ULL, 1'000'000'000'000'000ULL, 3ULL})
    receive("a-long-name-0123", bytes);
  EXPECT_LE(widest(summary()), 80) << summary();
}

TEST_F(MonitorTest, WithoutASampleNothingIsInvented) {
  const Json nothing = json();
  EXPECT_EQ(nothing["samples"], 0);
  EXPECT_EQ(nothing["host_values_unreadable"], 3);
  for (const Json& series : nothing["series"]) {
    EXPECT_EQ(series["samples"], 0) << series;
    for (const char* key : {"mean", "min", "max", "standard_deviation", "p50", "p95", "p99"})
      EXPECT_TRUE(series[key].is_null()) << series;
  }
}

TEST_F(MonitorTest, ARunWithinTheWarmUpClaimsNoPeace) {
  receive("eth0", 10'000, kDetectorWarmUp);
  EXPECT_THAT(summary(), HasSubstr("No anomaly was looked for"));
  receive("eth0", 10'000);
  EXPECT_THAT(summary(), HasSubstr("No anomaly.\n"));
}

TEST_F(MonitorTest, TheEndOfTheLearningIsToldOnce) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = open_memstream(&text, &size);
  Monitor monitor({}, out);
  for (std::size_t i = 1; i <= kDetectorWarmUp + 2; ++i) {
    after_a_second();
    ASSERT_TRUE(monitor.on_snapshot(snapshot()));
    EXPECT_EQ(size > 0, i >= kDetectorWarmUp) << i;
  }
  std::fclose(out);
  EXPECT_THAT(std::string(text, size),
              testing::MatchesRegex("[^ ]+Z learned what is usual from 120 samples; [^\n]+\n"));
  std::free(text);
}

TEST_F(MonitorTest, ANameOfADeviceIsMadeHarmless) {
  receive("a\x1b[31m", 10'000, 2);
  EXPECT_THAT(summary(), HasSubstr("device_rx_bytes_per_s a\\x1b[31m"));
}

}  // namespace
}  // namespace netsonde
