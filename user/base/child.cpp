// SPDX-License-Identifier: Apache-2.0
#include "user/base/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "user/base/text.h"

namespace netsonde {

namespace {

void be_a_group() {
  (void)setpgid(0, 0);
  (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) (void)dup2(nothing, STDIN_FILENO);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& words) {
  return start(words, false);
}

Result<ChildProcess> ChildProcess::start_group(const std::vector<std::string>& words) {
  return start(words, true);
}

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& words, bool in_group) {
  const std::string doing = "start " + printable(words[0]);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int ends[2];  // the errno of execvp comes through, or nothing
  if (pipe2(ends, O_CLOEXEC)) return Error::from_errno(doing);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t pid = fork();
  if (pid < 0) return Error::from_errno(doing);
  if (pid == 0) {
    if (in_group) be_a_group();
    execvp(arguments[0], arguments.data());
    const int error = errno;
    (void)!write(writer.get(), &error, sizeof(error));
    _exit(127);
  }
  writer.reset();
  ChildProcess child(pid, in_group);
  int error = 0;
  if (read(reader.get(), &error, sizeof(error)) == sizeof(error))
    return Error::from_errno(doing, error);
  child.fd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!child.fd_) return Error::from_errno(doing);
  return child;
}

int ChildProcess::end() {
  siginfo_t info = {};
  const bool known =
      !waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
  if (!known) kill(pid_, SIGTERM);
  if (is_group_) kill(-pid_, SIGTERM);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace netsonde
