// SPDX-License-Identifier: Apache-2.0
#ifdef NETSONDE_HTTP3

#include "probes/quic_tls.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

constexpr std::int64_t kNow = 1'795'000'000;  // 2026-11-18
constexpr std::int64_t kDay = 86'400;

// CN=server.test, for a.test, b.test and 192.0.2.7, by CN=server.test, for 30 days.
constexpr std::string_view kPem = R"(-----BEGIN CERTIFICATE-----
MIIBojCCAUigAwIBAgIUORA5jSB/w6mLO+nV6Tz1rfdME3cwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLc2VydmVyLnRlc3QwHhcNMjYxMTI4MDUzODI5WhcNMjYxMjI4
MDUzODI5WjAWMRQwEgYDVQQDDAtzZXJ2ZXIudGVzdDBZMBMGByqGSM49AgEGCCqG
SM49AwEHA0IABKp5kH/G5dGpheuWqEiR7vGH4aLRCB6oivbWgNtF5QvRIwbAiEep
h/3tspCYx5+DTRb4RyTaIPBu0rghGRYFchmjdDByMB0GA1UdDgQWBBT2EmsjnQLD
y6aZPUMagOzl/ypaKTAfBgNVHSMEGDAWgBT2EmsjnQLDy6aZPUMagOzl/ypaKTAP
BgNVHRMBAf8EBTADAQH/MB8GA1UdEQQYMBaCBmEudGVzdIIGYi50ZXN0hwTAAAIH
MAoGCCqGSM49BAMCA0gAMEUCIQDl1tTjenEEC9OwO8hK1PpsxKaWpoWMCzHW3C7A
2iuptQIgMakP9mYQkkT+RAtlT+XAgQ/IFhiGNj5m21Z2jYssRkY=
-----END CERTIFICATE-----
)";
constexpr std::int64_t kPemBegins = 1'795'844'309, kPemEnds = 1'798'436'309;

class Der {
 public:
  Der() {
    const gnutls_datum_t pem = {
        .data = reinterpret_cast<unsigned char*>(const_cast<char*>(kPem.data())),
        .size = static_cast<unsigned>(kPem.size())};
    gnutls_pem_base64_decode2("CERTIFICATE", &pem, &bytes_);
  }
  Der(const Der&) = delete;
  Der& operator=(const Der&) = delete;
  ~Der() { gnutls_free(bytes_.data); }

  gnutls_datum_t first(unsigned size) const { return {.data = bytes_.data, .size = size}; }
  unsigned size() const { return bytes_.size; }

 private:
  gnutls_datum_t bytes_ = {};
};

PeerCertificate certificate(std::string name, std::int64_t not_after_s = kNow + kDay) {
  return {.facts = {.subject = "CN=" + name, .issuer = "CN=Some CA", .not_after_s = not_after_s},
          .not_before_s = kNow - kDay,
          .names = {name}};
}

constexpr unsigned kInvalid = GNUTLS_CERT_INVALID;

TEST(PeerCertificate, IsReadFromItsBytes) {
  const Der der;
  const auto read = read_certificate(der.first(der.size()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read.value().facts.subject, "CN=server.test");
  EXPECT_EQ(read.value().facts.issuer, "CN=server.test");
  EXPECT_EQ(read.value().facts.not_after_s, kPemEnds);
  EXPECT_EQ(read.value().not_before_s, kPemBegins);
  EXPECT_EQ(read.value().names, (std::vector<std::string>{"a.test", "b.test", "192.0.2.7"}));
}

TEST(PeerCertificate, ThatEndsEarlyIsNone) {
  const Der der;
  for (unsigned size = 0; size < der.size(); ++size)
    EXPECT_FALSE(read_certificate(der.first(size))) << size;
}

TEST(Distrust, AnExpiredCertificateHasItsDay) {
  EXPECT_EQ(distrust_of({certificate("a.test", kNow - 1)}, kInvalid | GNUTLS_CERT_EXPIRED, "a.test",
                        kNow),
            "certificate expired on 2026-11-18");
}

TEST(Distrust, AnExpiredCertificateAboveTheServersIsNamed) {
  EXPECT_EQ(distrust_of({certificate("a.test"), certificate("Middle", kNow - kDay)},
                        kInvalid | GNUTLS_CERT_EXPIRED, "a.test", kNow),
            "certificate of CN=Middle expired on 2026-11-17");
}

TEST(Distrust, ACertificateFromTheFutureHasItsDay) {
  PeerCertificate early = certificate("a.test");
  early.not_before_s = kNow + kDay;
  EXPECT_EQ(distrust_of({early}, kInvalid | GNUTLS_CERT_NOT_ACTIVATED, "a.test", kNow),
            "certificate is not valid before 2026-11-19");
}

TEST(Distrust, AWrongNameIsToldWithTheRightOnes) {
  PeerCertificate two = certificate("a.test");
  two.names.emplace_back("b.test");
  EXPECT_EQ(distrust_of({two}, kInvalid | GNUTLS_CERT_UNEXPECTED_OWNER, "c.test", kNow),
            "for a.test, b.test, not c.test");
}

TEST(Distrust, ACertificateWithoutNamesHasItsSubject) {
  PeerCertificate old = certificate("a.test");
  old.names.clear();
  EXPECT_EQ(distrust_of({old}, kInvalid | GNUTLS_CERT_UNEXPECTED_OWNER, "c.test", kNow),
            "for CN=a.test, not c.test");
}

TEST(Distrust, AnUnknownSignerIsThatOfTheLastOne) {
  PeerCertificate middle = certificate("Middle");
  middle.facts.issuer = "CN=Root";
  EXPECT_EQ(distrust_of({certificate("a.test"), middle}, kInvalid | GNUTLS_CERT_SIGNER_NOT_FOUND,
                        "a.test", kNow),
            "signed by nobody known (CN=Root)");
}

TEST(Distrust, AllFaultsAreTold) {
  EXPECT_EQ(
      distrust_of({certificate("a.test", kNow - kDay)},
                  kInvalid | GNUTLS_CERT_EXPIRED | GNUTLS_CERT_UNEXPECTED_OWNER, "b.test", kNow),
      "certificate expired on 2026-11-17; for a.test, not b.test");
}

TEST(Distrust, AnyOtherFaultHasTheWordsOfTheLibrary) {
  EXPECT_NE(distrust_of({certificate("a.test")}, kInvalid | GNUTLS_CERT_INSECURE_ALGORITHM,
                        "a.test", kNow)
                .find("insecure"),
            std::string::npos);
}

TEST(Distrust, NamesFromTheNetworkAreMadeSafe) {
  EXPECT_EQ(distrust_of({certificate("a\x1b.test")}, kInvalid | GNUTLS_CERT_UNEXPECTED_OWNER,
                        "b.test", kNow),
            "for a\\x1b.test, not b.test");
}

TEST(Distrust, NoCertificateAtAllIsToldToo) {
  EXPECT_EQ(distrust_of({}, kInvalid, "a.test", kNow), "no certificate that can be read");
}

TEST(TlsCredentials, AFileThatIsNotThereIsTold) {
  const auto opened = TlsCredentials::open(true, "/nowhere/ca.pem");
  ASSERT_FALSE(opened);
  EXPECT_TRUE(
      opened.error().message().starts_with("read the trusted certificates in /nowhere/ca.pem: "));
}

TEST(TlsCredentials, AFileIsNotReadWhereNothingIsVerified) {
  EXPECT_TRUE(TlsCredentials::open(false, "/nowhere/ca.pem"));
}

}  // namespace
}  // namespace netsonde

#endif
