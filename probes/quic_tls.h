// SPDX-License-Identifier: Apache-2.0
#pragma once

#ifdef NETSONDE_HTTP3

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/result.h"
#include "user/model/attempt.h"

namespace netsonde {

// One certificate that a server sent: untrusted bytes.
struct PeerCertificate {
  CertificateFacts facts{};
  std::optional<std::int64_t> not_before_s{};  // since the epoch
  std::vector<std::string> names{};            // those it is for; a few
};

Result<PeerCertificate> read_certificate(const gnutls_datum_t& der);

// Why a chain, the server's certificate first, is not to be trusted: "certificate expired on
// 2026-01-02", "for other.test, not example.test", "signed by nobody known (CN=Some CA)". status:
// of gnutls_certificate_verify_peers, not 0. now_s: since the epoch.
std::string distrust_of(const std::vector<PeerCertificate>& chain, unsigned status,
                        std::string_view host, std::int64_t now_s);

// What connections share: whom to trust, as the file or the system said it when this was opened,
// and what to offer.
class TlsCredentials {
 public:
  // ca_file: PEM; empty: the system's store. Not verifying needs neither.
  static Result<std::unique_ptr<TlsCredentials>> open(bool verify, const std::string& ca_file);

  bool verifies() const { return verify_; }
  gnutls_certificate_credentials_t certificates() const { return certificates_.get(); }
  gnutls_priority_t priority() const { return priority_.get(); }

 private:
  struct Free {
    void operator()(gnutls_certificate_credentials_t owned) const {
      gnutls_certificate_free_credentials(owned);
    }
    void operator()(gnutls_priority_t owned) const { gnutls_priority_deinit(owned); }
  };

  bool verify_ = true;
  std::unique_ptr<gnutls_certificate_credentials_st, Free> certificates_;
  std::unique_ptr<gnutls_priority_st, Free> priority_;
};

// The TLS 1.3 client of one QUIC connection: offers "h3", and refuses in the handshake a server
// whose certificate is not good for the host.
class TlsClient {
 public:
  // host: a name or an address. The credentials outlive it.
  static Result<std::unique_ptr<TlsClient>> open(const TlsCredentials& credentials,
                                                 const std::string& host);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Before the handshake; it ends before this object.
  void attach(ngtcp2_conn* quic);
  // Before the handshake: one that session_to_keep() gave. The certificate is not looked at again.
  void resume(const std::string& kept);
  // For a later connection to the same host with the same credentials; empty: the server gave none
  // by now.
  std::string session_to_keep() const;
  gnutls_session_t session() const { return session_.get(); }

  // What is known by now; connected: the handshake is done.
  TlsFacts facts(bool connected);
  // Why the certificate was refused; empty: it was not.
  const std::string& distrust() const { return distrust_; }

 private:
  struct Free {
    void operator()(gnutls_session_t owned) const { gnutls_deinit(owned); }
  };

  TlsClient(bool verify, std::string host) : verify_(verify), host_(std::move(host)) {}
  void read_chain();
  int examine();
  unsigned verified_status() const;
  static int on_certificate(gnutls_session_t session) noexcept;
  static ngtcp2_conn* connection_of(ngtcp2_crypto_conn_ref* reference) noexcept;

  bool verify_;
  std::string host_;
  std::string distrust_;
  std::vector<PeerCertificate> chain_;
  ngtcp2_conn* quic_ = nullptr;
  ngtcp2_crypto_conn_ref reference_ = {};
  std::unique_ptr<gnutls_session_int, Free> session_;
};

}  // namespace netsonde

#endif
