// SPDX-License-Identifier: Apache-2.0
#include "user/base/keeper.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <initializer_list>

namespace netsonde {

namespace {

constexpr std::time_t kPatienceSeconds = 1;  // of who was asked to end

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

int status_of(int status) {
  if (WIFSTOPPED(status)) return 128 + WSTOPSIG(status);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void execute(char* const* arguments, int pipe) {
  execvp(arguments[0], arguments);
  const int error = errno;
  (void)!write(pipe, &error, sizeof(error));
  _exit(127);
}

void keep(char* const* arguments, int pipe) {
  Keeper(arguments, pipe).run();
}

}  // namespace netsonde
