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

// A command and what it leaves behind, both of which would live on.
struct Leftover {
  pid_t command = 0, child = 0;

  // Whether it ends by itself; here it is ended in any case, and so is who waits for the command.
  bool ends() const {
    const UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    pollfd ended = {.fd = fd.get(), .events = POLLIN, .revents = 0};
    const bool has_ended = !fd || poll(&ended, 1, 20'000) == 1;
    if (!has_ended)
      for (const pid_t pid : {child, command}) kill(pid, SIGKILL);
    return has_ended;
  }
};

// Starts something that would live on, then does that.
ChildProcess with_child(const std::string& child, const std::string& then, Leftover& leftover) {
  int ends_of_pipe[2];
  EXPECT_EQ(pipe(ends_of_pipe), 0);
  const UniqueFd reader(ends_of_pipe[0]);
  UniqueFd writer(ends_of_pipe[1]);
  const std::string script =
      fmt::format("{} >&- 2>&- & echo $$ $! >&{}; {}", child, writer.get(), then);
  ChildProcess started = ChildProcess::start_whole({"sh", "-c", script}).value();
  writer.reset();
  char text[32] = {};
  EXPECT_GT(read(reader.get(), text, sizeof(text) - 1), 0);
  char* end = text;
  leftover.command = static_cast<pid_t>(std::strtol(text, &end, 10));
  leftover.child = static_cast<pid_t>(std::strtol(end, nullptr, 10));
  return started;
}

TEST(ChildProcessTest, AWholeOneEndsWithAllThatItStarted) {
  for (const char* const child :
       {"sleep 1000", "setsid sleep 1000", "sh -c 'trap \"\" TERM; sleep 1000; sleep 1000'",
        "sh -c 'kill -STOP $$; sleep 1000'"}) {
    for (const char* const then : {"exit 7", "exec sleep 1000"}) {
      Leftover leftover;
      ChildProcess started = with_child(child, then, leftover);
      const bool ends_by_itself = std::string(then) == "exit 7";
      if (ends_by_itself) wait_for_end(started);
      EXPECT_EQ(started.end(), ends_by_itself ? 7 : 128 + SIGTERM) << child;
      ASSERT_TRUE(leftover.ends()) << child << "; " << then;
    }
  }
}

TEST(ChildProcessTest, AWholeOneEndsWithWhoStartedItHoweverThatEnds) {
  int ends_of_pipe[2];
  ASSERT_EQ(pipe(ends_of_pipe), 0);
  const UniqueFd reader(ends_of_pipe[0]);
  UniqueFd writer(ends_of_pipe[1]);
  const pid_t owner = fork();
  if (owner == 0) {
    Leftover leftover;
    const ChildProcess started = with_child("sleep 1000", "exec sleep 1000", leftover);
    (void)!write(writer.get(), &leftover, sizeof(leftover));
    pause();
    _exit(0);
  }
  writer.reset();
  Leftover leftover;
  const ssize_t size = read(reader.get(), &leftover, sizeof(leftover));
  kill(owner, SIGKILL);
  ASSERT_EQ(waitpid(owner, nullptr, 0), owner);
  ASSERT_EQ(size, static_cast<ssize_t>(sizeof(leftover)));
  EXPECT_TRUE(leftover.ends());
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
