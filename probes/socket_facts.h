// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "probes/prober.h"
#include "user/base/result.h"
#include "user/base/text.h"
#include "user/base/units.h"
#include "user/model/attempt.h"

namespace netsonde {

// TCP_INFO of one socket at one time. Absent: not measured yet, or not known to this kernel.
struct SocketCounters {
  std::uint8_t state = 0;           // TCP_ESTABLISHED, ... of <netinet/tcp.h>
  std::uint32_t retransmits = 0;    // of what is unacknowledged now: SYNs until connected
  std::uint32_t total_retrans = 0;  // SYNs included
  std::uint32_t cwnd_segments = 0;
  std::optional<Nanos> srtt{}, min_rtt{};
  std::optional<std::uint32_t> segments_out{};  // SYNs, pure ACKs and retransmits included
  std::optional<std::uint32_t> data_segments_out{};
  std::optional<std::uint64_t> bytes_acked{};  // SYN and FIN included
  std::optional<std::uint64_t> delivery_bytes_per_s{};
  std::optional<Nanos> receive_rtt{};  // a round trip as what is received tells
};

// Of a TCP socket; absent where the kernel does not tell.
std::optional<SocketCounters> read_counters(int fd);

// What the kernel says of the socket and how it is set; with the counters of an earlier time, its
// segments since then. The handshake is left to note_handshake.
KernelFacts facts_of(int fd, const SocketCounters& now,
                     const std::optional<SocketCounters>& before = {});

// What the counters tell of the handshake: until data was sent, the smoothed round trip is the
// SYN's, and all that was sent again were SYNs. since_connect: from the call of connect() to when
// we noticed; absent where that is not known.
void note_handshake(KernelFacts& facts, const SocketCounters& connected,
                    std::optional<Nanos> since_connect);

// To be called before connect(), so that the SYN carries it.
Result<> apply(int fd, const SocketOptions& options);
// The differentiated services code point alone; of any IP socket.
Result<> apply_dscp(int fd, int dscp);
// Likewise how many hops a packet may take.
Result<> apply_hops(int fd, int hops);

// A connection that did not come about.
struct FailedConnect {
  int error = 0;  // of connect() or SO_ERROR; ETIMEDOUT also where we gave up
  Address address{};
  std::uint16_t port = 0;
  Nanos after{};  // since connect() was called
  std::optional<SocketCounters> counters{};
};

Failure connect_failure(const FailedConnect& failed);

}  // namespace netsonde
