// SPDX-License-Identifier: Apache-2.0
#include "probes/quic_errors.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

QuicClose transport(std::uint64_t code) {
  return {.code = code};
}

QuicClose application(std::uint64_t code) {
  return {.application = true, .code = code};
}

TEST(QuicErrors, ACodeHasItsNameAndNumber) {
  EXPECT_EQ(quic_error_text(0xa), "PROTOCOL_VIOLATION (0xa)");
  EXPECT_EQ(quic_error_text(0x178), "no_application_protocol (0x178)");
  EXPECT_EQ(http3_error_text(0x102), "H3_INTERNAL_ERROR (0x102)");
}

TEST(QuicErrors, ACodeWithoutANameIsItsNumber) {
  EXPECT_EQ(quic_error_text(0x1ab), "0x1ab");
  EXPECT_EQ(http3_error_text(0x1f * 3 + 0x21), "0x7e");
}

TEST(QuicErrors, WhoSpeaksNoHttp3SaysSoInTheHandshake) {
  const QuicEnd end = end_of(transport(0x178), false);
  EXPECT_EQ(end.kind, FailureKind::TlsProtocol);
  EXPECT_EQ(
      end.detail,
      "the server closed the connection: no_application_protocol (0x178); it speaks QUIC, but "
      "not HTTP/3");
}

TEST(QuicErrors, AnyAlertInTheHandshakeIsOneOfTls) {
  EXPECT_EQ(end_of(transport(0x100), false).kind, FailureKind::TlsProtocol);
  EXPECT_EQ(end_of(transport(0x1ff), false).kind, FailureKind::TlsProtocol);
  EXPECT_EQ(end_of(transport(0x200), false).kind, FailureKind::Reset);
}

TEST(QuicErrors, AServerThatRefusesIsToldFromOneThatFails) {
  EXPECT_EQ(end_of(transport(0x2), false).kind, FailureKind::ConnectRefused);
  EXPECT_EQ(end_of(transport(0x1), false).kind, FailureKind::Reset);
  EXPECT_EQ(end_of(transport(0x2), true).kind, FailureKind::Reset);
}

TEST(QuicErrors, AnOrderlyEndIsNoReset) {
  EXPECT_EQ(end_of(application(0x100), true).kind, FailureKind::Closed);
  EXPECT_EQ(end_of(transport(0), true).kind, FailureKind::Closed);
  EXPECT_EQ(end_of(transport(0x100), true).kind, FailureKind::Reset);
  EXPECT_EQ(end_of(application(0), true).kind, FailureKind::Reset);
}

TEST(QuicErrors, TheReasonOfThePeerIsMadeSafe) {
  QuicClose close = application(0x107);
  close.reason = "slow \x1b[31m down";
  EXPECT_EQ(end_of(close, true).detail,
            "the server closed the connection: H3_EXCESSIVE_LOAD (0x107), 'slow \\x1b[31m down'");
}

}  // namespace
}  // namespace netsonde
