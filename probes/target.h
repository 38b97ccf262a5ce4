// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "probes/dns_message.h"
#include "user/base/result.h"

namespace netsonde {

enum class Scheme : std::uint8_t { Http, Https, Http3, Ws, Wss, Tcp, Dns, Icmp };

// "http", "https", "h3", "ws", ...
std::string_view name_of(Scheme scheme);

// What to probe. "https://example.test/path", "h3://...", "wss://...", "tcp://host:port",
// "dns://resolver/name?type=AAAA", "icmp://host"; without a scheme: https.
struct Target {
  std::string text{};  // as given
  Scheme scheme = Scheme::Https;
  std::string host{};  // a name, or an address without brackets; of dns: the server
  std::uint16_t port = 0;
  std::string path{};      // with the query, from "/" on; of http and ws
  std::string dns_name{};  // of dns
  DnsType dns_type = DnsType::A;

  bool operator==(const Target&) const = default;

  // Fails on what is no target, with what one looks like.
  static Result<Target> parse(std::string_view text);
  // "example.test:443", "[2001:db8::1]:80": where it leads, as HTTP says it.
  std::string authority() const;
};

}  // namespace netsonde
