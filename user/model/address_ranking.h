// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/model/attempt_summary.h"
#include "user/model/snapshot.h"

namespace netsonde {

// What this host's own connections to an address and port were like, however old they are.
struct AddressUse {
  std::uint64_t connections = 0;
  std::uint64_t segments_sent = 0, retransmitted_segments = 0;
  std::optional<double> srtt_us{};  // median over the connections
};

// One address of a name.
struct RankedAddress {
  std::string target{};
  Address address{};
  std::uint16_t port = 0;
  AttemptSummary summary{};
  std::optional<AddressUse> use{};  // absent where nobody looked
  bool chosen = false;              // by a client that races addresses (RFC 8305)
};

// The addresses of one target, in the order in which a client would try them, become best first: by
// the share that failed, then by the time to the first byte or of an echo, without these to be
// connected or, at last, of everything. Marks the one chosen.
void rank(std::vector<RankedAddress>& addresses);

// Which of the addresses, in their order, such a client ends up with: it takes families in turn,
// begins the next attempt 250 ms after the last one, and keeps the first that is connected.
// connect: how long that takes, absent where it fails. Absent where all fail.
std::optional<std::size_t> raced_choice(std::span<const Address> addresses,
                                        std::span<const std::optional<Nanos>> connect);

// pid: whose connections are none of the host's own.
AddressUse use_of(const Snapshot& snapshot, const Address& address, std::uint16_t port,
                  std::uint32_t pid);

}  // namespace netsonde
