// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace netsonde {

// An ICMP echo request (RFC 792, RFC 4443) that nobody can answer without having seen it.
struct IcmpEcho {
  bool ipv6 = false;
  std::uint16_t sequence = 0;
  // Absent from what is compared where it is 0: the kernel chooses that of a ping socket, and
  // compares it.
  std::uint16_t identifier = 0;
  std::array<std::byte, 16> cookie{};

  // Everything random.
  static IcmpEcho make(bool ipv6);
  // From the ICMP header on, with the checksum of ICMPv4; the kernel fills in ICMPv6's.
  std::array<std::byte, 24> bytes() const;

  // Whether the message, from its ICMP header on, answers this request.
  bool is_answered_by(std::span<const std::byte> message) const;
  // Whether what an ICMP error quotes, from the ICMP header on and perhaps no further, is this
  // request.
  bool is_quoted_by(std::span<const std::byte> quoted) const;

 private:
  bool has_our_numbers(std::span<const std::byte> message, std::byte type) const;
};

// What follows the IPv4 header; empty where that makes no sense.
std::span<const std::byte> without_ipv4_header(std::span<const std::byte> packet);

// "host unreachable", "time exceeded"; "ICMP type 3, code 99" for one without a name here.
std::string icmp_text(bool ipv6, unsigned type, unsigned code);

}  // namespace netsonde
