// SPDX-License-Identifier: Apache-2.0
#include "tuner/scope_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "user/base/prefix.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

constexpr std::size_t kLongestDevice = 15;  // IFNAMSIZ, without the zero behind it
constexpr std::size_t kLongest = 64;

bool is_inode(std::string_view name) {
  return !name.empty() && name[0] != '0' &&
         std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

// Of a socket: decimal, as the kernel counts them.
bool is_cookie(std::string_view name) {
  std::uint64_t cookie = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), cookie);
  return error == std::errc() && cookie != 0 && fmt::to_string(cookie) == name;
}

bool is_device(std::string_view name) {
  return !name.empty() && name.size() <= kLongestDevice && name != "." && name != ".." &&
         std::ranges::all_of(name,
                             [](char c) { return c > ' ' && c <= '~' && c != '/' && c != ':'; });
}

bool is_route(std::string_view name) {
  const auto prefix = parse_prefix(name);
  return prefix && to_text(*prefix) == name;
}

bool is_name(ScopeKind kind, std::string_view name) {
  switch (kind) {
    case ScopeKind::Host: return name.empty();
    case ScopeKind::Namespace: return is_inode(name);
    case ScopeKind::Device: return is_device(name);
    case ScopeKind::Route: return is_route(name);
    case ScopeKind::Connection: return is_cookie(name);
  }
  return false;
}

}  // namespace

Result<> check_scope_name(ScopeKind kind, std::string_view name) {
  if (kind == ScopeKind::Host && !name.empty()) return Error("a scope of the host has no name");
  if (name.size() <= kLongest && is_name(kind, name)) return {};
  return Error(fmt::format("'{}' is no {}", printable(name),
                           kind == ScopeKind::Namespace ? "namespace" : name_of(kind)));
}

}  // namespace netsonde
