// SPDX-License-Identifier: Apache-2.0
#ifdef NETSONDE_HTTP3

#include "probes/quic_tls.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <array>
#include <span>

#include "user/base/loop.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::string_view kAlpn = "h3";
constexpr const char* kPriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:%DISABLE_TLS13_COMPAT_MODE";
constexpr unsigned kMostCertificates = 10;
constexpr unsigned kMostNames = 4;
constexpr std::int64_t kDayS = 86'400;

Error from_gnutls(std::string_view doing, int error) {
  return Error(fmt::format("{}: {}", doing, gnutls_strerror(error)));
}

std::int64_t now_s() {
  return (kernel_now().time_since_epoch().count() + realtime_offset_ns()) / 1'000'000'000;
}

bool is_address(const std::string& host) {
  return parse_address(host).has_value();
}

// Absent where the certificate has none that makes sense.
std::optional<std::int64_t> seconds_of(std::time_t time) {
  if (time == static_cast<std::time_t>(-1)) return std::nullopt;
  return time;
}

std::string day_of(std::int64_t time_s) {
  constexpr std::int64_t kYear9999 = 253'402'300'799;
  return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::clamp<std::int64_t>(time_s, 0, kYear9999)));
}

using Certificate = std::unique_ptr<gnutls_x509_crt_int, decltype(&gnutls_x509_crt_deinit)>;

std::string dn_of(gnutls_x509_crt_t certificate,
                  int (*get)(gnutls_x509_crt_t, gnutls_datum_t*, unsigned)) {
  gnutls_datum_t text = {};
  if (get(certificate, &text, 0) < 0) return {};
  std::string dn(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  return dn;
}

std::vector<std::string> names_of(gnutls_x509_crt_t certificate) {
  std::vector<std::string> names;
  std::array<char, 256> text{};
  for (unsigned i = 0; names.size() < kMostNames; ++i) {
    std::size_t size = text.size();
    const int type =
        gnutls_x509_crt_get_subject_alt_name(certificate, i, text.data(), &size, nullptr);
    if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) break;
    if (type == GNUTLS_SAN_DNSNAME) names.emplace_back(text.data(), size);
    if (type == GNUTLS_SAN_IPADDRESS && (size == 4 || size == 16)) {
      Address address;
      if (size == 4) address.bytes[10] = address.bytes[11] = 0xff;
      std::copy_n(text.data(), size, address.bytes.end() - static_cast<std::ptrdiff_t>(size));
      names.push_back(to_text(address));
    }
  }
  return names;
}

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text += separator;
    text += word;
  }
  return text;
}

std::string validity_fault(const std::vector<PeerCertificate>& chain, std::int64_t now) {
  for (const PeerCertificate& one : chain) {
    const std::string whose = &one == chain.data()
                                  ? "certificate"
                                  : fmt::format("certificate of {}", printable(one.facts.subject));
    if (one.facts.not_after_s && *one.facts.not_after_s < now)
      return fmt::format("{} expired on {}", whose, day_of(*one.facts.not_after_s));
    if (one.not_before_s && *one.not_before_s > now)
      return fmt::format("{} is not valid before {}", whose, day_of(*one.not_before_s));
  }
  return {};
}

std::string gnutls_words(unsigned status) {
  gnutls_datum_t text = {};
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
    return fmt::format("not trusted ({:#x})", status);
  std::string words(reinterpret_cast<const char*>(text.data), text.size);
  gnutls_free(text.data);
  while (!words.empty() && (words.back() == ' ' || words.back() == '\0')) words.pop_back();
  return words;
}

}  // namespace

Result<PeerCertificate> read_certificate(const gnutls_datum_t& der) {
  gnutls_x509_crt_t raw = nullptr;
  if (const int error = gnutls_x509_crt_init(&raw); error < 0)
    return from_gnutls("read a certificate", error);
  const Certificate owner(raw, gnutls_x509_crt_deinit);
  if (const int error = gnutls_x509_crt_import(raw, &der, GNUTLS_X509_FMT_DER); error < 0)
    return from_gnutls("read a certificate", error);
  return PeerCertificate{
      .facts = {.subject = dn_of(raw, gnutls_x509_crt_get_dn3),
                .issuer = dn_of(raw, gnutls_x509_crt_get_issuer_dn3),
                .not_after_s = seconds_of(gnutls_x509_crt_get_expiration_time(raw))},
      .not_before_s = seconds_of(gnutls_x509_crt_get_activation_time(raw)),
      .names = names_of(raw)};
}

std::string distrust_of(const std::vector<PeerCertificate>& chain, unsigned status,
                        std::string_view host, std::int64_t now_s) {
  if (chain.empty()) return "no certificate that can be read";
  std::vector<std::string> faults;
  if (std::string fault = validity_fault(chain, now_s); !fault.empty())
    faults.push_back(std::move(fault));
  if (status & GNUTLS_CERT_UNEXPECTED_OWNER) {
    const std::vector<std::string>& names = chain.front().names;
    faults.push_back(fmt::format(
        "for {}, not {}",
        names.empty() ? printable(chain.front().facts.subject) : printable(joined(names, ", ")),
        printable(host)));
  }
  if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
    faults.push_back(
        fmt::format("signed by nobody known ({})", printable(chain.back().facts.issuer)));
  if (faults.empty()) return gnutls_words(status);
  return joined(faults, "; ");
}

Result<std::unique_ptr<TlsCredentials>> TlsCredentials::open(bool verify,
                                                             const std::string& ca_file) {
  auto made = std::make_unique<TlsCredentials>();
  made->verify_ = verify;
  gnutls_certificate_credentials_t certificates = nullptr;
  if (const int error = gnutls_certificate_allocate_credentials(&certificates); error < 0)
    return from_gnutls("set up TLS", error);
  made->certificates_.reset(certificates);
  gnutls_priority_t priority = nullptr;
  if (const int error = gnutls_priority_init(&priority, kPriority, nullptr); error < 0)
    return from_gnutls("set up TLS", error);
  made->priority_.reset(priority);
  if (!verify) return made;
  const int trusted = ca_file.empty() ? gnutls_certificate_set_x509_system_trust(certificates)
                                      : gnutls_certificate_set_x509_trust_file(
                                            certificates, ca_file.c_str(), GNUTLS_X509_FMT_PEM);
  const std::string which = ca_file.empty() ? "of the system" : "in " + printable(ca_file);
  if (trusted < 0) return from_gnutls("read the trusted certificates " + which, trusted);
  if (trusted == 0) return Error("there are no trusted certificates " + which);
  return made;
}

Result<std::unique_ptr<TlsClient>> TlsClient::open(const TlsCredentials& credentials,
                                                   const std::string& host) {
  std::string name = host;
  if (name.ends_with('.')) name.pop_back();
  std::unique_ptr<TlsClient> client(new TlsClient(credentials.verifies(), std::move(name)));
  gnutls_session_t session = nullptr;
  if (const int error = gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_KEY_SHARE_TOP); error < 0)
    return from_gnutls("set up TLS", error);
  client->session_.reset(session);
  gnutls_datum_t alpn = {.data = reinterpret_cast<unsigned char*>(const_cast<char*>(kAlpn.data())),
                         .size = kAlpn.size()};
  int error = gnutls_priority_set(session, credentials.priority());
  if (error >= 0)
    error = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials.certificates());
  if (error >= 0) error = gnutls_alpn_set_protocols(session, &alpn, 1, 0);
  if (error >= 0 && !is_address(client->host_))  // RFC 6066 3
    error = gnutls_server_name_set(session, GNUTLS_NAME_DNS, client->host_.data(),
                                   client->host_.size());
  if (error < 0) return from_gnutls("set up TLS", error);
  if (ngtcp2_crypto_gnutls_configure_client_session(session)) return Error("set up TLS for QUIC");
  gnutls_session_set_verify_function(session, on_certificate);
  return client;
}

void TlsClient::attach(ngtcp2_conn* quic) {
  quic_ = quic;
  reference_.get_conn = connection_of;
  reference_.user_data = this;
  gnutls_session_set_ptr(session(), &reference_);
  ngtcp2_conn_set_tls_native_handle(quic, session());
}

void TlsClient::resume(const std::string& kept) {
  // One that is damaged or too old is as none.
  (void)gnutls_session_set_data(session(), kept.data(), kept.size());
}

std::string TlsClient::session_to_keep() const {
  gnutls_datum_t data = {};
  if (!(gnutls_session_get_flags(session()) & GNUTLS_SFLAGS_SESSION_TICKET)) return {};
  if (gnutls_session_get_data2(session(), &data) < 0) return {};
  std::string kept(reinterpret_cast<const char*>(data.data), data.size);
  gnutls_free(data.data);
  return kept;
}

ngtcp2_conn* TlsClient::connection_of(ngtcp2_crypto_conn_ref* reference) noexcept {
  return static_cast<TlsClient*>(reference->user_data)->quic_;
}

int TlsClient::on_certificate(gnutls_session_t session) noexcept {
  const auto* reference =
      static_cast<const ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(session));
  return static_cast<TlsClient*>(reference->user_data)->examine();
}

unsigned TlsClient::verified_status() const {
  std::string host = host_, purpose = GNUTLS_KP_TLS_WWW_SERVER;
  const auto bytes = [](std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
  };
  std::array<gnutls_typed_vdata_st, 2> wanted = {
      gnutls_typed_vdata_st{.type = GNUTLS_DT_DNS_HOSTNAME, .data = bytes(host), .size = 0},
      gnutls_typed_vdata_st{.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = bytes(purpose), .size = 0}};
  unsigned status = GNUTLS_CERT_INVALID;
  if (gnutls_certificate_verify_peers(session(), wanted.data(), wanted.size(), &status) < 0)
    return GNUTLS_CERT_INVALID;
  return status;
}

void TlsClient::read_chain() {
  unsigned count = 0;
  const gnutls_datum_t* list = gnutls_certificate_get_peers(session(), &count);
  for (const gnutls_datum_t& der : std::span(list, list ? std::min(count, kMostCertificates) : 0)) {
    auto certificate = read_certificate(der);
    if (!certificate) return;
    chain_.push_back(std::move(certificate).value());
  }
}

int TlsClient::examine() {
  read_chain();
  if (!verify_) return 0;
  const unsigned status = verified_status();
  if (status == 0) return 0;
  distrust_ = distrust_of(chain_, status, host_, now_s());
  return GNUTLS_E_CERTIFICATE_ERROR;
}

TlsFacts TlsClient::facts(bool connected) {
  if (connected && chain_.empty()) read_chain();  // that of the session which was resumed
  TlsFacts facts;
  if (gnutls_protocol_get_version(session()) == GNUTLS_TLS1_3) facts.version = "TLSv1.3";
  if (connected) facts.resumed = gnutls_session_is_resumed(session()) != 0;
  // Before there is one, GnuTLS 3.7 follows a null pointer.
  const char* cipher = connected ? gnutls_ciphersuite_get(session()) : nullptr;
  if (cipher) facts.cipher = cipher;
  gnutls_datum_t alpn = {};
  if (gnutls_alpn_get_selected_protocol(session(), &alpn) == 0)
    facts.alpn.assign(reinterpret_cast<const char*>(alpn.data), alpn.size);
  for (const PeerCertificate& one : chain_) facts.chain.push_back(one.facts);
  if (chain_.empty() || !chain_.front().facts.not_after_s) return facts;
  const std::int64_t left = *chain_.front().facts.not_after_s - now_s();
  facts.days_left = left >= 0 ? left / kDayS : -((-left + kDayS - 1) / kDayS);
  return facts;
}

}  // namespace netsonde

#endif
