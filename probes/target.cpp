// SPDX-License-Identifier: Apache-2.0
#include "probes/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongest = 16384;

constexpr std::size_t kLongestLabel = 63, kLongestName = 253;  // RFC 1035 2.3.4, as text

struct SchemeRow {
  std::string_view name;
  Scheme scheme;
  std::uint16_t port;  // 0: there is none to assume
};

constexpr std::array kSchemes = {
    SchemeRow{.name = "http", .scheme = Scheme::Http, .port = 80},
    SchemeRow{.name = "https", .scheme = Scheme::Https, .port = 443},
    SchemeRow{.name = "h3", .scheme = Scheme::Http3, .port = 443},
    SchemeRow{.name = "ws", .scheme = Scheme::Ws, .port = 80},
    SchemeRow{.name = "wss", .scheme = Scheme::Wss, .port = 443},
    SchemeRow{.name = "tcp", .scheme = Scheme::Tcp, .port = 0},
    SchemeRow{.name = "dns", .scheme = Scheme::Dns, .port = 53},
    SchemeRow{.name = "icmp", .scheme = Scheme::Icmp, .port = 0},
};

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

Error no_target(std::string_view text, std::string_view why) {
  return Error(
      fmt::format("'{}' is no target: {}; one looks like https://example.test/path, "
                  "tcp://host:port, dns://resolver/name?type=AAAA or icmp://host",
                  printable(text), why));
}

// The parts of a target, as they stand in it.
struct Parts {
  std::string_view scheme = "https";
  std::string_view authority;
  std::string_view path;  // with the query, without the fragment
};

// "https://a/b?u=x://y" has one scheme, "a/b?u=x://y" none.
Parts split(std::string_view text) {
  Parts parts;
  const std::size_t mark = text.find("://");
  if (mark != std::string_view::npos && text.find_first_of("/?#") == mark + 1) {
    parts.scheme = text.substr(0, mark);
    text.remove_prefix(mark + 3);
  }
  text = text.substr(0, text.find('#'));
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  parts.authority = text.substr(0, end);
  parts.path = text.substr(end);
  return parts;
}

// Not what the credentials are: messages end up in logs.
Error with_credentials(std::string_view text, std::string_view authority) {
  const auto begin = static_cast<std::size_t>(authority.data() - text.data());
  const std::size_t end = begin + authority.rfind('@');
  return no_target(fmt::format("{}...{}", text.substr(0, begin), text.substr(end)),
                   "credentials are not taken");
}

Result<> check_name(std::string_view name, std::string_view others = "") {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.size() > kLongestName)
    return Error(fmt::format("the name is longer than {} characters", kLongestName));
  while (true) {
    const std::string_view label = name.substr(0, name.find('.'));
    if (label.empty()) return Error("the name has an empty label");
    if (label.size() > kLongestLabel)
      return Error(fmt::format("a label is longer than {} characters", kLongestLabel));
    for (const char c : label)
      if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' &&
          others.find(c) == std::string_view::npos)
        return Error(static_cast<unsigned char>(c) < 0x80 ? fmt::format("no name has a '{}'", c)
                                                          : "names are given in ASCII (xn--...)");
    if (label.size() == name.size()) return {};
    name.remove_prefix(label.size() + 1);
  }
}

// A name, or an address in its usual form.
Result<std::string> host_of(std::string_view text) {
  if (text.empty()) return Error("there is no host");
  if (text.front() == '[') {
    const std::string_view inside = text.substr(1, text.size() - 2);
    const auto address = parse_address(inside);
    if (!address || inside.find(':') == std::string_view::npos)
      return Error(fmt::format("{} is no IPv6 address", printable(text)));
    return to_text(*address);
  }
  TRY(check_name(text));
  const std::string_view last = text.substr(text.rfind('.') + 1);
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (!last.empty() && std::ranges::all_of(last, is_digit) && !parse_address(text))
    return Error(fmt::format("{} is neither a name nor an IPv4 address", printable(text)));
  return lower_case(text);
}

Result<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end || port == 0)
    return Error(fmt::format("'{}' is no port (1 to 65535)", printable(text)));
  return port;
}

Result<> take_authority(std::string_view authority, std::uint16_t assumed_port, Target& target) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return Error("the ']' of an address is missing");
  const std::size_t colon = authority.find(':', bracket);
  if (bracket == 0 && parse_address(authority) && colon != std::string_view::npos)
    return Error("an IPv6 address stands in brackets");
  const std::string_view host = authority.substr(0, colon);
  if (bracket != 0 && host.size() != bracket + 1) return Error("after ']' comes only a port");
  target.host = TRY(host_of(host));
  target.port = assumed_port;
  if (colon == std::string_view::npos) return {};
  if (target.scheme == Scheme::Icmp) return Error("icmp has no port");
  target.port = TRY(port_of(authority.substr(colon + 1)));
  return {};
}

// "/name?type=AAAA"
Result<> take_dns_question(std::string_view path, Target& target) {
  const std::size_t mark = path.find('?');
  const std::string_view name = path.substr(0, mark);
  if (name.size() < 2) return Error("the name to ask for is missing");
  if (name != "/.") TRY(check_name(name.substr(1), "*"));
  target.dns_name = lower_case(name.substr(1));
  if (mark == std::string_view::npos) return {};
  const std::string_view query = path.substr(mark + 1);
  if (!query.starts_with("type="))
    return Error(fmt::format("'{}' is not type=TYPE", printable(query)));
  const auto type = parse_dns_type(query.substr(5));
  if (!type) return Error(fmt::format("'{}' is no record type", printable(query.substr(5))));
  target.dns_type = *type;
  return {};
}

Result<> take_path(std::string_view path, Target& target) {
  switch (target.scheme) {
    case Scheme::Dns: return take_dns_question(path, target);
    case Scheme::Tcp:
    case Scheme::Icmp:
      if (!path.empty() && path != "/")
        return Error(fmt::format("{} has no path", name_of(target.scheme)));
      return {};
    default: break;
  }
  target.path = fmt::format("{}{}", path.starts_with('/') ? "" : "/", path);
  return {};
}

Result<Target> take_parts(const Parts& parts) {
  const std::string name = lower_case(parts.scheme);
  const auto* row = std::ranges::find(kSchemes, name, &SchemeRow::name);
  if (row == kSchemes.end()) {
    std::string known;
    for (const SchemeRow& scheme : kSchemes)
      known += fmt::format("{}{}", known.empty() ? "" : ", ", scheme.name);
    return Error(fmt::format("its scheme is none of {}", known));
  }
  Target target;
  target.scheme = row->scheme;
  TRY(take_authority(parts.authority, row->port, target));
  if (target.scheme == Scheme::Tcp && target.port == 0) return Error("the port is missing");
  TRY(take_path(parts.path, target));
  return target;
}

}  // namespace

std::string_view name_of(Scheme scheme) {
  return std::ranges::find(kSchemes, scheme, &SchemeRow::scheme)->name;
}

Result<Target> Target::parse(std::string_view text) {
  if (text.size() > kLongest)
    return Error(fmt::format("a target of {} bytes; at most {} are taken", text.size(), kLongest));
  const Parts parts = split(text);
  if (parts.authority.find('@') != std::string_view::npos)
    return with_credentials(text, parts.authority);
  if (text.find(' ') != std::string_view::npos || printable(text) != text)
    return no_target(text, "it has spaces or control characters");
  auto target = take_parts(parts);
  if (!target) return no_target(text, target.error().message());
  target.value().text = text;
  return target;
}

std::string Target::authority() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  const std::string bare = ipv6 ? fmt::format("[{}]", host) : host;
  return port == 0 ? bare : fmt::format("{}:{}", bare, port);
}

}  // namespace netsonde
