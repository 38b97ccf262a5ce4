// SPDX-License-Identifier: Apache-2.0
#include "tuner/guard.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "tuner/journal.h"
#include "user/base/fd.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr int kReadyWithinMs = 10'000;
constexpr int kLookForGuardMs = 1000;
constexpr timespec kBeforeNextTry{.tv_sec = 1, .tv_nsec = 0};
constexpr int kMostTries = 600;
constexpr std::uint64_t kSecond = 1'000'000'000;

// Locked by the guard as long as it lives.
UniqueFd lock_of_guard(const std::string& directory, int flags) {
  const std::string path = directory + "/guard.lock";
  return UniqueFd(open(path.c_str(), flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600));
}

// Each set has a byte of its own for its guard, and one for its owner.
flock byte_at(std::uint64_t place) {
  flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(place);
  lock.l_len = 1;
  return lock;
}

std::uint64_t place_of_guard(std::uint64_t set) {
  return 2 * set;
}

std::uint64_t place_of_owner(std::uint64_t set) {
  return 2 * set + 1;
}

bool is_locked(const std::string& directory, std::uint64_t place) {
  const UniqueFd file = lock_of_guard(directory, 0);
  flock lock = byte_at(place);
  return file && !fcntl(file.get(), F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

// What the guard waits for.
struct Posts {
  UniqueFd lock{}, timer{}, journal{}, signals{};
  UniqueFd owner{};  // none: it is not bound
};

Result<UniqueFd> timer_at(std::uint64_t deadline_ns) {
  UniqueFd timer(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC));
  itimerspec at = {};
  at.it_value.tv_sec = static_cast<time_t>(deadline_ns / kSecond);
  at.it_value.tv_nsec = static_cast<long>(deadline_ns % kSecond);
  if (!timer || timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &at, nullptr))
    return Error::from_errno("set the guard's timer");
  return timer;
}

Result<UniqueFd> changes_of(const std::string& path) {
  UniqueFd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd || inotify_add_watch(fd.get(), path.c_str(), IN_MODIFY) < 0)
    return Error::from_errno("watch " + printable(path));
  return fd;
}

Result<UniqueFd> request_to_end() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGQUIT}) sigaddset(&signals, signal);
  sigprocmask(SIG_SETMASK, &signals, nullptr);
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC));
  if (!fd) return Error::from_errno("take signals");
  return fd;
}

Result<Posts> begin_watching(const GuardDuty& duty) {
  Posts posts{.lock = lock_of_guard(duty.directory, O_CREAT)};
  flock lock = byte_at(place_of_guard(duty.set));
  if (!posts.lock || fcntl(posts.lock.get(), F_OFD_SETLK, &lock))
    return Error::from_errno("take the guard's lock");
  posts.timer = TRY(timer_at(duty.deadline_ns));
  posts.journal = TRY(changes_of(Journal::path_in(duty.directory)));
  posts.signals = TRY(request_to_end());
  return posts;
}

bool tells_of_end(const GuardDuty& duty, bool settled) {
  const auto ledger = Journal::look(duty.directory, settled);
  const ChangeSet* set = ledger ? ledger.value().find(duty.set) : nullptr;
  return set && set->time_ns == duty.begun_ns && set->state != SetState::Pending &&
         set->state != SetState::Stuck;
}

// A journal that cannot be read does not say that it has ended; nor does a record that is not on
// disk yet.
bool has_ended(const GuardDuty& duty) {
  return tells_of_end(duty, false) && tells_of_end(duty, true);
}

void act(const GuardDuty& duty, const std::string& why) {
  for (int tries = 0; !duty.act(why) && tries < kMostTries; ++tries)
    nanosleep(&kBeforeNextTry, nullptr);
}

void stand_guard(const GuardDuty& duty, const Posts& posts) {
  while (!has_ended(duty)) {
    pollfd fds[] = {{.fd = posts.timer.get(), .events = POLLIN, .revents = 0},
                    {.fd = posts.journal.get(), .events = POLLIN, .revents = 0},
                    {.fd = posts.signals.get(), .events = POLLIN, .revents = 0},
                    {.fd = posts.owner.get(), .events = POLLIN, .revents = 0}};
    if (poll(fds, std::size(fds), -1) < 0) continue;
    if (fds[0].revents) return act(duty, "not confirmed in time");
    if (fds[2].revents) return act(duty, "its guard was told to end");
    if (fds[3].revents) return act(duty, "netsonde ended in the middle of it");
    char events[4096];
    (void)!read(posts.journal.get(), events, sizeof(events));
  }
}

// Nothing of whoever started it is kept, but for the pipe.
void leave_everything(int& pipe) {
  setsid();
  (void)!chdir("/");
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) dup2(null, fd);
  pipe = dup2(pipe, STDERR_FILENO + 1);
  close_range(STDERR_FILENO + 2, ~0U, 0);
  fcntl(pipe, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "netsonde-guard");
}

// Readable when that process has ended; it is the one that has forked us.
Result<UniqueFd> end_of(pid_t parent) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, parent, 0)));
  if (fd && getppid() == parent) return fd;
  return Error("whoever started the guard has ended");
}

[[noreturn]] void be_guard(const GuardDuty& duty, pid_t parent, int pipe) {
  leave_everything(pipe);
  auto owner = duty.bound ? end_of(parent) : UniqueFd();
  if (fork()) _exit(0);
  auto posts = owner ? begin_watching(duty) : Result<Posts>(owner.error());
  const std::string answer = posts ? "" : posts.error().message();
  (void)!write(pipe, answer.c_str(), answer.size() + 1);
  close(pipe);
  if (posts) {
    posts.value().owner = std::move(owner).value();
    stand_guard(duty, posts.value());
  }
  _exit(0);
}

// Its last words end with a zero byte; without one it is gone.
Result<> wait_until_ready(int pipe) {
  std::string answer;
  char c = 0;
  pollfd ready{.fd = pipe, .events = POLLIN, .revents = 0};
  while (poll(&ready, 1, kReadyWithinMs) > 0 && read(pipe, &c, 1) == 1) {
    if (c) {
      answer += c;
      continue;
    }
    if (answer.empty()) return {};
    return Error("start the guard: " + answer);
  }
  return Error("start the guard: it does not answer");
}

}  // namespace

Result<> start_guard(const GuardDuty& duty) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return Error::from_errno("start the guard");
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const pid_t parent = getpid(), pid = fork();
  if (pid < 0) return Error::from_errno("start the guard");
  if (pid == 0) be_guard(duty, parent, writer.get());
  writer.reset();
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
  return wait_until_ready(reader.get());
}

namespace {

std::uint64_t boottime_ns() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

Result<> wait_for_end(const GuardDuty& duty) {
  const UniqueFd journal = TRY(changes_of(Journal::path_in(duty.directory)));
  constexpr std::uint64_t kMarginNs = 5'000'000'000;  // a guard may be stopped
  while (!has_ended(duty) && has_guard(duty.directory, duty.set) &&
         (!duty.deadline_ns || boottime_ns() < duty.deadline_ns + kMarginNs)) {
    pollfd changed{.fd = journal.get(), .events = POLLIN, .revents = 0};
    if (poll(&changed, 1, kLookForGuardMs) <= 0) continue;
    char events[4096];
    (void)!read(journal.get(), events, sizeof(events));
  }
  return {};
}

Result<UniqueFd> own(const std::string& directory, std::uint64_t set) {
  UniqueFd file = lock_of_guard(directory, O_CREAT);
  flock lock = byte_at(place_of_owner(set));
  if (!file || fcntl(file.get(), F_OFD_SETLK, &lock))
    return Error::from_errno("take the lock of a change set's owner");
  return file;
}

bool has_owner(const std::string& directory, std::uint64_t set) {
  return is_locked(directory, place_of_owner(set));
}

bool has_guard(const std::string& directory, std::uint64_t set) {
  return is_locked(directory, place_of_guard(set));
}

}  // namespace netsonde
