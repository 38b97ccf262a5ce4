// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/bench/measure.h"
#include "user/base/fd.h"
#include "user/base/loop.h"
#include "user/base/result.h"

namespace netsonde::bench {

// What the clients of a workload have done so far, and how fast they shall be (0: as fast as they
// can); shared by its processes.
struct Progress {
  std::atomic<std::uint64_t> units;
  std::atomic<std::uint64_t> units_per_s;
};

// One end of a workload. The functions run in processes of their own and end with them.
class Peer {
 public:
  Peer(Progress& progress, sockaddr_in server, int listener)
      : progress_(progress), server_(server), listener_(listener) {}

  // One flow; a unit is a byte received.
  [[noreturn]] void bulk_server() {
    const int fd = accept(listener_, nullptr, nullptr);
    while (true) {
      const ssize_t length = read(fd, buffer_.data(), buffer_.size());
      if (length <= 0) _exit(0);
      progress_.units += static_cast<std::uint64_t>(length);
    }
  }
  [[noreturn]] void bulk_client() {
    const int fd = connected();
    while (write(fd, buffer_.data(), buffer_.size()) > 0) {
    }
    _exit(0);
  }

  // Answers every message with the same bytes, on any number of connections.
  [[noreturn]] void echo_server() {
    watch(listener_);
    while (true)
      each_ready([this](int fd) {
        if (fd == listener_) {
          const int accepted = accept(listener_, nullptr, nullptr);
          if (accepted >= 0) watch(no_delay(accepted));
          return;
        }
        const ssize_t length = read(fd, buffer_.data(), kMessage);
        if (length <= 0 || write(fd, buffer_.data(), static_cast<std::size_t>(length)) < 0)
          close(fd);
      });
  }

  // A unit is one answer, always one request under way on each connection.
  [[noreturn]] void request_client(int connections) {
    for (int i = 0; i < connections; ++i) {
      const int fd = connected();
      watch(fd);
      send_message(fd);
    }
    while (true)
      each_ready([this](int fd) {
        if (read(fd, buffer_.data(), kMessage) <= 0) fail("read an answer");
        ++progress_.units;
        send_message(fd);
      });
  }

  // A unit is one connection: connect, request, answer, close.
  [[noreturn]] void churn_client() {
    while (true) {
      const int fd = connected();
      send_message(fd);
      if (read(fd, buffer_.data(), kMessage) <= 0) fail("read an answer");
      close(fd);
      unit_done();
    }
  }

  // A unit is a connection refused: nobody listens on this port.
  [[noreturn]] void refused_client() {
    server_.sin_port = htons(1);
    while (true) {
      const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
      if (connect(fd.get(), reinterpret_cast<sockaddr*>(&server_), sizeof(server_)) == 0) _exit(1);
      unit_done();
    }
  }

  // A unit is a connection that the client resets.
  [[noreturn]] void reset_client() {
    const linger abort = {.l_onoff = 1, .l_linger = 0};
    while (true) {
      const int fd = connected();
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
      close(fd);
      unit_done();
    }
  }

 private:
  static constexpr std::size_t kMessage = 64;
  static constexpr Nanos kShortestSleep = std::chrono::milliseconds(1);
  static constexpr Nanos kCatchUp = std::chrono::milliseconds(50);

  [[noreturn]] static void fail(const char* doing) {
    std::fprintf(stderr, "bench workload: %s: %s\n", doing, std::strerror(errno));
    _exit(1);
  }

  void unit_done() {
    ++progress_.units;
    const std::uint64_t rate = progress_.units_per_s;
    if (!rate) return;
    const Time now = kernel_now();
    due_ = std::max(due_ + Nanos(1'000'000'000 / rate), now - kCatchUp);
    if (due_ - now > kShortestSleep) sleep_for(due_ - now);
  }

  static int no_delay(int fd) {
    const int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
  }

  int connected() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&server_), sizeof(server_))) fail("connect");
    return no_delay(fd);
  }

  void send_message(int fd) {
    if (write(fd, buffer_.data(), kMessage) < 0) fail("write a request");
  }

  void watch(int fd) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  template <typename Function>
  void each_ready(Function function) {
    std::array<epoll_event, 64> events;
    const int ready = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) function(events[static_cast<std::size_t>(i)].data.fd);
  }

  Progress& progress_;
  sockaddr_in server_;
  int listener_;
  UniqueFd epoll_{epoll_create1(0)};
  std::array<char, 1 << 17> buffer_{};
  Time due_{};
};

// Two processes that talk over loopback, both pinned to one core, until the owner goes.
class Workload {
 public:
  // bulk, rr, churn, refused or reset.
  static Result<Workload> start(std::string_view name, int core) {
    Workload workload;
    void* shared =
        mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return Error::from_errno("share progress");
    workload.progress_ = static_cast<Progress*>(shared);
    sockaddr_in server = {};
    TRY(workload.listen_on_loopback(server));
    workload.server_ =
        workload.run(core, server, name == "bulk" ? &Peer::bulk_server : &Peer::echo_server);
    if (name == "bulk")
      workload.client_ = workload.run(core, server, &Peer::bulk_client);
    else if (name == "rr")
      workload.client_ = workload.run(core, server, [](Peer& peer) { peer.request_client(32); });
    else if (name == "churn")
      workload.client_ = workload.run(core, server, &Peer::churn_client);
    else if (name == "refused")
      workload.client_ = workload.run(core, server, &Peer::refused_client);
    else if (name == "reset")
      workload.client_ = workload.run(core, server, &Peer::reset_client);
    else
      return Error("no workload is called " + std::string(name));
    return workload;
  }

  Workload(Workload&& other) noexcept
      : progress_(std::exchange(other.progress_, nullptr)),
        listener_(std::move(other.listener_)),
        server_(std::exchange(other.server_, 0)),
        client_(std::exchange(other.client_, 0)) {}
  Workload& operator=(Workload&&) = delete;
  ~Workload() {
    for (const pid_t process : {client_, server_})
      if (process > 0 && kill(process, SIGKILL) == 0) waitpid(process, nullptr, 0);
    if (progress_) munmap(progress_, sizeof(Progress));
  }

  std::uint64_t units() const { return progress_->units; }
  // Of churn, refused and reset.
  void set_rate(std::uint64_t units_per_s) { progress_->units_per_s = units_per_s; }
  // Of both ends.
  std::uint64_t cpu() const { return cpu_ns(server_) + cpu_ns(client_); }
  int listener() const { return listener_.get(); }

 private:
  Workload() = default;

  Result<> listen_on_loopback(sockaddr_in& address) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM, 0));
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener_.get(), generic, size) || listen(listener_.get(), 1024) ||
        getsockname(listener_.get(), generic, &size))
      return Error::from_errno("listen on loopback");
    return {};
  }

  template <typename Function>
  pid_t run(int core, const sockaddr_in& server, Function function) {
    const pid_t process = fork();
    if (process != 0) return process;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    pin(core);
    // Anything else that our parent has open, attached programs above all, must not live on in us.
    constexpr int kListener = STDERR_FILENO + 1;
    dup2(listener_.get(), kListener);
    close_range(kListener + 1, ~0U, 0);
    Peer peer(*progress_, server, kListener);
    std::invoke(function, peer);
    _exit(0);
  }

  Progress* progress_ = nullptr;
  UniqueFd listener_;
  pid_t server_ = 0;
  pid_t client_ = 0;
};

}  // namespace netsonde::bench
