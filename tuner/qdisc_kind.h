// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace netsonde {

// A queueing discipline that may be set up, and the handle that it then has: by that we know ours.
// Each kind has its own, for the kernel makes none of one kind out of another of the same handle.
struct QdiscKind {
  std::string_view name{};
  std::uint32_t handle = 0;  // with its minor number, which is 0
};

inline constexpr std::uint32_t kFirstQdiscHandle = 0x6e73'0000;

inline constexpr std::array kQdiscKinds = {
    QdiscKind{.name = "fq", .handle = kFirstQdiscHandle},
    QdiscKind{.name = "fq_codel", .handle = kFirstQdiscHandle + 0x1'0000},
    QdiscKind{.name = "cake", .handle = kFirstQdiscHandle + 0x2'0000},
    QdiscKind{.name = "pfifo_fast", .handle = kFirstQdiscHandle + 0x3'0000},
    QdiscKind{.name = "pfifo", .handle = kFirstQdiscHandle + 0x4'0000},
    QdiscKind{.name = "sfq", .handle = kFirstQdiscHandle + 0x5'0000},
};

// What the kernel attaches by itself: it has no handle.
inline constexpr std::string_view kDefaultQdisc = "default";

constexpr std::optional<std::uint32_t> handle_of_qdisc(std::string_view name) {
  for (const QdiscKind& kind : kQdiscKinds)
    if (kind.name == name) return kind.handle;
  return std::nullopt;
}

}  // namespace netsonde
