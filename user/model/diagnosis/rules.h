// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "user/model/diagnosis/finding.h"
#include "user/model/diagnosis/observation.h"

// The rules by subject; what each means stands in the table in rules.cpp.
namespace netsonde::rules {

using Findings = std::vector<Finding>;

// limits.cpp, queues.cpp: what holds senders back, and what waits
Findings application_limited(const Observation& observation);
Findings receive_window_limited(const Observation& observation);
Findings send_buffer_limited(const Observation& observation);
Findings congestion_window_limited(const Observation& observation);
Findings zero_window(const Observation& observation);
Findings slow_reader(const Observation& observation);

// loss.cpp
Findings congestive_loss(const Observation& observation);
Findings random_loss(const Observation& observation);
Findings tail_loss(const Observation& observation);
Findings spurious_retransmits(const Observation& observation);
Findings reordering(const Observation& observation);

// stall.cpp
Findings peer_silent(const Observation& observation);
Findings pmtu_black_hole(const Observation& observation);

// drops.cpp
Findings local_drop(const Observation& observation);

// latency.cpp
Findings bufferbloat(const Observation& observation);
Findings delayed_ack(const Observation& observation);
Findings idle_restart(const Observation& observation);
Findings slow_start(const Observation& observation);

// handshake.cpp
Findings syn_retransmits(const Observation& observation);
Findings slow_connect(const Observation& observation);
Findings connect_refused(const Observation& observation);
Findings connect_timeout(const Observation& observation);
// listeners.cpp
Findings synack_retransmits(const Observation& observation);
Findings accept_overflow(const Observation& observation);
Findings reuseport_imbalance(const Observation& observation);

// reuse.cpp
Findings connection_churn(const Observation& observation);
Findings idle_reset(const Observation& observation);

// options.cpp: what the handshake negotiated
Findings window_scaling_off(const Observation& observation);
Findings timestamps_off(const Observation& observation);
Findings mss_clamped(const Observation& observation);
Findings ecn_bleached(const Observation& observation);

// host.cpp, host_cpus.cpp, host_limits.cpp: these need the host's counters
Findings softnet_drops(const Observation& observation);
Findings softnet_squeeze(const Observation& observation);
Findings device_errors(const Observation& observation);
Findings qdisc_drops(const Observation& observation);
Findings irq_imbalance(const Observation& observation);
Findings softirq_hot_cpu(const Observation& observation);
Findings offloads_off(const Observation& observation);
Findings syn_cookies(const Observation& observation);
Findings time_wait_pressure(const Observation& observation);
Findings tcp_memory_pressure(const Observation& observation);
Findings conntrack_full(const Observation& observation);
Findings neighbour_overflow(const Observation& observation);
Findings udp_buffer_errors(const Observation& observation);
Findings checksum_errors(const Observation& observation);
Findings fastopen_fallback(const Observation& observation);

}  // namespace netsonde::rules
