// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace netsonde {

inline constexpr std::string_view kQdiscKey = "device.qdisc";

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
    QdiscKind{.name = "tbf", .handle = kFirstQdiscHandle + 0x6'0000},
};

// What the kernel attaches by itself: it has no handle.
inline constexpr std::string_view kDefaultQdisc = "default";

constexpr std::optional<std::uint32_t> handle_of_qdisc(std::string_view name) {
  for (const QdiscKind& kind : kQdiscKinds)
    if (kind.name == name) return kind.handle;
  return std::nullopt;
}

// The one that shapes: it sends at a rate, "tbf:95Mbit", and what is more waits here and not
// where the path is slower.
inline constexpr std::string_view kShaper = "tbf:";
inline constexpr std::uint64_t kSlowestShaper = 8'000, kFastestShaper = 12'500'000'000;  // bytes/s

// In bytes per second, of "tbf:95Mbit" in one of the ways in which tc(8) takes a rate in bits;
// absent: it is none, or out of bounds.
std::optional<std::uint64_t> shaper_rate(std::string_view value);
// The only way in which it is compared and kept.
std::string shaper_value(std::uint64_t bytes_per_s);

struct ShaperQueue {
  std::uint32_t burst = 0, limit = 0;  // bytes that may go at once, that may wait
};
// 5 ms of the rate at once, 50 ms waiting, and some large packets at least.
ShaperQueue shaper_queue(std::uint64_t bytes_per_s);

}  // namespace netsonde
