// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tests/bpf/process.h"
#include "tests/bpf/sandbox.h"
#include "tests/bpf/sockets.h"
#include "user/base/json.h"

namespace netsonde::test {

// A real web server (caddy), over HTTP/1.1, 2 and 3, in a network namespace of its own; its files
// go with this object. An origin server behind it serves what no web server would.
//
//   https://name.test:4433/hello       "hello", and headers of a cache
//                         /missing     status 404
//                         /moved       status 301
//                         /big         kBigBytes
//                         /origin/cut     announces 5000 bytes, sends 1000 and closes
//                                 never   no answer
//                                 count   how many bytes the body of the request had
//   https://expired.test:4433/         with a certificate of its own, which has expired
class WebServer {
 public:
  static constexpr std::uint16_t kPort = 4433;
  static constexpr std::uint64_t kBigBytes = 300'000;

  // Why there cannot be one here; empty: there can.
  static std::string missing();

  // address: of the namespace, where name.test is.
  WebServer(const Namespace& space, const std::string& address);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // That of its certificates; and one that signed nothing of it.
  std::string ca_file() const { return file("ca.pem"); }
  std::string other_ca_file() const { return file("other.pem"); }
  // name.test, expired.test and other.test, all here.
  std::string hosts_file() const { return file("hosts"); }

  // What it logged of the request for the URI; waits for it, to the deadline.
  Json logged(const std::string& uri) const;
  // Whether it has by now.
  bool has_logged(const std::string& uri) const { return find_logged(uri).has_value(); }
  // At once, and without a word to anybody.
  void kill() { server_.reset(); }

 private:
  std::string file(const std::string& name) const { return directory_ / name; }
  void write(const std::string& name, const std::string& text) const;
  void make_authority(const std::string& name) const;
  void make_certificate(const std::string& name, const std::string& names, int days) const;
  void run_server() const;
  void run_origin() const;
  std::optional<Json> find_logged(const std::string& uri) const;

  std::filesystem::path directory_;
  Socket origin_listener_;
  std::optional<Child> origin_, server_;
};

}  // namespace netsonde::test
