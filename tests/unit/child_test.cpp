// SPDX-License-Identifier: Apache-2.0
#include "user/base/child.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

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

bool ends(pid_t pid) {
  const UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended = {.fd = fd.get(), .events = POLLIN, .revents = 0};
  return !fd || poll(&ended, 1, 20'000) == 1;
}

TEST(ChildProcessTest, AGroupEndsWithAllThatItStarted) {
  int ends_of_pipe[2];
  ASSERT_EQ(pipe(ends_of_pipe), 0);
  const UniqueFd reader(ends_of_pipe[0]), writer(ends_of_pipe[1]);
  for (const char* const then : {"exit 0", "exec sleep 1000"}) {
    ChildProcess child =
        ChildProcess::start_group(
            {"sh", "-c", fmt::format("sleep 1000 >&- 2>&- & echo $! >&{}; {}", writer.get(), then)})
            .value();
    char pid[32] = {};
    ASSERT_GT(read(reader.get(), pid, sizeof(pid) - 1), 0);
    if (std::string(then) == "exit 0") wait_for_end(child);
    child.end();
    EXPECT_TRUE(ends(std::atoi(pid))) << then;
  }
}

TEST(ChildProcessTest, AGroupHasNothingToRead) {
  ChildProcess child = ChildProcess::start_group({"cat"}).value();
  wait_for_end(child);
  EXPECT_EQ(child.end(), 0);
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
