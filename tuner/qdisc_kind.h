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
  bool shapes = false;       // sends at a rate, which its value names
};

inline constexpr std::uint32_t kFirstQdiscHandle = 0x6e73'0000;

inline constexpr std::array kQdiscKinds = {
    QdiscKind{.name = "fq", .handle = kFirstQdiscHandle},
    QdiscKind{.name = "fq_codel", .handle = kFirstQdiscHandle + 0x1'0000},
    QdiscKind{.name = "cake", .handle = kFirstQdiscHandle + 0x2'0000},
    QdiscKind{.name = "pfifo_fast", .handle = kFirstQdiscHandle + 0x3'0000},
    QdiscKind{.name = "pfifo", .handle = kFirstQdiscHandle + 0x4'0000},
    QdiscKind{.name = "sfq", .handle = kFirstQdiscHandle + 0x5'0000},
    QdiscKind{.name = "tbf", .handle = kFirstQdiscHandle + 0x6'0000, .shapes = true},
    QdiscKind{.name = "htb", .handle = kFirstQdiscHandle + 0x7'0000, .shapes = true},
};

// What the kernel attaches by itself: it has no handle.
inline constexpr std::string_view kDefaultQdisc = "default";

// What htb has inside, in which each flow has a queue of its own; and how it reads until that is
// there.
inline constexpr QdiscKind kInnerQdisc = {.name = "fq_codel",
                                          .handle = kFirstQdiscHandle + 0x8'0000};
inline constexpr std::string_view kUnfinishedQdisc = "htb 6e7a: unfinished";

std::optional<std::uint32_t> handle_of_qdisc(std::string_view name);

// Of one that sends at a rate, "tbf:95Mbit": what is more waits here and not where the path is
// slower.
struct Shaper {
  std::string_view kind{};  // of kQdiscKinds
  std::uint64_t bytes_per_s = 0;
};
inline constexpr std::uint64_t kSlowestShaper = 8'000, kFastestShaper = 12'500'000'000;  // bytes/s

// Whether it begins as the value of one does.
bool names_shaper(std::string_view value);
// The rate in one of the ways in which tc(8) takes it in bits; absent: it is none, or out of
// bounds.
std::optional<Shaper> shaper_in(std::string_view value);
// The only way in which it is compared and kept.
std::string to_text(const Shaper& shaper);

struct ShaperQueue {
  std::uint32_t burst = 0, limit = 0;  // bytes that may go at once, that may wait
};
// 5 ms of the rate at once, 50 ms waiting, and some large packets at least.
ShaperQueue shaper_queue(std::uint64_t bytes_per_s);

}  // namespace netsonde
