// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "probes/lookup.h"
#include "probes/prober.h"
#include "user/base/loop.h"

namespace netsonde {

class Http3Attempt;
class TlsCredentials;

// HTTP/3 (RFC 9114). One request on a connection of its own, to the first address of the name;
// redirects are not followed, bodies not decoded (see Http3Response).
//
// QUIC sets up transport and TLS at once: times.connect is absent, and times.tls is from the first
// Initial packet sent to the end of the handshake. A failure before any answer is nevertheless one
// of ProbePhase::Connect, and limits.connect the time for that answer; limits.tls begins with it.
//
// Attempt::kernel is what stands in for TCP_INFO: min_rtt, srtt, cwnd and delivery rate are those
// of the QUIC library, whose congestion control ("quic cubic") is named; segments_sent are
// datagrams; nobody counts those sent again, nor times the first answer alone (syn_rtt). cookie,
// buffer, dscp and prober_delay (of the first datagram that came) are the kernel's, of the UDP
// socket. Of the SocketOptions, congestion is one of the library's: cubic, reno, bbr.
class Http3Prober : public Prober {
 public:
  // Both outlive it; once it has ended, the loop does not run while the lookup still asks for it.
  Http3Prober(Loop& loop, Lookup& lookup);
  Http3Prober(const Http3Prober&) = delete;
  Http3Prober& operator=(const Http3Prober&) = delete;
  ~Http3Prober() override;

  // Why this build cannot; empty: it can. Then every attempt fails so: FailureKind::Unsupported.
  static std::string missing();

  // The certificates to be trusted are read once, when first needed.
  void start(const ProbeRequest& request, OnAttempt on_attempt) override;

 private:
  void proceed(std::uint64_t id, const ProbeRequest& request);
  void keep_session(const ProbeRequest& request, const Http3Attempt& ended);
  void connect(Http3Attempt& attempt, const Address& address, const ProbeRequest& request);
  Result<const TlsCredentials*> credentials(const HttpOptions& options);

  Loop& loop_;
  Lookup& lookup_;
  std::map<std::pair<bool, std::string>, std::unique_ptr<TlsCredentials>> credentials_;
  std::map<std::string, std::string> sessions_;  // of TLS, the last one of each server
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Http3Attempt>> running_;
};

}  // namespace netsonde
