// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "user/base/text.h"

namespace netsonde {

// As the socket calls take and give it: IPv4 in a family of its own.
struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = sizeof(bytes);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
  int family() const { return bytes.ss_family; }
};

inline SocketAddress socket_address(const Address& address, std::uint16_t port) {
  SocketAddress to;
  if (address.is_ipv4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&to.bytes);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.bytes.data() + 12, sizeof(v4->sin_addr));
    to.size = sizeof(*v4);
    return to;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&to.bytes);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  std::memcpy(&v6->sin6_addr, address.bytes.data(), sizeof(v6->sin6_addr));
  to.size = sizeof(*v6);
  return to;
}

// Absent where it is of another family.
inline std::optional<Address> address_of(const SocketAddress& from) {
  Address address;
  if (from.family() == AF_INET) {
    address.bytes[10] = address.bytes[11] = 0xff;
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&from.bytes);
    std::memcpy(address.bytes.data() + 12, &v4->sin_addr, sizeof(v4->sin_addr));
    return address;
  }
  if (from.family() != AF_INET6) return std::nullopt;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&from.bytes);
  std::memcpy(address.bytes.data(), &v6->sin6_addr, sizeof(v6->sin6_addr));
  return address;
}

// "192.0.2.1:80", "[2001:db8::1]:80".
inline std::string endpoint_text(const Address& address, std::uint16_t port) {
  const std::string text = to_text(address);
  return address.is_ipv4() ? fmt::format("{}:{}", text, port) : fmt::format("[{}]:{}", text, port);
}

}  // namespace netsonde
