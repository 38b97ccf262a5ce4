// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/ws_server_fixture.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/time.h>

#include <utility>

#include "probes/websocket.h"

namespace netsonde::test {

namespace {

constexpr timeval kLongest = {.tv_sec = 20, .tv_usec = 0};

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context = {};
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  EXPECT_NE(extension, nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestCertificate::TestCertificate()
    : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
  X509* own = certificate_.get();
  X509_set_version(own, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(own), 1);
  X509_gmtime_adj(X509_getm_notBefore(own), -3600);
  X509_gmtime_adj(X509_getm_notAfter(own), 86'400L * 10 + 3600);
  X509_NAME* name = X509_get_subject_name(own);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("ws.test"), -1, -1, 0);
  X509_set_issuer_name(own, name);
  X509_set_pubkey(own, key_.get());
  add_extension(own, NID_subject_alt_name, "IP:127.0.0.1");
  add_extension(own, NID_basic_constraints, "critical,CA:TRUE");
  EXPECT_GT(X509_sign(own, key_.get(), EVP_sha256()), 0);
}

std::string TestCertificate::pem() const {
  const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
  PEM_write_bio_X509(memory.get(), certificate_.get());
  const char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

ServerStream::ServerStream(UniqueFd socket, const TestCertificate* certificate)
    : socket_(std::move(socket)) {
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kLongest, sizeof(kLongest));
  if (!certificate) return;
  context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_use_certificate(context_.get(), certificate->certificate());
  SSL_CTX_use_PrivateKey(context_.get(), certificate->key());
  tls_.reset(SSL_new(context_.get()));
  SSL_set_fd(tls_.get(), socket_.get());
  SSL_accept(tls_.get());
}

std::string ServerStream::read(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const auto n = tls_ ? SSL_read(tls_.get(), bytes.data() + got, static_cast<int>(size - got))
                        : recv(socket_.get(), bytes.data() + got, size - got, 0);
    if (n <= 0) return {};
    got += static_cast<std::size_t>(n);
  }
  return bytes;
}

std::string ServerStream::read_head() {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = read(1);
    if (byte.empty()) break;
    head += byte;
  }
  return head;
}

std::string ServerStream::read_frame(unsigned& first_byte) {
  const std::string header = read(6);
  if (header.empty()) return {};
  first_byte = static_cast<unsigned char>(header[0]);
  std::string payload = read(static_cast<unsigned char>(header[1]) & 0x7fU);
  for (std::size_t i = 0; i < payload.size(); ++i)
    payload[i] = static_cast<char>(static_cast<unsigned char>(payload[i]) ^
                                   static_cast<unsigned char>(header[2 + i % 4]));
  return payload;
}

void ServerStream::write(std::string_view bytes) {
  if (tls_)
    SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()));
  else
    (void)!send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void ServerStream::reset() {
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  socket_.reset();
}

ScriptedServer::ScriptedServer(Script script, const TestCertificate* certificate) {
  setsockopt(listener_.fd(), SOL_SOCKET, SO_RCVTIMEO, &kLongest, sizeof(kLongest));
  thread_ = std::thread([this, script = std::move(script), certificate] {
    UniqueFd accepted = listener_.accept();
    if (!accepted) return;
    ServerStream stream(std::move(accepted), certificate);
    script(stream);
  });
}

ScriptedServer::~ScriptedServer() {
  shutdown(listener_.fd(), SHUT_RDWR);  // who never had a client waits no longer
  join();
}

void ScriptedServer::join() {
  if (thread_.joinable()) thread_.join();
}

std::string switching_protocols(const std::string& request) {
  const std::string label = "Sec-WebSocket-Key: ";
  if (request.find(label) == std::string::npos) return {};
  const std::size_t at = request.find(label) + label.size();
  const std::string key = request.substr(at, request.find('\r', at) - at);
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         websocket_accept(key) + "\r\nServer: scripted\r\n\r\n";
}

std::string server_frame(unsigned first_byte, std::string_view payload) {
  std::string frame;
  frame += static_cast<char>(first_byte);
  if (payload.size() > 125) {
    frame += static_cast<char>(126);
    frame += static_cast<char>(payload.size() >> 8);
  }
  frame += static_cast<char>(payload.size() & 0xff);
  return frame.append(payload);
}

}  // namespace netsonde::test
