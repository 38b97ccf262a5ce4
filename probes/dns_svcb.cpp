// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_svcb.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "user/base/text.h"

namespace netsonde {

namespace {

using Bytes = std::span<const std::byte>;

std::uint16_t u16_at(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>((static_cast<unsigned>(bytes[at]) << 8) |
                                    static_cast<unsigned>(bytes[at + 1]));
}

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ","));
}

std::string key_name(std::uint16_t key) {
  static constexpr std::string_view kNames[] = {"mandatory", "alpn", "no-default-alpn", "port",
                                                "ipv4hint",  "ech",  "ipv6hint"};
  return key < std::size(kNames) ? std::string(kNames[key]) : fmt::format("key{}", key);
}

std::optional<std::string> protocols(Bytes value) {
  std::vector<std::string> names;
  while (!value.empty()) {
    const auto length = static_cast<std::size_t>(value[0]);
    if (length == 0 || length > value.size() - 1) return std::nullopt;
    names.push_back(printable({reinterpret_cast<const char*>(value.data()) + 1, length}));
    value = value.subspan(1 + length);
  }
  return joined(names);
}

std::optional<std::string> addresses(Bytes value, std::size_t width) {
  if (value.empty() || value.size() % width != 0) return std::nullopt;
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < value.size(); at += width) {
    Address address;
    if (width == 4) address.bytes[10] = address.bytes[11] = 0xff;
    std::memcpy(address.bytes.data() + 16 - width, value.data() + at, width);
    texts.push_back(to_text(address));
  }
  return joined(texts);
}

std::optional<std::string> keys(Bytes value) {
  if (value.empty() || value.size() % 2 != 0) return std::nullopt;
  std::vector<std::string> names;
  for (std::size_t at = 0; at < value.size(); at += 2) names.push_back(key_name(u16_at(value, at)));
  return joined(names);
}

std::string hex(Bytes value) {
  std::string text;
  for (const std::byte byte : value) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

std::optional<std::string> value_text(std::uint16_t key, Bytes value) {
  switch (key) {
    case 0: return keys(value);
    case 1: return protocols(value);
    case 2: return value.empty() ? std::optional(std::string()) : std::nullopt;
    case 3:
      return value.size() == 2 ? std::optional(fmt::format("{}", u16_at(value, 0))) : std::nullopt;
    case 4: return addresses(value, 4);
    case 6: return addresses(value, 16);
    default: return hex(value);
  }
}

}  // namespace

std::optional<std::string> service_parameters(Bytes bytes) {
  std::vector<std::string> texts;
  int last = -1;
  while (!bytes.empty()) {
    if (bytes.size() < 4) return std::nullopt;
    const std::uint16_t key = u16_at(bytes, 0), length = u16_at(bytes, 2);
    if (key <= last || length > bytes.size() - 4) return std::nullopt;
    const auto text = value_text(key, bytes.subspan(4, length));
    if (!text) return std::nullopt;
    texts.push_back(text->empty() ? key_name(key) : key_name(key) + "=" + *text);
    last = key;
    bytes = bytes.subspan(4 + length);
  }
  return fmt::format("{}", fmt::join(texts, " "));
}

}  // namespace netsonde
