// SPDX-License-Identifier: Apache-2.0
#include "user/base/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::time_t kPatienceSeconds = 1;  // of who was asked to end

int status_of(int status) {
  if (WIFSTOPPED(status)) return 128 + WSTOPSIG(status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Tells over the pipe why it could not.
[[noreturn]] void execute(char* const* arguments, int pipe) {
  execvp(arguments[0], arguments);
  const int error = errno;
  (void)!write(pipe, &error, sizeof(error));
  _exit(127);
}

// What the process that starts the command for us does: it sees to it that nothing of it is left.
// It has none of our descriptors, whose locks would outlive us, and allocates nothing, for another
// thread of ours may have been about to.
class Keeper {
 public:
  Keeper(char* const* arguments, int pipe) : pipe_(pipe) {
    const pid_t owner = getppid();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != owner) _exit(127);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    sigemptyset(&signals_);
    for (const int signal : {SIGCHLD, SIGTERM}) sigaddset(&signals_, signal);
    command_ = fork();
    if (command_ == 0) become(arguments);
  }

  [[noreturn]] void run() {
    close_range(STDERR_FILENO + 1, ~0U, 0);
    if (command_ < 0) _exit(126);
    int status = -1;
    while (status < 0) {
      siginfo_t info = {};
      const int signal = sigwaitinfo(&signals_, &info);
      if (signal == SIGCHLD)
        status = reap();
      else if (signal > 0)
        status = 128 + signal;
    }
    end_the_rest();
    _exit(status);
  }

 private:
  [[noreturn]] void become(char* const* arguments) const {
    setpgid(0, 0);
    for (const int signal : {SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) (void)dup2(nothing, STDIN_FILENO);
    execute(arguments, pipe_);
  }

  // The status of the command; -1: it was somebody else, or none.
  int reap() const {
    int found = -1, status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;)
      if (pid == command_) found = status_of(status);
    return found;
  }

  // Whose parent has ended comes to us: sooner or later all of them do.
  static void tell_children(int signal) {
    const int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    char text[4096];  // those that do not fit come the next time
    const ssize_t size = read(file, text, sizeof(text));
    close(file);
    pid_t pid = 0;
    for (ssize_t i = 0; i < size; ++i) {
      if (text[i] != ' ') {
        pid = 10 * pid + (text[i] - '0');
        continue;
      }
      kill(pid, signal);
      kill(pid, SIGCONT);
      pid = 0;
    }
  }

  void end_the_rest() const {
    kill(-command_, SIGTERM);
    kill(-command_, SIGCONT);
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::time_t asked = now.tv_sec + kPatienceSeconds, killed = asked + kPatienceSeconds;
    while (waitpid(-1, nullptr, WNOHANG) >= 0 && now.tv_sec <= killed) {
      const int signal = now.tv_sec <= asked ? SIGTERM : SIGKILL;
      tell_children(signal);
      if (signal == SIGKILL) kill(-command_, SIGKILL);
      sigset_t child;
      sigemptyset(&child);
      sigaddset(&child, SIGCHLD);
      const timespec moment = {.tv_sec = 0, .tv_nsec = 50'000'000};
      (void)sigtimedwait(&child, nullptr, &moment);
      clock_gettime(CLOCK_MONOTONIC, &now);
    }
  }

  int pipe_;
  pid_t command_ = -1;
  sigset_t signals_ = {};
};

}  // namespace

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
  if (pid == 0 && whole) Keeper(arguments.data(), writer.get()).run();
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
