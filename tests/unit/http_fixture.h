// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "probes/transfer.h"
#include "tests/unit/loopback.h"
#include "user/base/loop.h"

namespace netsonde::test {

inline std::string http_answer(std::string_view status, const std::string& body,
                               std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// An HTTP/1.1 server on the test's own loop: answers what the function makes of a request's head.
class HttpServer {
 public:
  using Answer = std::function<std::string(std::string_view head)>;

  HttpServer(Loop& loop, Answer answer) : loop_(loop), answer_(std::move(answer)) {
    EXPECT_TRUE(listening_.ok());
    fcntl(listening_.fd(), F_SETFL, O_NONBLOCK);
    EXPECT_TRUE(loop_.watch(listening_.fd(), [this]() -> Result<> {
      while (UniqueFd fd = listening_.accept()) take(std::move(fd));
      return {};
    }));
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer() {
    loop_.forget(listening_.fd());
    for (const auto& [fd, connection] : connections_) loop_.forget(fd);
  }

  std::uint16_t port() const { return listening_.port(); }
  // Heads of all requests, and what came with them.
  std::vector<std::string> heads;
  std::uint64_t body_bytes = 0;
  std::size_t accepted = 0;

  ProbeRequest request(const std::string& path = "/") const {
    ProbeRequest request{.target = Target::parse("http://" + endpoint_of(port()) + path).value()};
    request.pinned = address();
    return request;
  }
  static Address address() { return *parse_address("127.0.0.1"); }

 private:
  struct Connection {
    UniqueFd fd;
    std::string in{}, out{};
    std::uint64_t body_left = 0;
  };

  void take(UniqueFd accepted_fd) {
    ++accepted;
    const int fd = accepted_fd.get();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    connections_[fd] = {.fd = std::move(accepted_fd)};
    watch(fd, EPOLLIN);
  }

  void watch(int fd, std::uint32_t events) {
    EXPECT_TRUE(loop_.watch(
        fd,
        [this, fd]() -> Result<> {
          serve(fd);
          return {};
        },
        events));
  }

  void serve(int fd) {
    Connection& connection = connections_.at(fd);
    char buffer[65536];
    ssize_t count = 0;
    while ((count = read(fd, buffer, sizeof(buffer))) > 0)
      connection.in.append(buffer, static_cast<std::size_t>(count));
    if (count == 0 || errno != EAGAIN) return end(fd);
    understand(connection);
    while (!connection.out.empty()) {
      const ssize_t sent = send(fd, connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN) return end(fd);
      if (sent < 0) break;
      connection.out.erase(0, static_cast<std::size_t>(sent));
    }
    watch(fd, connection.out.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
  }

  void understand(Connection& connection) {
    while (true) {
      const std::uint64_t body =
          std::min<std::uint64_t>(connection.body_left, connection.in.size());
      connection.in.erase(0, body);
      connection.body_left -= body;
      body_bytes += body;
      if (connection.body_left != 0) return;
      if (!waiting_.empty()) connection.out += std::exchange(waiting_, {});
      const std::size_t end = connection.in.find("\r\n\r\n");
      if (end == std::string::npos) return;
      heads.push_back(connection.in.substr(0, end + 4));
      connection.in.erase(0, end + 4);
      connection.body_left = length_of(heads.back());
      (connection.body_left ? waiting_ : connection.out) += answer_(heads.back());
    }
  }

  static std::uint64_t length_of(std::string_view head) {
    constexpr std::string_view kName = "Content-Length: ";
    const std::size_t at = head.find(kName);
    std::uint64_t length = 0;
    if (at != std::string_view::npos)
      std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length);
    return length;
  }

  void end(int fd) {
    loop_.forget(fd);
    connections_.erase(fd);
  }

  Loop& loop_;
  Answer answer_;
  LoopbackServer listening_;
  std::map<int, Connection> connections_;
  std::string waiting_;  // until the body of a request has come
};

// A loop that a test runs until something stops it.
class HttpTest : public testing::Test {
 protected:
  void run() {
    ASSERT_TRUE(loop.after(std::chrono::seconds(20), [this]() -> Result<> {
      ADD_FAILURE() << "still running";
      loop.stop();
      return {};
    }));
    ASSERT_TRUE(loop.run());
  }

  Loop loop = Loop::open().value();
};

}  // namespace netsonde::test
