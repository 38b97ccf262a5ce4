// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/base/result.h"

namespace netsonde {

// What a setting is one of: the whole host, a network namespace, and what is in a namespace.
enum class ScopeKind : std::uint8_t { Host, Namespace, Device, Route, Connection };

enum class TunableShape : std::uint8_t {
  Number,
  Range,   // the first and the last of at least kSmallestRange numbers
  Triple,  // three, none smaller than the one before
  Word,    // one of those that the kernel knows
  Words,   // several
  Mask,    // hexadecimal, with commas
  Masks    // several, one for each queue
};

// A host with fewer ports for its connections may lose its network.
inline constexpr std::int64_t kSmallestRange = 256;

// One setting of the kernel. Nothing that is not in the catalogue is ever written, nor any value
// outside of its bounds, whatever a file or an argument says.
struct Tunable {
  std::string_view key{};  // "net.core.somaxconn"
  ScopeKind scope = ScopeKind::Namespace;
  TunableShape shape = TunableShape::Number;
  std::int64_t floor = 0, ceiling = 0;  // of each number
  std::string_view words{};             // the only ones; empty: whatever the kernel knows
  std::string_view unit{};              // "bytes", "packets", "s"; empty: a plain number
  std::string_view standard{};          // the kernel's own value; empty: it depends on the host;
                                        // of masks that of each
  std::string_view meaning{};
  std::string_view risk{};  // what a change can harm
};

// "host", "netns", "device", "route", "connection".
std::string_view name_of(ScopeKind kind);
// Absent: there is no such kind.
std::optional<ScopeKind> scope_kind_of(std::string_view name);

// Sorted by key.
std::span<const Tunable> tunables();
// Null for one that is not in the catalogue.
const Tunable* find_tunable(std::string_view key);

// Whether it is a file below /proc/sys: a device's, a route's, a connection's are none.
bool is_sysctl(const Tunable& tunable);
// Whether it is the kernel's own value.
bool is_standard(const Tunable& tunable, std::string_view value);

// As values are compared and written: single spaces between numbers or words, no line's end.
std::string normal_value(std::string_view value);
// The same, and each of several masks in one form, whatever zeros and capitals it has.
std::string normal_value(const Tunable& tunable, std::string_view value);
// The numbers of a value; fails on what is none, or where their count is not that of the shape.
Result<std::vector<std::int64_t>> numbers_of(const Tunable& tunable, std::string_view value);
// Fails on what may not be written there, or does not fit into one line of a file:
// "net.core.somaxconn: 70000 is above 65535".
Result<> check_value(const Tunable& tunable, std::string_view value);

}  // namespace netsonde
