// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/watch_fixture.h"
#include "user/period_meter.h"

namespace netsonde {
namespace {

class PeriodFiguresTest : public WatchTest {
 protected:
  // A second in which so many bytes were acknowledged while data was on its way for so long, and in
  // which each of two processors spent so long in software interrupts.
  void pass_a_second(std::uint64_t bytes, std::uint32_t busy_ms, std::uint64_t softirq_ms = 0) {
    sent_ += bytes;
    busy_ms_ += busy_ms;
    softirq_ms_ += softirq_ms;
    ++second_;
    ev_sample s = sample(second_ - 0.5);
    s.tx_bytes = sent_;
    s.busy_ms = busy_ms_;
    s.segs_out = static_cast<std::uint32_t>(sent_ / 1000);
    store_.apply(s);
    numbers_ = {{"cpu.softirq_ms", "cpu0", softirq_ms_}, {"cpu.softirq_ms", "cpu1", softirq_ms_}};
    after_a_second();
    EXPECT_TRUE(figures_.on_snapshot(snapshot()));
  }

  PeriodFigures figures_;
  std::uint64_t sent_ = 0, softirq_ms_ = 0;
  std::uint32_t busy_ms_ = 0;
  int second_ = 0;
};

TEST_F(PeriodFiguresTest, WhatWasSentIsOfTheBusyTimeOfAllTicks) {
  figures_.begin();
  pass_a_second(9'000'000, 900);  // in part of the time before
  pass_a_second(1'000'000, 100);
  pass_a_second(2'000'000, 900);
  EXPECT_EQ(figures_.ticks(), 2U);
  EXPECT_NEAR(figures_.figures().at("tx_bytes_per_busy_s"), 3'000'000, 1);
  EXPECT_NEAR(figures_.figures().at("tx_bytes_per_s"), 1'500'000, 1);
}

TEST_F(PeriodFiguresTest, WhereNothingWasOnItsWayThereIsNoSuchFigure) {
  figures_.begin();
  pass_a_second(1000, 100);
  pass_a_second(1000, 5);
  EXPECT_FALSE(figures_.figures().contains("tx_bytes_per_busy_s"));
}

TEST_F(PeriodFiguresTest, SoftwareInterruptsAreThoseOfAllProcessors) {
  figures_.begin();
  pass_a_second(1000, 1, 500);
  pass_a_second(1000, 1, 100);
  pass_a_second(1000, 1, 300);
  EXPECT_NEAR(figures_.figures().at("softirq_percent"), 40, 0.01);
}

TEST_F(PeriodFiguresTest, APeriodBeginsWithNothing) {
  figures_.begin();
  pass_a_second(1000, 1, 0);
  pass_a_second(9'000'000, 900, 500);
  figures_.begin();
  EXPECT_TRUE(figures_.figures().empty());
  pass_a_second(1000, 1, 0);
  pass_a_second(1'000'000, 500, 0);
  EXPECT_NEAR(figures_.figures().at("tx_bytes_per_busy_s"), 2'000'000, 1);
  EXPECT_NEAR(figures_.figures().at("softirq_percent"), 0, 0.01);
}

}  // namespace
}  // namespace netsonde
