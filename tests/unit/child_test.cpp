// SPDX-License-Identifier: Apache-2.0
#include "user/base/child.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <csignal>

namespace netsonde {
namespace {

ChildProcess shell(const std::string& script) {
  return ChildProcess::start({"sh", "-c", script}).value();
}

void wait_for_end(const ChildProcess& child) {
  pollfd ended = {.fd = child.fd(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&ended, 1, 20'000), 1);
}

TEST(ChildProcessTest, GivesTheExitStatus) {
  ChildProcess child = shell("exit 7");
  wait_for_end(child);
  EXPECT_EQ(child.end(), 7);
}

TEST(ChildProcessTest, GivesASignalAsAShellDoes) {
  ChildProcess child = shell("kill -KILL $$");
  wait_for_end(child);
  EXPECT_EQ(child.end(), 128 + SIGKILL);
}

TEST(ChildProcessTest, EndsWhatStillRuns) {
  ChildProcess child = shell("exec sleep 1000");
  EXPECT_EQ(child.end(), 128 + SIGTERM);
}

TEST(ChildProcessTest, WhatCannotBeExecutedIsAnErrorThatNamesIt) {
  const auto refused = ChildProcess::start({"/no/such/program"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), ::testing::HasSubstr("/no/such/program"));
}

TEST(ChildProcessTest, ArgumentsArriveAsTheyAre) {
  ChildProcess child =
      ChildProcess::start({"sh", "-c", "test \"$1\" = 'a b*'", "sh", "a b*"}).value();
  wait_for_end(child);
  EXPECT_EQ(child.end(), 0);
}

}  // namespace
}  // namespace netsonde
