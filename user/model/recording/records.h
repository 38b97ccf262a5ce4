// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "bpf/events.h"

namespace netsonde::recording {

// What stands in a recording beside events. As for these: append only.

struct rec_name {
  ev_header header;
  std::uint64_t number;
  std::uint8_t of;  // NameKind, whose numbers never change
  std::uint8_t pad[7];
};

// Numbers behind it are LEB128.
struct rec_host {
  ev_header header;
  std::uint64_t reading;  // counts up by one; news are of the reading before
  std::uint64_t count;    // values that follow
};

// The store but for its connections; what is not here stands in the tick.
struct rec_store {
  ev_header header;
  ev_tick tick;
  std::int64_t interval_ns;
  std::uint64_t last_pass_ns;
  std::uint64_t last_complete_ns;
  std::uint64_t vanished;
};

enum ConnectionFlags : std::uint32_t {
  kLimitKnown = 1 << 0,
  kSampled = 1 << 1,
  kBaseKnown = 1 << 2,
  kAtRest = 1 << 3,
  kActive = 1 << 4,  // in the interval before
};

struct rec_connection {
  ev_sample last;
  std::uint64_t closed_ns;
  std::uint64_t sampled_ns;
  std::uint64_t base_tx, base_rx;
  std::uint64_t base_time_ns;
  std::uint32_t base_segs_out, base_segs_in, base_retransmitted, base_sk_drops, base_drops;
  std::uint32_t base_busy_ms, base_rwnd_ms, base_sndbuf_ms;
  float tx_rate, rx_rate, retransmit_rate, drop_rate;
  float rtt_p50, rtt_p90, rtt_p99;
  std::uint32_t rtt_count;  // samples behind these; no name of a field stands twice in a record
  std::uint32_t limit;
  std::uint32_t flags;  // enum ConnectionFlags
  std::uint32_t kind;   // enum ev_kind of last, whose header tells of this record
  std::uint32_t pad3;
};

}  // namespace netsonde::recording
