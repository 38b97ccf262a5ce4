// SPDX-License-Identifier: Apache-2.0
#include "probes/transfer_failure.h"

#include <fmt/format.h>
#include <netinet/tcp.h>

#include <cerrno>

#include "user/base/text.h"

namespace netsonde {

namespace {

// After what of ours something came, or did not.
std::string_view after_what(ProbePhase phase) {
  switch (phase) {
    case ProbePhase::Tls: return "the TLS hello";
    case ProbePhase::Request: return "a part of the request";
    case ProbePhase::Transfer: return "a part of the answer";
    default: return "the request";
  }
}

bool is_reset(const FailedTransfer& failed) {
  return failed.connect.error == ECONNRESET || failed.connect.error == EPIPE ||
         failed.words.find("reset by peer") != std::string::npos;
}

// Else it was libcurl that ended the connection, which it did not like.
bool is_closed(const FailedTransfer& failed) {
  const auto& counters = failed.connect.counters;
  return !counters || counters->state == TCP_CLOSE_WAIT || counters->state == TCP_CLOSE;
}

Failure late(const FailedTransfer& failed) {
  const std::string waited = short_duration(failed.waited);
  if (failed.phase == ProbePhase::Tls)
    return {failed.phase, FailureKind::TlsTimeout,
            fmt::format("TLS handshake unfinished after {}", waited)};
  const bool started = failed.phase == ProbePhase::Transfer;
  return {failed.phase, FailureKind::HttpTimeout,
          started ? fmt::format("the answer was not complete {} after its first byte", waited)
          : failed.phase == ProbePhase::Request
              ? fmt::format("the request could not be sent within {}", waited)
              : fmt::format("no answer {} after the request", waited)};
}

Failure closed(const FailedTransfer& failed) {
  const bool reset = is_reset(failed);
  return {failed.phase, reset ? FailureKind::Reset : FailureKind::Closed,
          fmt::format("{} by peer after {}", reset ? "reset" : "closed", after_what(failed.phase))};
}

Failure of_certificate(const FailedTransfer& failed) {
  return {ProbePhase::Tls, FailureKind::TlsCertificate,
          failed.problem.empty() ? failed.words : failed.problem};
}

Failure of_tls(const FailedTransfer& failed) {
  if (!failed.problem.empty()) return of_certificate(failed);
  const bool ended = failed.words.find("SSL_ERROR_SYSCALL") != std::string::npos ||
                     failed.words.find("unexpected eof") != std::string::npos;
  if (is_reset(failed) || ended) return closed(failed);
  const bool plain = failed.words.find("wrong version number") != std::string::npos;
  return {ProbePhase::Tls, FailureKind::TlsProtocol,
          plain ? "what the server answers is not TLS" : failed.words};
}

}  // namespace

Failure transfer_failure(const FailedTransfer& failed) {
  if (failed.too_large)
    return {ProbePhase::Transfer, FailureKind::TooLarge,
            fmt::format("the answer is longer than {}B",
                        short_bytes(static_cast<double>(failed.limit_bytes)))};
  if (failed.phase == ProbePhase::Connect) {
    if (!failed.problem.empty())
      return {ProbePhase::Connect, FailureKind::ConnectLocal, failed.problem};
    return connect_failure(failed.connect);
  }
  switch (failed.code) {
    case CURLE_OPERATION_TIMEDOUT: return late(failed);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE: return of_certificate(failed);
    case CURLE_OUT_OF_MEMORY:
      return {failed.phase, FailureKind::TooLarge, "a header is longer than 100 KiB"};
    case CURLE_GOT_NOTHING:
      return failed.phase == ProbePhase::Tls ? of_tls(failed) : closed(failed);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      if (failed.phase == ProbePhase::Tls) return of_tls(failed);
      if (is_reset(failed) || is_closed(failed)) return closed(failed);
      break;
    case CURLE_PARTIAL_FILE: return {failed.phase, FailureKind::HttpTruncated, failed.words};
    default: break;
  }
  if (failed.phase == ProbePhase::Tls) return of_tls(failed);
  return {failed.phase, FailureKind::HttpMalformed, failed.words};
}

}  // namespace netsonde
