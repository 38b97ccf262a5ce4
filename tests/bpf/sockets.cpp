// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "tests/bpf/sandbox.h"

namespace netsonde::test {

namespace {

struct RawAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
};

RawAddress raw(const Endpoint& endpoint) {
  RawAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.bytes);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.bytes);
  if (inet_pton(AF_INET, endpoint.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.size = sizeof(*v4);
    return address;
  }
  must(inet_pton(AF_INET6, endpoint.address.c_str(), &v6->sin6_addr) == 1, "read an address");
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(endpoint.port);
  address.size = sizeof(*v6);
  return address;
}

int family_of(const Endpoint& endpoint) {
  return raw(endpoint).bytes.ss_family;
}

}  // namespace

bool wait_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 1);  // leaves the processor to what is waited for
  }
  return true;
}

Socket Socket::make(int family) {
  Socket made(UniqueFd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)));
  must(made.fd() >= 0, "make a socket");
  const timeval limit = {.tv_sec = kDeadline.count(), .tv_usec = 0};
  for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO})
    setsockopt(made.fd(), SOL_SOCKET, name, &limit, sizeof(limit));
  return made;
}

std::uint64_t Socket::cookie() const {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  must(getsockopt(fd(), SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0, "read SO_COOKIE");
  return cookie;
}

std::uint16_t Socket::port() const {
  RawAddress address;
  address.size = sizeof(address.bytes);
  must(getsockname(fd(), address.get(), &address.size) == 0, "read the local port");
  return ntohs(
      reinterpret_cast<sockaddr_in*>(&address.bytes)->sin_port);  // at the same place in v6
}

tcp_info Socket::info() const {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  must(getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0, "read TCP_INFO");
  return info;
}

int Socket::option(int level, int name) const {
  int value = 0;
  socklen_t size = sizeof(value);
  must(getsockopt(fd(), level, name, &value, &size) == 0, "read a socket option");
  return value;
}

void Socket::set(int level, int name, int value) const {
  must(setsockopt(fd(), level, name, &value, sizeof(value)) == 0, "set a socket option");
}

void Socket::bind_to(const Endpoint& endpoint) const {
  RawAddress address = raw(endpoint);
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  must(bind(fd(), address.get(), address.size) == 0, "bind");
}

int Socket::try_connect(const Endpoint& endpoint) const {
  RawAddress address = raw(endpoint);
  return connect(fd(), address.get(), address.size) == 0 ? 0 : errno;
}

void Socket::connect_to(const Endpoint& endpoint) const {
  errno = try_connect(endpoint);
  must(errno == 0, "connect");
}

Socket Socket::accept() const {
  Socket accepted(UniqueFd(accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC)));
  must(accepted.fd() >= 0, "accept");
  const timeval limit = {.tv_sec = kDeadline.count(), .tv_usec = 0};
  for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO})
    setsockopt(accepted.fd(), SOL_SOCKET, name, &limit, sizeof(limit));
  return accepted;
}

void Socket::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    must(n > 0, "send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string Socket::receive(std::size_t size) const {
  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const ssize_t n = recv(fd(), bytes.data() + got, size - got, 0);
    if (n == 0) errno = EPIPE;
    must(n > 0, "receive");
    got += static_cast<std::size_t>(n);
  }
  return bytes;
}

std::size_t Socket::receive_all() const {
  std::array<char, 65536> part{};
  std::size_t got = 0;
  ssize_t n = 0;
  while ((n = recv(fd(), part.data(), part.size(), 0)) > 0) got += static_cast<std::size_t>(n);
  must(n == 0, "receive to the end");
  return got;
}

int Socket::wait_for_end() const {
  std::array<char, 4096> part{};
  ssize_t n = 0;
  while ((n = recv(fd(), part.data(), part.size(), 0)) > 0) continue;
  must(n == 0 || errno != EAGAIN, "wait for the end of the connection");
  return n == 0 ? 0 : errno;
}

void Socket::make_nonblocking() const {
  fcntl(fd(), F_SETFL, fcntl(fd(), F_GETFL) | O_NONBLOCK);
}

void Socket::shut_down() const {
  must(shutdown(fd(), SHUT_WR) == 0, "shut down");
}

void Socket::reset() {
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  must(setsockopt(fd(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort)) == 0, "set SO_LINGER");
  close();
}

Socket listen_on(const Endpoint& endpoint, int backlog) {
  Socket listener = Socket::make(family_of(endpoint));
  listener.bind_to(endpoint);
  must(listen(listener.fd(), backlog) == 0, "listen");
  return listener;
}

Socket connect_to(const Endpoint& endpoint) {
  Socket client = Socket::make(family_of(endpoint));
  client.connect_to(endpoint);
  return client;
}

Pair connected_pair(const Socket& listener, const std::string& address) {
  Pair pair;
  pair.client = connect_to({.address = address, .port = listener.port()});
  pair.server = listener.accept();
  return pair;
}

void exchange(const Socket& client, const Socket& server, std::size_t there, std::size_t back) {
  client.send(std::string(there, 'q'));
  server.receive(there);
  server.send(std::string(back, 'a'));
  client.receive(back);
}

void close_in_order(Pair& pair) {
  pair.client.shut_down();
  pair.server.receive_all();
  pair.server.close();
  pair.client.receive_all();
  pair.client.close();
}

bool wait_until_acknowledged(const Socket& sender) {
  return wait_until([&] { return sender.info().tcpi_unacked == 0; });
}

bool wait_for_state(const Socket& socket, int state) {
  return wait_until([&] { return socket.info().tcpi_state == state; });
}

}  // namespace netsonde::test
