// SPDX-License-Identifier: Apache-2.0
#include "probes/breaker.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using State = Breaker::State;

constexpr Time kNow = time_from_ns(1'000'000'000'000);

void fail(Breaker& breaker, int times, Time now) {
  for (int i = 0; i < times; ++i) breaker.note(false, now);
}

// Fails the trial that is due then, and tells when the next one is.
Time fail_trial(Breaker& breaker, Time now) {
  EXPECT_TRUE(breaker.allows(now));
  breaker.note(false, now);
  return breaker.opens_again_at().value_or(now);
}

TEST(Breaker, LetsAllThroughAtFirst) {
  Breaker breaker;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(breaker.allows(kNow));
  EXPECT_EQ(breaker.state(kNow), State::Closed);
  EXPECT_FALSE(breaker.opens_again_at());
}

TEST(Breaker, OpensAfterSoManyFailuresInARow) {
  Breaker breaker;
  fail(breaker, 4, kNow);
  EXPECT_TRUE(breaker.allows(kNow));
  breaker.note(false, kNow);
  EXPECT_EQ(breaker.state(kNow), State::Open);
  EXPECT_FALSE(breaker.allows(kNow));
  EXPECT_EQ(breaker.opens_again_at(), kNow + seconds(10));
}

TEST(Breaker, ASuccessBetweenStartsTheCountAgain) {
  Breaker breaker;
  fail(breaker, 4, kNow);
  breaker.note(true, kNow);
  fail(breaker, 4, kNow);
  EXPECT_EQ(breaker.state(kNow), State::Closed);
}

TEST(Breaker, LetsOneTrialThroughAfterTheCoolDown) {
  Breaker breaker;
  fail(breaker, 5, kNow);
  EXPECT_FALSE(breaker.allows(kNow + milliseconds(9999)));
  EXPECT_EQ(breaker.state(kNow + seconds(10)), State::HalfOpen);
  EXPECT_TRUE(breaker.allows(kNow + seconds(10)));
  EXPECT_FALSE(breaker.allows(kNow + seconds(10)));
  EXPECT_EQ(breaker.state(kNow + seconds(11)), State::HalfOpen);
}

TEST(Breaker, ClosesWhenTheTrialSucceeds) {
  Breaker breaker;
  fail(breaker, 5, kNow);
  ASSERT_TRUE(breaker.allows(kNow + seconds(10)));
  breaker.note(true, kNow + seconds(11));
  EXPECT_EQ(breaker.state(kNow + seconds(11)), State::Closed);
  EXPECT_FALSE(breaker.opens_again_at());
  fail(breaker, 4, kNow + seconds(11));
  EXPECT_TRUE(breaker.allows(kNow + seconds(11)));
}

TEST(Breaker, EachTrialThatFailsDoublesTheCoolDownUpToItsCap) {
  Breaker breaker;
  fail(breaker, 5, kNow);
  Time due = kNow + seconds(10);
  for (const int cool_down_s : {20, 40, 80, 160, 300, 300}) {
    const Time next = fail_trial(breaker, due);
    EXPECT_EQ(next, due + seconds(cool_down_s));
    EXPECT_FALSE(breaker.allows(next - Nanos(1)));
    due = next;
  }
}

TEST(Breaker, TheCoolDownIsShortAgainOnceItWasClosed) {
  Breaker breaker;
  fail(breaker, 5, kNow);
  const Time due = fail_trial(breaker, kNow + seconds(10));
  ASSERT_TRUE(breaker.allows(due));
  breaker.note(true, due);
  fail(breaker, 5, due);
  EXPECT_EQ(breaker.opens_again_at(), due + seconds(10));
}

TEST(Breaker, AttemptsFromBeforeItOpenedChangeNothing) {
  Breaker breaker;
  fail(breaker, 5, kNow);
  breaker.note(true, kNow + seconds(1));
  breaker.note(false, kNow + seconds(2));
  EXPECT_EQ(breaker.state(kNow + seconds(2)), State::Open);
  EXPECT_EQ(breaker.opens_again_at(), kNow + seconds(10));
  breaker.note(true, kNow + seconds(12));  // due, but not yet tried
  EXPECT_EQ(breaker.state(kNow + seconds(12)), State::HalfOpen);
}

TEST(Breaker, ATrialThatNobodyHeardOfIsGivenUp) {
  Breaker breaker;
  fail(breaker, 5, kNow);
  ASSERT_TRUE(breaker.allows(kNow + seconds(10)));
  EXPECT_FALSE(breaker.allows(kNow + seconds(19)));
  EXPECT_TRUE(breaker.allows(kNow + seconds(20)));
}

TEST(Breaker, SettingsHold) {
  Breaker breaker({.failures = 1, .cool_down = minutes(10), .longest_cool_down = minutes(5)});
  breaker.note(false, kNow);
  EXPECT_EQ(breaker.opens_again_at(), kNow + minutes(5));
}

}  // namespace
}  // namespace netsonde
