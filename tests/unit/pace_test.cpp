// SPDX-License-Identifier: Apache-2.0
#include "user/pace.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

using namespace std::chrono_literals;

int taken(Pace& pace, Nanos interval) {
  int count = 0;
  while (count < 1000 && pace.take(interval)) ++count;
  return count;
}

TEST(PaceTest, AnIntervalPassesOnceItsTimeHas) {
  Pace pace;
  pace.pass(900ms);
  EXPECT_FALSE(pace.take(1s));
  pace.pass(100ms);
  EXPECT_TRUE(pace.take(1s));
  EXPECT_FALSE(pace.take(1s));
}

TEST(PaceTest, FasterAndSlowerDoubleAndHalve) {
  Pace pace;
  EXPECT_EQ(pace.text(), "1x");
  pace.faster();
  EXPECT_EQ(pace.text(), "2x");
  pace.pass(10s);
  EXPECT_EQ(taken(pace, 1s), 20);
  for (int i = 0; i < 20; ++i) pace.slower();
  EXPECT_EQ(pace.text(), "0.25x");
  pace.pass(10s);
  EXPECT_EQ(taken(pace, 1s), 2);
}

TEST(PaceTest, BehindTheFastestSpeedNothingWaits) {
  Pace pace;
  for (int i = 0; i < 6; ++i) pace.faster();
  EXPECT_EQ(pace.text(), "64x");
  EXPECT_FALSE(pace.take(1s));
  for (int i = 0; i < 5; ++i) pace.faster();
  EXPECT_EQ(pace.text(), "at full speed");
  EXPECT_TRUE(pace.take(1h));
  pace.slower();
  EXPECT_EQ(pace.text(), "64x");
}

TEST(PaceTest, WhatCouldNotBeKeptUpWithIsForgiven) {
  Pace pace;
  pace.pass(1h);
  pace.forgive(1s);
  EXPECT_EQ(taken(pace, 1s), 1);
}

}  // namespace
}  // namespace netsonde
