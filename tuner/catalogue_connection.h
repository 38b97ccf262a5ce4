// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "tuner/tunable.h"

namespace netsonde {

inline constexpr std::string_view kConnectionCongestion = "connection.congestion_control";
inline constexpr std::string_view kConnectionPacing = "connection.max_pacing_rate";
inline constexpr std::string_view kConnectionClamp = "connection.window_clamp";

// No limit, as a program reads it in 32 bits; the kernel has ~0UL.
inline constexpr std::uint64_t kUnlimitedPacing = 0xffff'ffff;

// Live connections, one by one: "netsonde tune connection".
inline constexpr auto kConnectionTunables = std::to_array<Tunable>({
    {.key = kConnectionCongestion,
     .scope = ScopeKind::Connection,
     .shape = TunableShape::Word,
     .meaning = "how one connection finds out how fast it may send",
     .risk =
         "what it has learnt of its path starts anew, undone too; pacing that bbr began stays on"},
    // A segment that was sent at such a rate holds the next one back, whatever is set meanwhile:
    // the floor keeps that within a second at an MSS of the Internet.
    {.key = kConnectionPacing,
     .scope = ScopeKind::Connection,
     .floor = 10'000,
     .ceiling = kUnlimitedPacing,
     .unit = "bytes/s",
     .standard = "4294967295",
     .meaning = "the most that one connection sends; 4294967295 is no limit",
     .risk = "holds the sender back; undone, pacing itself stays on, which costs a timer"},
    // The kernel takes no less than half of the smallest receive buffer. Where it sizes that itself
    // it sets the clamp too, which then counts as somebody else's change.
    {.key = kConnectionClamp,
     .scope = ScopeKind::Connection,
     .floor = 2304,
     .ceiling = INT32_MAX,
     .unit = "bytes",
     .meaning = "the largest receive window that one connection advertises",
     .risk =
         "undone, the window grows again only with traffic; the kernel may change it meanwhile"},
});

}  // namespace netsonde
