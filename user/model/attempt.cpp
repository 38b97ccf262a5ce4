// SPDX-License-Identifier: Apache-2.0
#include "user/model/attempt.h"

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

struct KindName {
  FailureKind kind;
  std::string_view name;
};

constexpr std::array kKinds = {
    KindName{.kind = FailureKind::DnsNxdomain, .name = "dns-nxdomain"},
    KindName{.kind = FailureKind::DnsServfail, .name = "dns-servfail"},
    KindName{.kind = FailureKind::DnsRefused, .name = "dns-refused"},
    KindName{.kind = FailureKind::DnsNoAddress, .name = "dns-no-address"},
    KindName{.kind = FailureKind::DnsTimeout, .name = "dns-timeout"},
    KindName{.kind = FailureKind::DnsUnreachable, .name = "dns-unreachable"},
    KindName{.kind = FailureKind::DnsMalformed, .name = "dns-malformed"},
    KindName{.kind = FailureKind::DnsName, .name = "dns-name"},
    KindName{.kind = FailureKind::ConnectRefused, .name = "connect-refused"},
    KindName{.kind = FailureKind::ConnectTimeout, .name = "connect-timeout"},
    KindName{.kind = FailureKind::ConnectUnreachable, .name = "connect-unreachable"},
    KindName{.kind = FailureKind::ConnectLocal, .name = "connect-local"},
    KindName{.kind = FailureKind::Reset, .name = "reset"},
    KindName{.kind = FailureKind::Closed, .name = "closed"},
    KindName{.kind = FailureKind::TlsCertificate, .name = "tls-certificate"},
    KindName{.kind = FailureKind::TlsProtocol, .name = "tls-protocol"},
    KindName{.kind = FailureKind::TlsTimeout, .name = "tls-timeout"},
    KindName{.kind = FailureKind::HttpStatus, .name = "http-status"},
    KindName{.kind = FailureKind::HttpTimeout, .name = "http-timeout"},
    KindName{.kind = FailureKind::HttpTruncated, .name = "http-truncated"},
    KindName{.kind = FailureKind::HttpMalformed, .name = "http-malformed"},
    KindName{.kind = FailureKind::HttpRedirects, .name = "http-redirects"},
    KindName{.kind = FailureKind::HttpVersion, .name = "http-version"},
    KindName{.kind = FailureKind::WsRefused, .name = "ws-refused"},
    KindName{.kind = FailureKind::TooLarge, .name = "too-large"},
    KindName{.kind = FailureKind::EchoTimeout, .name = "echo-timeout"},
    KindName{.kind = FailureKind::CircuitOpen, .name = "circuit-open"},
    KindName{.kind = FailureKind::Unsupported, .name = "unsupported"},
};

}  // namespace

std::string_view name_of(ProbePhase phase) {
  switch (phase) {
    case ProbePhase::Dns: return "dns";
    case ProbePhase::Connect: return "connect";
    case ProbePhase::Tls: return "tls";
    case ProbePhase::Request: return "request";
    case ProbePhase::Response: return "response";
    case ProbePhase::Transfer: return "transfer";
  }
  return {};
}

std::string_view name_of(FailureKind kind) {
  return std::ranges::find(kKinds, kind, &KindName::kind)->name;
}

std::vector<FailureKind> failure_kinds() {
  std::vector<FailureKind> kinds;
  for (const KindName& row : kKinds) kinds.push_back(row.kind);
  return kinds;
}

std::optional<FailureKind> parse_failure_kind(std::string_view text) {
  const auto* found = std::ranges::find(kKinds, text, &KindName::name);
  if (found == kKinds.end()) return std::nullopt;
  return found->kind;
}

std::optional<double> KernelFacts::loss_percent() const {
  if (!segments_sent || !retransmitted_segments || *segments_sent == 0) return std::nullopt;
  // What nobody ever answered was lost, or not: retransmissions alone do not tell.
  if (!answered && *retransmitted_segments == 0) return std::nullopt;
  return 100.0 * static_cast<double>(*retransmitted_segments) / static_cast<double>(*segments_sent);
}

}  // namespace netsonde
