// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "user/sinks/attempts.h"

namespace netsonde {

// An attempt of which everything was measured.
inline Attempt filled_attempt() {
  using std::chrono::microseconds;
  Attempt attempt;
  attempt.began = time_from_ns(5'123'456'789);
  attempt.target = "https://example.test/";
  attempt.address = parse_address("192.0.2.1");
  attempt.port = 443;
  attempt.times = {.dns = microseconds(1200),
                   .connect = microseconds(10'100),
                   .tls = microseconds(11'500),
                   .request = microseconds(42),
                   .ttfb = microseconds(12'000),
                   .transfer = microseconds(3100),
                   .total = Nanos(38'200'001)};
  attempt.lookup = LookupFacts{.server = "192.0.2.53:53",
                               .rcode = "NOERROR",
                               .ttl_s = 300,
                               .cnames = {"cdn.example.test"},
                               .addresses = {*attempt.address, *parse_address("2001:db8::2")}};
  attempt.hops = {{.url = "http://example.test/",
                   .address = attempt.address,
                   .port = 80,
                   .times = {.connect = microseconds(9000),
                             .ttfb = microseconds(2000),
                             .total = microseconds(12'300)},
                   .status = 301,
                   .location = "https://example.test/"}};
  attempt.tls = TlsFacts{
      .version = "TLSv1.3",
      .cipher = "TLS_AES_128_GCM_SHA256",
      .alpn = "h2",
      .resumed = true,
      .days_left = 61,
      .chain = {{.subject = "CN=example.test", .issuer = "CN=R3", .not_after_s = 1'800'000'000}}};
  attempt.http = HttpFacts{.version = "2",
                           .status = 200,
                           .encoding = "gzip",
                           .content_type = "text/html",
                           .header_bytes = 310,
                           .wire_bytes = 12'595,
                           .body_bytes = 49'152,
                           .sent_bytes = 2048,
                           .age_s = 30,
                           .via = "1.1 varnish",
                           .cache = "HIT",
                           .server = "nginx",
                           .cache_control = "max-age=60",
                           .retry_after_s = 7,
                           .bandwidth_mbps = 31.7};
  attempt.kernel = KernelFacts{.cookie = 4242,
                               .syn_rtt = microseconds(10'000),
                               .min_rtt = microseconds(9900),
                               .srtt = microseconds(10'200),
                               .syn_retransmits = 0,
                               .segments_sent = 25,
                               .retransmitted_segments = 1,
                               .congestion_control = "cubic",
                               .cwnd_segments = 10,
                               .delivery_bytes_per_s = 3'200'000,
                               .receive_buffer_bytes = 131'072,
                               .dscp = 46,
                               .prober_delay = microseconds(42)};
  attempt.witness = WitnessFacts{.handshake = microseconds(10'050),
                                 .retransmits = {"fast", "RTO", "fast"},
                                 .drops = {"no socket in tcp_v4_rcv"},
                                 .resets = {"peer"},
                                 .lost_events = 3};
  return attempt;
}

inline Attempt refused_attempt() {
  Attempt attempt;
  attempt.target = "tcp://example.test:81";
  attempt.address = parse_address("2001:db8::1");
  attempt.port = 81;
  attempt.attempt = 2;
  attempt.times.total = std::chrono::microseconds(10'200);
  attempt.failure = Failure{.phase = ProbePhase::Connect,
                            .kind = FailureKind::ConnectRefused,
                            .detail = "refused by [2001:db8::1]:81 after 10.2ms"};
  return attempt;
}

// Every text that may come from outside is what no terminal should get.
inline Attempt hostile_attempt() {
  const std::string bytes("\x1b]0;owned\a\n\xff\xe2\x80\xae\0x", 17);
  Attempt attempt = filled_attempt();
  attempt.target = bytes;
  attempt.hops[0].url = attempt.hops[0].location = bytes;
  attempt.lookup->server = attempt.lookup->rcode = bytes;
  attempt.lookup->cnames = {bytes};
  TlsFacts& tls = *attempt.tls;
  tls.version = tls.cipher = tls.alpn = tls.chain[0].subject = tls.chain[0].issuer = bytes;
  HttpFacts& http = *attempt.http;
  http.version = http.encoding = http.content_type = http.via = bytes;
  http.cache = http.server = http.cache_control = bytes;
  attempt.kernel->congestion_control = bytes;
  attempt.witness->retransmits = attempt.witness->drops = attempt.witness->resets = {bytes};
  attempt.failure =
      Failure{.phase = ProbePhase::Tls, .kind = FailureKind::TlsCertificate, .detail = bytes};
  return attempt;
}

}  // namespace netsonde
