// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/process.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>

#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"

namespace netsonde::test {

namespace {

[[noreturn]] void live_as_child(const std::function<void()>& body, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    _exit(1);
  }
  _exit(0);
}

}  // namespace

Child::Child(const std::function<void()>& body) {
  const pid_t parent = getpid();
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ == 0) live_as_child(body, parent);
  must(pid_ > 0, "start a process");
}

Child::~Child() {
  if (pid_ > 0) kill();
}

bool Child::join() {
  int status = 0;
  must(waitpid(pid_, &status, 0) == pid_, "wait for a process");
  pid_ = -1;
  return status == 0;
}

void Child::kill() {
  ::kill(pid_, SIGKILL);
  join();
}

Signal::Signal() : event_(eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)) {
  must(static_cast<bool>(event_), "make an eventfd");
}

void Signal::raise() const {
  must(eventfd_write(event_.get(), 1) == 0, "raise a signal between processes");
}

void Signal::wait() const {
  constexpr int kMilliseconds = std::chrono::milliseconds(kDeadline).count();
  pollfd waited = {.fd = event_.get(), .events = POLLIN, .revents = 0};
  errno = ETIMEDOUT;
  must(poll(&waited, 1, kMilliseconds) == 1, "wait for the other process");
  eventfd_t value = 0;
  eventfd_read(event_.get(), &value);
}

namespace {

// A message of one byte with room for one descriptor.
struct DescriptorMessage {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{.msg_name = nullptr,
                .msg_namelen = 0,
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
                .msg_flags = 0};
};

}  // namespace

void send_descriptor(int socket, int descriptor) {
  DescriptorMessage message;
  cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(int));
  must(sendmsg(socket, &message.header, 0) == 1, "send a descriptor");
}

UniqueFd receive_descriptor(int socket) {
  DescriptorMessage message;
  must(recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC) == 1, "receive a descriptor");
  const cmsghdr* rights = CMSG_FIRSTHDR(&message.header);
  must(rights && rights->cmsg_type == SCM_RIGHTS, "find the descriptor received");
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(rights), sizeof(int));
  return UniqueFd(descriptor);
}

}  // namespace netsonde::test
