// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/text.h"
#include "user/base/units.h"

namespace netsonde {

// One attempt to reach a target: what was measured of it, and why it failed if it did. Whatever was
// not measured is absent. Texts come from the network: untrusted bytes.

enum class ProbePhase : std::uint8_t { Dns, Connect, Tls, Request, Response, Transfer };

// "dns", "connect", "tls", "request", "response", "transfer".
std::string_view name_of(ProbePhase phase);

// A contract: the texts (name_of) are in the manual.
enum class FailureKind : std::uint8_t {
  DnsNxdomain,         // no such name
  DnsServfail,         // the server could not find out (SERVFAIL)
  DnsRefused,          // the server will not say (REFUSED and other codes)
  DnsNoAddress,        // the name exists, and has no address
  DnsTimeout,          // no answer
  DnsUnreachable,      // the server cannot be reached
  DnsMalformed,        // the answer makes no sense
  DnsName,             // what was to be asked is no name
  ConnectRefused,      // reset in answer to the SYN
  ConnectTimeout,      // nothing in answer to the SYNs
  ConnectUnreachable,  // no route, or told so by ICMP
  ConnectLocal,        // this host could not even try: no free port, no permission, no memory
  Reset,               // by the peer, once connected
  Closed,              // by the peer before anything was answered
  TlsCertificate,      // of another name, expired, or of nobody known
  TlsProtocol,         // no common version or cipher, or no TLS at all
  TlsTimeout,
  HttpStatus,  // 400 and above
  HttpTimeout,
  HttpTruncated,  // fewer bytes than were announced
  HttpMalformed,
  HttpRedirects,  // too many
  HttpVersion,    // not the one that was asked for
  WsRefused,      // no upgrade
  TooLarge,       // beyond the limit on the response
  EchoTimeout,    // no echo
  CircuitOpen,    // not tried: the target failed too often
  Unsupported,    // this build or host cannot
};

// "dns-nxdomain", "connect-refused", ...
std::string_view name_of(FailureKind kind);
std::vector<FailureKind> failure_kinds();
// By that text.
std::optional<FailureKind> parse_failure_kind(std::string_view text);

struct Failure {
  ProbePhase phase = ProbePhase::Connect;
  FailureKind kind = FailureKind::ConnectTimeout;
  std::string detail;  // one line for people, with the figures
};

// How the address was found.
struct LookupFacts {
  bool cached = false;   // from our own cache; nothing was asked
  std::string server{};  // empty: nobody was asked (an address, /etc/hosts, the cache)
  bool tcp = false;      // the answer was too long for UDP
  std::string rcode{};   // "NOERROR", ...
  std::optional<std::uint32_t> ttl_s{};  // the smallest
  std::vector<std::string> cnames{};     // the chain, without the name itself
  std::vector<Address> addresses{};      // all, in the order in which they would be tried
  std::vector<std::string> records{};    // of other types, where asked for: "MX 10 mail.test"
};

struct CertificateFacts {
  std::string subject, issuer;
  std::optional<std::int64_t> not_after_s{};  // since the epoch
};

struct TlsFacts {
  std::string version{};  // "TLSv1.3"
  std::string cipher{};
  std::string alpn{};  // empty: none agreed on
  std::optional<bool> resumed{};
  std::optional<std::int64_t> days_left{};  // of the server's certificate; negative: expired
  std::vector<CertificateFacts> chain{};    // the server's first
};

// What the kernel says of the attempt's socket: TCP_INFO, of this attempt alone where the
// connection was there before; and what our BPF programs saw of it, if they run.
struct KernelFacts {
  std::uint64_t cookie = 0;
  std::optional<Nanos> syn_rtt{};  // SYN to SYN-ACK; absent where the SYN was sent again
  std::optional<Nanos> min_rtt{}, srtt{};
  std::optional<std::uint32_t> syn_retransmits{};
  std::optional<std::uint64_t> segments_sent{}, retransmitted_segments{};
  bool answered = true;  // the other end ever acknowledged anything
  std::string congestion_control{};
  std::optional<std::uint32_t> cwnd_segments{};
  std::optional<std::uint64_t> delivery_bytes_per_s{};
  std::optional<std::uint32_t> receive_buffer_bytes{};
  std::optional<std::uint32_t> notsent_lowat_bytes{};
  std::optional<int> dscp{};
  std::optional<bool> nodelay{};
  // From when the SYN-ACK was here to when we noticed: what the prober adds to its own figures.
  std::optional<Nanos> prober_delay{};

  // Of segments that went out, how many went out again.
  std::optional<double> loss_percent() const;
};

// What our BPF programs saw of the connection.
struct WitnessFacts {
  std::optional<Nanos> handshake{};        // SYN sent to established
  std::vector<std::string> retransmits{};  // by kind: "fast", "RTO", ... one per event
  std::vector<std::string> drops{};        // reason and place
  std::vector<std::string> resets{};       // who, and why
  std::uint64_t lost_events = 0;           // meanwhile, of any connection
};

// Each phase alone; they do not overlap.
struct PhaseTimes {
  std::optional<Nanos> dns{};       // to the address
  std::optional<Nanos> connect{};   // SYN sent to connected; absent where reused
  std::optional<Nanos> tls{};       // handshake
  std::optional<Nanos> request{};   // to hand the request to the kernel
  std::optional<Nanos> ttfb{};      // from then to the first byte of the answer
  std::optional<Nanos> transfer{};  // from that to the last
  Nanos total{};                    // everything, waiting within the client included
};

// One request and its answer.
struct Hop {
  std::string url;
  std::optional<Address> address{};
  std::uint16_t port = 0;
  bool reused = false;
  PhaseTimes times{};
  std::optional<int> status{};
  std::string location{};  // where it points to
};

struct HttpFacts {
  std::string version{};  // "1.1", "2", "3": granted
  std::optional<int> status{};
  std::string encoding{};  // granted; empty: none
  std::string content_type{};
  std::uint64_t header_bytes = 0;
  std::uint64_t wire_bytes = 0;  // of the body as it came
  std::uint64_t body_bytes = 0;  // decoded
  std::uint64_t sent_bytes = 0;  // of a body that we sent
  // What caches and networks on the way say of themselves.
  std::optional<std::uint64_t> age_s{};
  std::string via{}, cache{}, server{}, cache_control{};  // cache: X-Cache, CF-Cache-Status, ...
  std::optional<std::uint64_t> retry_after_s{};
  // Body over the transfer phase alone; absent for one that came with the headers.
  std::optional<double> bandwidth_mbps{};
};

struct Attempt {
  Time began{};
  std::string target{};     // as given
  std::uint64_t round = 1;  // of --count
  unsigned attempt = 1;     // above 1: tried again
  bool retried = false;     // another one follows
  std::optional<Address> address{};
  std::uint16_t port = 0;
  bool reused = false;  // the connection was there before
  PhaseTimes times{};
  std::optional<LookupFacts> lookup{};
  std::vector<Hop> hops{};  // redirects that were followed, without the last
  std::optional<TlsFacts> tls{};
  std::optional<HttpFacts> http{};
  std::optional<KernelFacts> kernel{};
  std::optional<WitnessFacts> witness{};
  std::optional<Nanos> echo{};  // ICMP echo, WebSocket ping
  std::optional<Failure> failure{};
};

}  // namespace netsonde
