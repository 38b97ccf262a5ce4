// SPDX-License-Identifier: Apache-2.0
#include "user/base/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

namespace netsonde {

namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class LoopTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(loop_.after(std::chrono::seconds(20), []() -> Result<> { return Error("late"); }));
  }
  Loop::Handler note(int what) {
    return [this, what]() -> Result<> {
      seen_.push_back(what);
      return {};
    };
  }
  Loop::Handler stop() {
    return [this]() -> Result<> {
      loop_.stop();
      return {};
    };
  }

  Loop loop_ = Loop::open().value();
  std::vector<int> seen_;
};

TEST_F(LoopTest, TimersCallBackInTheOrderOfTheirTimes) {
  ASSERT_TRUE(loop_.after(milliseconds(3), note(3)));
  ASSERT_TRUE(loop_.after(milliseconds(1), note(1)));
  ASSERT_TRUE(loop_.after(milliseconds(2), note(2)));
  ASSERT_TRUE(loop_.after(milliseconds(4), stop()));
  ASSERT_TRUE(loop_.run());
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3));
}

TEST_F(LoopTest, NoTimerIsEarly) {
  const Time begin = kernel_now();
  ASSERT_TRUE(loop_.after(milliseconds(5), stop()));
  ASSERT_TRUE(loop_.run());
  EXPECT_GE(kernel_now() - begin, milliseconds(5));
}

TEST_F(LoopTest, AnIntervalComesAgainUntilItIsForgotten) {
  int timer = -1;
  timer = loop_
              .every(milliseconds(1),
                     [&]() -> Result<> {
                       seen_.push_back(1);
                       if (seen_.size() < 3) return {};
                       loop_.forget(timer);
                       return loop_.after(milliseconds(5), stop());
                     })
              .value();
  ASSERT_TRUE(loop_.run());
  EXPECT_THAT(seen_, ElementsAre(1, 1, 1));
  EXPECT_FALSE(loop_.set_interval(timer, milliseconds(1)));
}

TEST_F(LoopTest, MissedTicksAreNotMadeUpFor) {
  const Time begin = kernel_now();
  ASSERT_TRUE(loop_.every(milliseconds(1), [&]() -> Result<> {
    seen_.push_back(1);
    while (kernel_now() - begin < milliseconds(30)) {
    }
    return {};
  }));
  ASSERT_TRUE(loop_.after(milliseconds(33), stop()));
  ASSERT_TRUE(loop_.run());
  EXPECT_LE(seen_.size(), 6);  // the first, one for all that were missed, those of the last 3 ms
}

TEST_F(LoopTest, AnIntervalOfNothingWaitsUntilItIsSet) {
  const int timer = loop_.every(Nanos(0), note(1)).value();
  ASSERT_TRUE(loop_.after(milliseconds(2), [&]() -> Result<> {
    EXPECT_THAT(seen_, ElementsAre());
    return loop_.set_interval(timer, milliseconds(1));
  }));
  ASSERT_TRUE(loop_.every(milliseconds(1), [&]() -> Result<> {
    if (seen_.size() < 2) return {};
    EXPECT_TRUE(loop_.set_interval(timer, Nanos(0)));
    seen_.clear();
    return loop_.after(milliseconds(5), stop());
  }));
  ASSERT_TRUE(loop_.run());
  EXPECT_THAT(seen_, ElementsAre());
}

TEST_F(LoopTest, ATimerThatIsForgottenByAnotherOfItsTimeIsNotCalled) {
  std::array<int, 2> timers{};
  for (std::size_t i = 0; i < timers.size(); ++i) {
    const auto forget_other = [&, i]() -> Result<> {
      seen_.push_back(1);
      loop_.forget(timers.at(1 - i));
      return loop_.set_interval(timers.at(i), Nanos(0));
    };
    timers.at(i) = loop_.every(milliseconds(1), forget_other).value();
  }
  const Time begin = kernel_now();
  while (kernel_now() - begin < milliseconds(2)) {
  }
  ASSERT_TRUE(loop_.after(milliseconds(3), stop()));
  ASSERT_TRUE(loop_.run());
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(LoopTest, DescriptorsHaveTheirTurnBesideATimerThatIsAlwaysDue) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const UniqueFd reader(ends[0]), writer(ends[1]);
  ASSERT_TRUE(loop_.watch(reader.get(), stop()));
  std::function<Result<>()> again = [&] { return loop_.after(Nanos(1), again); };
  ASSERT_TRUE(again());
  ASSERT_EQ(write(writer.get(), "x", 1), 1);
  EXPECT_TRUE(loop_.run());
}

TEST_F(LoopTest, WhatAHandlerReturnsEndsTheLoop) {
  ASSERT_TRUE(loop_.after(milliseconds(1), []() -> Result<> { return Error("enough"); }));
  const auto ended = loop_.run();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().message(), "enough");
}

}  // namespace

}  // namespace netsonde
