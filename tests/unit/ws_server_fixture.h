// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "tests/unit/loopback.h"

namespace netsonde::test {

// A certificate for 127.0.0.1 that signs itself.
class TestCertificate {
 public:
  TestCertificate();

  EVP_PKEY* key() const { return key_.get(); }
  X509* certificate() const { return certificate_.get(); }
  std::string pem() const;

 private:
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<X509, void (*)(X509*)> certificate_;
};

// The server's end of one connection, which blocks.
class ServerStream {
 public:
  // With a certificate: over TLS.
  ServerStream(UniqueFd socket, const TestCertificate* certificate);

  // Up to and with its empty line.
  std::string read_head();
  // The payload of a masked frame of at most 125 bytes, and its first byte; empty at the end.
  std::string read_frame(unsigned& first_byte);
  void write(std::string_view bytes);
  void reset();  // ends the connection with a reset

 private:
  std::string read(std::size_t size);

  UniqueFd socket_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, SSL_CTX_free};
  std::unique_ptr<SSL, void (*)(SSL*)> tls_{nullptr, SSL_free};
};

// Plays its part once, to the first that connects, in a thread of its own.
class ScriptedServer {
 public:
  using Script = std::function<void(ServerStream&)>;

  explicit ScriptedServer(Script script, const TestCertificate* certificate = nullptr);
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer();

  std::uint16_t port() const { return listener_.port(); }
  void join();  // until the script has ended

 private:
  LoopbackServer listener_;
  std::thread thread_;
};

// The answer that makes a WebSocket of the connection on which the request came.
std::string switching_protocols(const std::string& request);
// As a server sends it: not masked.
std::string server_frame(unsigned first_byte, std::string_view payload);

}  // namespace netsonde::test
