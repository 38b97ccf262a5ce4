// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "user/base/result.h"
#include "user/model/attempt.h"

namespace netsonde {

// Sessions to be resumed, the last one of each server. libcurl's own cache loses those of HTTP/2.
class TlsSessions {
 public:
  // nullptr where there is none.
  SSL_SESSION* find(const std::string& server) const;
  void keep(const std::string& server, SSL_SESSION* session);

 private:
  struct End {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  };
  std::map<std::string, std::unique_ptr<SSL_SESSION, End>> sessions_;
};

struct EndStore {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using TrustedCertificates = std::unique_ptr<X509_STORE, EndStore>;
// Of a file in PEM; empty: the system's. Fails where there is none in it.
Result<TrustedCertificates> read_certificates(const std::string& file);

// What the handshakes of a context are to do.
struct TlsWishes {
  X509_STORE* trusted = nullptr;    // outlives the context; nullptr: whatever the context has
  TlsSessions* sessions = nullptr;  // outlives the context; nullptr: nothing is resumed
  std::string server{};             // under which they are kept
  // Where a certificate that is not accepted is described, in one line; until forget_problem().
  std::string* problem = nullptr;
};
void prepare_tls(SSL_CTX* context, TlsWishes wishes);
void forget_problem(SSL* connection);

// What a finished handshake agreed on. now_s: since the epoch, what days are counted from.
TlsFacts tls_facts_of(SSL* connection, std::int64_t now_s);

}  // namespace netsonde
