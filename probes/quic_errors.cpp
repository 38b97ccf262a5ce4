// SPDX-License-Identifier: Apache-2.0
#include "probes/quic_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "user/base/text.h"

namespace netsonde {

namespace {

struct CodeName {
  std::uint64_t code;
  std::string_view name;
};

constexpr std::uint64_t kConnectionRefused = 0x2;
constexpr std::uint64_t kCryptoError = 0x100;  // and the TLS alert (RFC 9001 4.8)
constexpr std::uint64_t kNoApplicationProtocol = kCryptoError + 120;
constexpr std::uint64_t kHttp3NoError = 0x100;

constexpr CodeName kTransportErrors[] = {
    {0x0, "NO_ERROR"},
    {0x1, "INTERNAL_ERROR"},
    {kConnectionRefused, "CONNECTION_REFUSED"},
    {0x3, "FLOW_CONTROL_ERROR"},
    {0x4, "STREAM_LIMIT_ERROR"},
    {0x5, "STREAM_STATE_ERROR"},
    {0x6, "FINAL_SIZE_ERROR"},
    {0x7, "FRAME_ENCODING_ERROR"},
    {0x8, "TRANSPORT_PARAMETER_ERROR"},
    {0x9, "CONNECTION_ID_LIMIT_ERROR"},
    {0xa, "PROTOCOL_VIOLATION"},
    {0xb, "INVALID_TOKEN"},
    {0xc, "APPLICATION_ERROR"},
    {0xd, "CRYPTO_BUFFER_EXCEEDED"},
    {0xe, "KEY_UPDATE_ERROR"},
    {0xf, "AEAD_LIMIT_REACHED"},
    {0x10, "NO_VIABLE_PATH"},
    {kCryptoError + 10, "unexpected_message"},
    {kCryptoError + 40, "handshake_failure"},
    {kCryptoError + 42, "bad_certificate"},
    {kCryptoError + 43, "unsupported_certificate"},
    {kCryptoError + 44, "certificate_revoked"},
    {kCryptoError + 45, "certificate_expired"},
    {kCryptoError + 46, "certificate_unknown"},
    {kCryptoError + 47, "illegal_parameter"},
    {kCryptoError + 48, "unknown_ca"},
    {kCryptoError + 49, "access_denied"},
    {kCryptoError + 50, "decode_error"},
    {kCryptoError + 51, "decrypt_error"},
    {kCryptoError + 70, "protocol_version"},
    {kCryptoError + 71, "insufficient_security"},
    {kCryptoError + 80, "internal_error"},
    {kCryptoError + 109, "missing_extension"},
    {kCryptoError + 110, "unsupported_extension"},
    {kCryptoError + 112, "unrecognized_name"},
    {kCryptoError + 116, "certificate_required"},
    {kNoApplicationProtocol, "no_application_protocol"},
};

constexpr CodeName kHttp3Errors[] = {
    {kHttp3NoError, "H3_NO_ERROR"},
    {0x101, "H3_GENERAL_PROTOCOL_ERROR"},
    {0x102, "H3_INTERNAL_ERROR"},
    {0x103, "H3_STREAM_CREATION_ERROR"},
    {0x104, "H3_CLOSED_CRITICAL_STREAM"},
    {0x105, "H3_FRAME_UNEXPECTED"},
    {0x106, "H3_FRAME_ERROR"},
    {0x107, "H3_EXCESSIVE_LOAD"},
    {0x108, "H3_ID_ERROR"},
    {0x109, "H3_SETTINGS_ERROR"},
    {0x10a, "H3_MISSING_SETTINGS"},
    {0x10b, "H3_REQUEST_REJECTED"},
    {0x10c, "H3_REQUEST_CANCELLED"},
    {0x10d, "H3_REQUEST_INCOMPLETE"},
    {0x10e, "H3_MESSAGE_ERROR"},
    {0x10f, "H3_CONNECT_ERROR"},
    {0x110, "H3_VERSION_FALLBACK"},
    {0x200, "QPACK_DECOMPRESSION_FAILED"},
    {0x201, "QPACK_ENCODER_STREAM_ERROR"},
    {0x202, "QPACK_DECODER_STREAM_ERROR"},
};

std::string named(std::span<const CodeName> table, std::uint64_t code) {
  const auto known = std::ranges::find(table, code, &CodeName::code);
  return known != table.end() ? fmt::format("{} ({:#x})", known->name, code)
                              : fmt::format("{:#x}", code);
}

FailureKind kind_of(const QuicClose& close, bool connected) {
  if (connected) {
    const std::uint64_t no_error = close.application ? kHttp3NoError : 0;
    return close.code == no_error ? FailureKind::Closed : FailureKind::Reset;
  }
  if (close.application) return FailureKind::Reset;
  if (close.code == kConnectionRefused) return FailureKind::ConnectRefused;
  if (close.code >= kCryptoError && close.code < kCryptoError + 0x100)
    return FailureKind::TlsProtocol;
  return FailureKind::Reset;
}

}  // namespace

std::string quic_error_text(std::uint64_t code) {
  return named(kTransportErrors, code);
}

std::string http3_error_text(std::uint64_t code) {
  return named(kHttp3Errors, code);
}

QuicEnd end_of(const QuicClose& close, bool connected) {
  std::string detail =
      fmt::format("the server closed the connection: {}",
                  close.application ? http3_error_text(close.code) : quic_error_text(close.code));
  if (!close.reason.empty()) detail += fmt::format(", '{}'", printable(close.reason));
  if (!connected && !close.application && close.code == kNoApplicationProtocol)
    detail += "; it speaks QUIC, but not HTTP/3";
  return {.kind = kind_of(close, connected), .detail = std::move(detail)};
}

}  // namespace netsonde
