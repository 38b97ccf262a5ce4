// SPDX-License-Identifier: Apache-2.0
#include "user/base/child.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "user/base/keeper.h"
#include "user/base/text.h"

namespace netsonde {

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& words) {
  return start(words, false);
}

Result<ChildProcess> ChildProcess::start_whole(const std::vector<std::string>& words) {
  return start(words, true);
}

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& words, bool whole) {
  const std::string doing = "start " + printable(words[0]);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  int ends[2];  // the errno of execvp comes through, or nothing
  if (pipe2(ends, O_CLOEXEC)) return Error::from_errno(doing);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  std::signal(SIGCHLD, SIG_DFL);  // who started us may ignore it, and then no status is kept
  const pid_t pid = fork();
  if (pid < 0) return Error::from_errno(doing);
  if (pid == 0 && whole) keep(arguments.data(), writer.get());
  if (pid == 0) execute(arguments.data(), writer.get());
  writer.reset();
  ChildProcess child(pid);
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
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return status_of(status);
}

}  // namespace netsonde
