// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "user/base/text.h"

namespace netsonde {

// Where a route leads to.
struct Prefix {
  Address address{};
  int bits = 0;  // counted in its own family

  bool operator==(const Prefix&) const = default;
};

bool contains(const Prefix& prefix, const Address& address);
// "10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32"; "default" for all of IPv4, "::/0" for all of IPv6.
std::string to_text(const Prefix& prefix);
// Also "192.0.2.1" and "0.0.0.0/0". Nothing for bits behind the prefix, and for IPv4 within IPv6,
// which an Address cannot tell from IPv4.
std::optional<Prefix> parse_prefix(std::string_view text);

}  // namespace netsonde
