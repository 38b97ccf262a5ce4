// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/result.h"
#include "user/base/text.h"

namespace netsonde {

enum class DnsType : std::uint16_t {
  A = 1,
  NS = 2,
  CNAME = 5,
  SOA = 6,
  PTR = 12,
  MX = 15,
  TXT = 16,
  AAAA = 28,
  SRV = 33,
  HTTPS = 65,
  CAA = 257
};

// "AAAA"; "TYPE99" for one without a name here.
std::string to_text(DnsType type);
// By that name, in any case.
std::optional<DnsType> parse_dns_type(std::string_view text);

// "NOERROR", "NXDOMAIN"; "RCODE11" for one without a name here.
std::string rcode_text(std::uint16_t rcode);

// One resource record (RFC 1035 3.2.1). Names end without a dot; every byte of a label that is no
// letter, digit, '-' or '_' is escaped as \DDD, so that names are safe to print.
struct DnsRecord {
  std::string name;
  DnsType type = DnsType::A;
  std::uint32_t ttl_s = 0;
  std::string data;                // as text; RFC 3597 ("\# 3 abcdef") where the type is not known
  std::optional<Address> address;  // of A and AAAA

  bool operator==(const DnsRecord&) const = default;
};

// What a server answered.
struct DnsMessage {
  std::uint16_t id = 0;
  std::uint16_t rcode = 0;  // with the upper bits of EDNS
  bool response = false;
  bool truncated = false;
  bool authoritative = false;
  bool authenticated = false;                   // AD
  std::optional<std::uint16_t> edns_udp_bytes;  // absent: no EDNS
  std::vector<DnsRecord> answers;
  // How long "no such name" or "no such record" may be kept: the smaller of the SOA's minimum and
  // its own TTL (RFC 2308 5); absent without a SOA.
  std::optional<std::uint32_t> negative_ttl_s;
};

// Fails on bytes that are no message: those of a server are never trusted. Compression may only
// point backwards (RFC 1035 4.1.4), so no message loops.
Result<DnsMessage> parse_dns(std::span<const std::byte> bytes);

}  // namespace netsonde
