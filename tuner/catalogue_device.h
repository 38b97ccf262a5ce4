// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "tuner/tunable.h"

namespace netsonde {

// Of a network device. The kinds of qdisc_kind.h are the words of device.qdisc.
inline constexpr auto kDeviceTunables = std::to_array<Tunable>({
    {.key = "device.qdisc",
     .scope = ScopeKind::Device,
     .shape = TunableShape::Word,
     .words = "default fq fq_codel cake pfifo_fast pfifo sfq tbf:RATE htb:RATE",
     .standard = "default",
     .meaning = "queueing discipline at the root; tbf:95Mbit and htb:95Mbit (fair) send no faster",
     .risk = "drops what waits; takes the place of one discipline per hardware queue"},
    {.key = "device.rps_cpus",
     .scope = ScopeKind::Device,
     .shape = TunableShape::Masks,
     .standard = "0",
     .meaning = "processors that share the work of a receive queue, one mask per queue",
     .risk = "processors that wake each other up; packets in another order for a moment"},
    {.key = "device.threaded_napi",
     .scope = ScopeKind::Device,
     .ceiling = 1,
     .standard = "0",
     .meaning = "1: threads poll the device, which the scheduler moves, not softirqs",
     .risk = "latency while other threads have the processor"},
    {.key = "device.txqueuelen",
     .scope = ScopeKind::Device,
     .floor = 1,
     .ceiling = 1'000'000,
     .unit = "packets",
     .standard = "1000",
     .meaning = "packets that a discipline without a limit of its own lets wait",
     .risk = "more waiting in a longer queue, drops in a shorter one"},
    {.key = "device.xps_cpus",
     .scope = ScopeKind::Device,
     .shape = TunableShape::Masks,
     .standard = "0",
     .meaning = "processors whose packets take a transmit queue, one mask per queue",
     .risk = "a queue that all processors share"},
});

}  // namespace netsonde
