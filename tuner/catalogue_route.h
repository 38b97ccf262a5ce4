// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "tuner/tunable.h"

namespace netsonde {

// Of a route of the main table. New connections take them up; 0 and "default": it says nothing.
inline constexpr auto kRouteTunables = std::to_array<Tunable>({
    {.key = "route.congestion_control",
     .scope = ScopeKind::Route,
     .shape = TunableShape::Word,
     .standard = "default",
     .meaning = "congestion control of new connections to there",
     .risk = "may take more than its share from other connections"},
    {.key = "route.initcwnd",
     .scope = ScopeKind::Route,
     .ceiling = 1000,
     .unit = "packets",
     .standard = "0",
     .meaning = "packets that a new connection sends before the first answer",
     .risk = "losses right at the start where the path has no room for them"},
    {.key = "route.initrwnd",
     .scope = ScopeKind::Route,
     .ceiling = 1000,
     .unit = "packets",
     .standard = "0",
     .meaning = "packets that a peer may send before the first answer",
     .risk = "memory of each new connection"},
    {.key = "route.quickack",
     .scope = ScopeKind::Route,
     .ceiling = 1,
     .standard = "0",
     .meaning = "1: every segment is acknowledged at once",
     .risk = "more packets that carry nothing but an ACK"},
    {.key = "route.rto_min",
     .scope = ScopeKind::Route,
     .ceiling = 60'000,
     .unit = "ms",
     .standard = "0",
     .meaning = "shortest time before a retransmission",
     .risk = "retransmissions of what was only late, where ACKs are delayed for longer"},
});

}  // namespace netsonde
