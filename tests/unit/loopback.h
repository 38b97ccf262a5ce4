// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "user/base/fd.h"

namespace netsonde::test {

// Real sockets on the loopback, for tests that need no namespace of their own.

inline sockaddr_in loopback_address(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Bound to a port that the kernel chose; of SOCK_STREAM: listening.
class LoopbackServer {
 public:
  explicit LoopbackServer(int type = SOCK_STREAM, std::uint16_t port = 0)
      : fd_(socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = loopback_address(port);
    socklen_t size = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    ok_ = bind(fd_.get(), raw, size) == 0 && getsockname(fd_.get(), raw, &size) == 0 &&
          (type != SOCK_STREAM || listen(fd_.get(), 16) == 0);
    port_ = ntohs(address.sin_port);
  }

  bool ok() const { return ok_; }
  int fd() const { return fd_.get(); }
  std::uint16_t port() const { return port_; }
  UniqueFd accept() const { return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
  bool ok_ = false;
};

inline std::string endpoint_of(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace netsonde::test
