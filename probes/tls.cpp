// SPDX-License-Identifier: Apache-2.0
#include "probes/tls.h"

#include <curl/curl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <optional>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
  if (!memory || X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  const char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

std::optional<std::int64_t> seconds_of(const ASN1_TIME* time) {
  std::tm parts = {};
  if (!time || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return timegm(&parts);
}

CertificateFacts facts_of(const X509* certificate) {
  return {.subject = text_of(X509_get_subject_name(certificate)),
          .issuer = text_of(X509_get_issuer_name(certificate)),
          .not_after_s = seconds_of(X509_get0_notAfter(certificate))};
}

void end_wishes(void*, void* wishes, CRYPTO_EX_DATA*, int, long, void*) noexcept {
  delete static_cast<TlsWishes*>(wishes);
}

int wishes_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, end_wishes);
  return index;
}

TlsWishes* wishes_of(const SSL* connection) {
  return static_cast<TlsWishes*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), wishes_index()));
}

std::string date_of(const ASN1_TIME* time) {
  const auto seconds = seconds_of(time);
  return seconds ? fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(*seconds)) : "an unknown time";
}

std::string describe(X509_STORE_CTX* store) {
  const int error = X509_STORE_CTX_get_error(store);
  const X509* certificate = X509_STORE_CTX_get_current_cert(store);
  const std::string whose =
      certificate ? fmt::format("certificate of {}", text_of(X509_get_subject_name(certificate)))
                  : "certificate";
  if (certificate && error == X509_V_ERR_CERT_HAS_EXPIRED)
    return fmt::format("{} expired on {}", whose, date_of(X509_get0_notAfter(certificate)));
  if (certificate && error == X509_V_ERR_CERT_NOT_YET_VALID)
    return fmt::format("{} is not valid before {}", whose,
                       date_of(X509_get0_notBefore(certificate)));
  return fmt::format("{}: {}", whose, X509_verify_cert_error_string(error));
}

int on_verified(int accepted, X509_STORE_CTX* store) noexcept {
  if (accepted) return 1;
  const auto* connection = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const TlsWishes* wishes = wishes_of(connection);
  if (wishes && wishes->problem && wishes->problem->empty()) *wishes->problem = describe(store);
  return 0;
}

// A copy: OpenSSL takes the original for useless when its connection does not end politely.
int on_session(SSL* connection, SSL_SESSION* session) noexcept {
  const TlsWishes* wishes = wishes_of(connection);
  if (wishes && wishes->sessions) wishes->sessions->keep(wishes->server, SSL_SESSION_dup(session));
  return 0;
}

void on_progress(const SSL* connection, int where, int) noexcept {
  if (!(where & SSL_CB_HANDSHAKE_START) || SSL_get_session(connection)) return;
  const TlsWishes* wishes = wishes_of(connection);
  SSL_SESSION* session =
      wishes && wishes->sessions ? wishes->sessions->find(wishes->server) : nullptr;
  if (!session) return;
  // A copy again: that connection's end must not spoil what the next one resumes.
  SSL_SESSION* copy = SSL_SESSION_dup(session);
  SSL_set_session(const_cast<SSL*>(connection), copy);
  SSL_SESSION_free(copy);
}

}  // namespace

SSL_SESSION* TlsSessions::find(const std::string& server) const {
  const auto found = sessions_.find(server);
  return found == sessions_.end() ? nullptr : found->second.get();
}

void TlsSessions::keep(const std::string& server, SSL_SESSION* session) {
  sessions_[server].reset(session);
}

Result<TrustedCertificates> read_certificates(const std::string& file) {
  const char* system = curl_version_info(CURLVERSION_NOW)->cainfo;
  const std::string from = !file.empty() ? file
                           : system      ? system
                                         : "/etc/ssl/certs/ca-certificates.crt";
  TrustedCertificates store(X509_STORE_new());
  if (!store || X509_STORE_load_file(store.get(), from.c_str()) != 1) {
    ERR_clear_error();
    return Error(fmt::format("read trusted certificates: {}: no certificate in PEM could be read",
                             printable(from)));
  }
  X509_STORE_set_flags(store.get(), X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

void prepare_tls(SSL_CTX* context, TlsWishes wishes) {
  if (wishes.trusted) SSL_CTX_set1_cert_store(context, wishes.trusted);
  const bool resumes = wishes.sessions != nullptr;
  SSL_CTX_set_ex_data(context, wishes_index(), new TlsWishes(std::move(wishes)));
  SSL_CTX_set_verify(context, SSL_CTX_get_verify_mode(context), on_verified);
  if (!resumes) return;
  SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);  // libcurl's; TLS 1.2 often has nothing else
  SSL_CTX_sess_set_new_cb(context, on_session);
  SSL_CTX_set_info_callback(context, on_progress);
}

void forget_problem(SSL* connection) {
  if (TlsWishes* wishes = wishes_of(connection)) wishes->problem = nullptr;
}

TlsFacts tls_facts_of(SSL* connection, std::int64_t now_s) {
  TlsFacts facts;
  facts.version = SSL_get_version(connection);
  if (const char* cipher = SSL_get_cipher_name(connection)) facts.cipher = cipher;
  const unsigned char* alpn = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(connection, &alpn, &size);
  if (alpn) facts.alpn.assign(alpn, alpn + size);
  facts.resumed = SSL_session_reused(connection) == 1;
  // A resumed session shows no chain, but the certificate that it began with.
  if (const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(connection))
    for (int i = 0; i < sk_X509_num(chain); ++i)
      facts.chain.push_back(facts_of(sk_X509_value(chain, i)));
  else if (const X509* own = SSL_get0_peer_certificate(connection))
    facts.chain.push_back(facts_of(own));
  if (!facts.chain.empty() && facts.chain[0].not_after_s) {
    const std::int64_t left = *facts.chain[0].not_after_s - now_s;
    facts.days_left = left / kSecondsPerDay - (left % kSecondsPerDay < 0 ? 1 : 0);
  }
  return facts;
}

}  // namespace netsonde
