// SPDX-License-Identifier: Apache-2.0
#include "probes/icmp_echo.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <string_view>

namespace netsonde {

namespace {

constexpr std::size_t kHeader = 8;
constexpr std::size_t kIpv4Header = 20;
constexpr std::byte kRequest{8}, kReply{0}, kRequestV6{128}, kReplyV6{129};

struct Meaning {
  bool ipv6;
  unsigned type, code;
  std::string_view text;
};

constexpr std::array kMeanings = {
    Meaning{.ipv6 = false, .type = 3, .code = 0, .text = "network unreachable"},
    Meaning{.ipv6 = false, .type = 3, .code = 1, .text = "host unreachable"},
    Meaning{.ipv6 = false, .type = 3, .code = 2, .text = "protocol unreachable"},
    Meaning{.ipv6 = false, .type = 3, .code = 3, .text = "port unreachable"},
    Meaning{.ipv6 = false, .type = 3, .code = 4, .text = "too large for the path"},
    Meaning{.ipv6 = false, .type = 3, .code = 9, .text = "network prohibited"},
    Meaning{.ipv6 = false, .type = 3, .code = 10, .text = "host prohibited"},
    Meaning{.ipv6 = false, .type = 3, .code = 13, .text = "prohibited by a filter"},
    Meaning{.ipv6 = false, .type = 11, .code = 0, .text = "time exceeded"},
    Meaning{.ipv6 = true, .type = 1, .code = 0, .text = "no route"},
    Meaning{.ipv6 = true, .type = 1, .code = 1, .text = "prohibited by a filter"},
    Meaning{.ipv6 = true, .type = 1, .code = 2, .text = "beyond the scope of the source"},
    Meaning{.ipv6 = true, .type = 1, .code = 3, .text = "address unreachable"},
    Meaning{.ipv6 = true, .type = 1, .code = 4, .text = "port unreachable"},
    Meaning{.ipv6 = true, .type = 1, .code = 5, .text = "source refused by a policy"},
    Meaning{.ipv6 = true, .type = 1, .code = 6, .text = "route rejected"},
    Meaning{.ipv6 = true, .type = 2, .code = 0, .text = "too large for the path"},
    Meaning{.ipv6 = true, .type = 3, .code = 0, .text = "time exceeded"},
};

std::uint16_t u16_at(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8 |
                                    std::to_integer<unsigned>(bytes[at + 1]));
}

void put_u16(std::span<std::byte> bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value & 0xff);
}

// RFC 1071, of an even number of bytes.
std::uint16_t checksum_of(std::span<const std::byte> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) sum += u16_at(bytes, at);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace

IcmpEcho IcmpEcho::make(bool ipv6) {
  IcmpEcho echo{.ipv6 = ipv6};
  std::array<std::byte, 4> numbers{};
  // Never short for so few bytes (random(4)).
  (void)!getrandom(numbers.data(), numbers.size(), 0);
  (void)!getrandom(echo.cookie.data(), echo.cookie.size(), 0);
  echo.sequence = u16_at(numbers, 0);
  echo.identifier = std::max<std::uint16_t>(u16_at(numbers, 2), 1);
  return echo;
}

std::array<std::byte, 24> IcmpEcho::bytes() const {
  std::array<std::byte, 24> bytes{};
  bytes[0] = ipv6 ? kRequestV6 : kRequest;
  put_u16(bytes, 4, identifier);
  put_u16(bytes, 6, sequence);
  std::ranges::copy(cookie, bytes.begin() + kHeader);
  if (!ipv6) put_u16(bytes, 2, checksum_of(bytes));
  return bytes;
}

bool IcmpEcho::has_our_numbers(std::span<const std::byte> message, std::byte type) const {
  if (message.size() < kHeader || message[0] != type || message[1] != std::byte{0}) return false;
  return (identifier == 0 || u16_at(message, 4) == identifier) && u16_at(message, 6) == sequence;
}

bool IcmpEcho::is_answered_by(std::span<const std::byte> message) const {
  return has_our_numbers(message, ipv6 ? kReplyV6 : kReply) &&
         std::ranges::equal(message.subspan(kHeader), cookie);
}

bool IcmpEcho::is_quoted_by(std::span<const std::byte> quoted) const {
  if (!has_our_numbers(quoted, ipv6 ? kRequestV6 : kRequest)) return false;
  const auto rest = quoted.subspan(kHeader);
  const std::size_t size = std::min(rest.size(), cookie.size());
  return std::ranges::equal(rest.first(size), std::span(cookie).first(size));
}

std::span<const std::byte> without_ipv4_header(std::span<const std::byte> packet) {
  if (packet.size() < kIpv4Header) return {};
  const std::size_t size = 4 * (std::to_integer<std::size_t>(packet[0]) & 0xf);
  if (size < kIpv4Header || size > packet.size()) return {};
  return packet.subspan(size);
}

std::string icmp_text(bool ipv6, unsigned type, unsigned code) {
  for (const Meaning& meaning : kMeanings)
    if (meaning.ipv6 == ipv6 && meaning.type == type && meaning.code == code)
      return std::string(meaning.text);
  return fmt::format("ICMP{} type {}, code {}", ipv6 ? "v6" : "", type, code);
}

}  // namespace netsonde
