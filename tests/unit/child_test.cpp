// SPDX-License-Identifier: Apache-2.0
#include "user/base/child.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

// Starts something that would live on, then does that; which it was.
ChildProcess with_child(const std::string& child, const std::string& then, pid_t& pid) {
  int ends_of_pipe[2];
  EXPECT_EQ(pipe(ends_of_pipe), 0);
  const UniqueFd reader(ends_of_pipe[0]);
  UniqueFd writer(ends_of_pipe[1]);
  ChildProcess started =
      ChildProcess::start_whole(
          {"sh", "-c", fmt::format("{} >&- 2>&- & echo $! >&{}; {}", child, writer.get(), then)})
          .value();
  writer.reset();
  char text[32] = {};
  EXPECT_GT(read(reader.get(), text, sizeof(text) - 1), 0);
  pid = std::atoi(text);
  return started;
}

TEST(ChildProcessTest, AWholeOneEndsWithAllThatItStarted) {
  for (const char* const child :
       {"sleep 1000", "setsid sleep 1000", "sh -c 'trap \"\" TERM; sleep 1000; sleep 1000'",
        "sh -c 'kill -STOP $$; sleep 1000'"}) {
    for (const char* const then : {"exit 7", "exec sleep 1000"}) {
      pid_t pid = 0;
      ChildProcess started = with_child(child, then, pid);
      const bool ends_by_itself = std::string(then) == "exit 7";
      if (ends_by_itself) wait_for_end(started);
      EXPECT_EQ(started.end(), ends_by_itself ? 7 : 128 + SIGTERM) << child;
      EXPECT_TRUE(ends(pid)) << child << "; " << then;
    }
  }
}

TEST(ChildProcessTest, AWholeOneEndsWithWhoStartedItHoweverThatEnds) {
  int ends_of_pipe[2];
  ASSERT_EQ(pipe(ends_of_pipe), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    pid_t pid = 0;
    const ChildProcess started = with_child("sleep 1000", "exec sleep 1000", pid);
    (void)!write(ends_of_pipe[1], &pid, sizeof(pid));
    pause();
    _exit(0);
  }
  close(ends_of_pipe[1]);
  pid_t pid = 0;
  ASSERT_EQ(read(ends_of_pipe[0], &pid, sizeof(pid)), static_cast<ssize_t>(sizeof(pid)));
  kill(owner, SIGKILL);
  ASSERT_EQ(waitpid(owner, nullptr, 0), owner);
  EXPECT_TRUE(ends(pid));
}

TEST(ChildProcessTest, AWholeOneHasNothingToReadAndEndsByAPipeThatNobodyReads) {
  std::signal(SIGPIPE, SIG_IGN);
  ChildProcess child =
      ChildProcess::start_whole({"sh", "-c", "cat; kill -PIPE $$; exit 3"}).value();
  std::signal(SIGPIPE, SIG_DFL);
  wait_for_end(child);
  EXPECT_EQ(child.end(), 128 + SIGPIPE);
}

TEST(ChildProcessTest, AWholeOneThatStopsItselfHasEnded) {
  ChildProcess child = ChildProcess::start_whole({"sh", "-c", "kill -STOP $$; exit 3"}).value();
  wait_for_end(child);
  EXPECT_EQ(child.end(), 128 + SIGSTOP);
}

TEST(ChildProcessTest, AStatusIsKeptWhereChildrenWereIgnored) {
  std::signal(SIGCHLD, SIG_IGN);
  ChildProcess child = shell("exit 7");
  wait_for_end(child);
  EXPECT_EQ(child.end(), 7);
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
