// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "user/model/attempt.h"

namespace netsonde {

// The name of a code in which a peer says why it ends a connection or a stream, and its number:
// "CONNECTION_REFUSED (0x2)", "no_application_protocol (0x178)": RFC 9000 20.1, TLS alerts; and
// "H3_INTERNAL_ERROR (0x102)": RFC 9114 8.1, RFC 9204 6. The number alone where it has no name.
std::string quic_error_text(std::uint64_t code);
std::string http3_error_text(std::uint64_t code);

// Why a connection ended that was not ended from here.
struct QuicEnd {
  FailureKind kind = FailureKind::Reset;
  std::string detail{};
};

// A CONNECTION_CLOSE of the peer (RFC 9000 19.19).
struct QuicClose {
  bool application = false;  // the code is one of HTTP/3
  std::uint64_t code = 0;
  std::string reason{};  // untrusted bytes
};

// connected: the handshake was done. FailureKind::Closed where the peer gives no error.
QuicEnd end_of(const QuicClose& close, bool connected);

}  // namespace netsonde
