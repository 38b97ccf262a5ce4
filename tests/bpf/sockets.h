// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/tcp.h>
#include <netinet/in.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "user/base/fd.h"

namespace netsonde::test {

// How long anything in a test may take before it counts as not happening.
inline constexpr std::chrono::seconds kDeadline{20};

// Waits until the condition holds, asking again and again; false at the deadline.
bool wait_until(const std::function<bool()>& condition);

// tcpi_state of TCP_INFO.
inline constexpr int kEstablished = 1;
inline constexpr int kFinWait2 = 5;
inline constexpr int kCloseWait = 8;

// Where a socket is bound or connected.
struct Endpoint {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

// A TCP socket; every blocking call ends the test at the deadline.
class Socket {
 public:
  Socket() = default;
  explicit Socket(UniqueFd fd) : fd_(std::move(fd)) {}
  // Not bound and not connected.
  static Socket make(int family = AF_INET);

  int fd() const { return fd_.get(); }
  std::uint64_t cookie() const;
  std::uint16_t port() const;
  tcp_info info() const;
  int option(int level, int name) const;
  void set(int level, int name, int value) const;

  void bind_to(const Endpoint& endpoint) const;
  // The errno, 0 when connected.
  int try_connect(const Endpoint& endpoint) const;
  void connect_to(const Endpoint& endpoint) const;
  Socket accept() const;

  void send(std::string_view bytes) const;
  // Exactly so many bytes.
  std::string receive(std::size_t size) const;
  // What comes until the peer's FIN; the number of bytes.
  std::size_t receive_all() const;
  // Blocks until an error or the end arrives; the errno or 0.
  int wait_for_end() const;
  void make_nonblocking() const;
  void shut_down() const;  // for writing: sends a FIN
  void close() { fd_.reset(); }
  void reset();  // closes with a reset

 private:
  UniqueFd fd_;
};

Socket listen_on(const Endpoint& endpoint = {}, int backlog = 128);
Socket connect_to(const Endpoint& endpoint);

// Both ends of one connection, made in this process.
struct Pair {
  Socket client;
  Socket server;
};
Pair connected_pair(const Socket& listener, const std::string& address = "127.0.0.1");

// Each sends so many bytes to the other and reads what comes.
void exchange(const Socket& client, const Socket& server, std::size_t there, std::size_t back);

// Both ends close in order, the client first, and wait for the other's FIN.
void close_in_order(Pair& pair);

// Waits until the peer has all that was sent, or until TCP_INFO has the state; false at the
// deadline.
bool wait_until_acknowledged(const Socket& sender);
bool wait_for_state(const Socket& socket, int state);

}  // namespace netsonde::test
