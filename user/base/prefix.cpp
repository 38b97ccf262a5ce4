// SPDX-License-Identifier: Apache-2.0
#include "user/base/prefix.h"

#include <fmt/format.h>

#include <charconv>

namespace netsonde {

namespace {

constexpr std::string_view kDefault = "default";

Address no_ipv4_address() {
  Address address;
  address.bytes[10] = address.bytes[11] = 0xff;
  return address;
}

std::optional<int> bits_of(std::string_view text, int most) {
  int bits = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits);
  if (error != std::errc() || end != text.data() + text.size() || bits < 0 || bits > most)
    return std::nullopt;
  return bits;
}

}  // namespace

bool contains(const Prefix& prefix, const Address& address) {
  return prefix.address.is_ipv4() == address.is_ipv4() &&
         prefix_of(address, prefix.bits) == prefix.address;
}

std::string to_text(const Prefix& prefix) {
  if (prefix.bits == 0 && prefix.address.is_ipv4()) return std::string(kDefault);
  return fmt::format("{}/{}", to_text(prefix.address), prefix.bits);
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  if (text == kDefault) return Prefix{.address = no_ipv4_address(), .bits = 0};
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address || (address->is_ipv4() && text.find(':') != text.npos)) return std::nullopt;
  const int most = address->is_ipv4() ? 32 : 128;
  const auto bits = slash == text.npos ? most : bits_of(text.substr(slash + 1), most);
  if (!bits || prefix_of(*address, *bits) != *address) return std::nullopt;
  return Prefix{.address = *address, .bits = *bits};
}

}  // namespace netsonde
