// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <variant>

#include "bpf/events.h"
#include "user/base/result.h"
#include "user/base/units.h"

namespace netsonde {

// Something that happened, or the counters of one socket, at one time: exactly the bytes of
// bpf/events.h.
using Event =
    std::variant<ev_open, ev_sample, ev_retransmit, ev_reset, ev_drop, ev_congestion_state, ev_rtt,
                 ev_histogram, ev_tick, ev_drop_count, ev_listen_overflow>;

// Checks lengths before it looks at anything. Fails on a short, cut or unknown event.
Result<Event> decode(std::span<const std::byte> bytes);
// The bytes of an event, for history and recordings. Valid as long as the event.
std::span<const std::byte> encode(const Event& event);

const ev_header& header_of(const Event& event);
Time time_of(const Event& event);
// Whose event it is; nullptr for those that belong to the host.
const ev_conn* connection_of(const Event& event);
// The socket cookie it belongs to; 0 for those of the host or without a known socket.
std::uint64_t cookie_of(const Event& event);

// "connect", "close", "retransmit", ...: the contract's name of the event.
std::string_view name_of(ev_kind kind);

std::string_view state_name(std::uint8_t tcp_state);  // "ESTABLISHED", ...
inline constexpr std::uint8_t kCongestionStates = 5;
std::string_view congestion_state_name(std::uint8_t state);  // "open", "recovery", ...
std::string_view retransmit_name(std::uint8_t kind);  // "rto", "fast", "tlp", "syn", "synack"
// How a connection ended: "fin", "reset_sent", "reset_received", "timeout", "refused",
// "unreachable".
std::string_view end_name(const ev_sample& close);

}  // namespace netsonde
