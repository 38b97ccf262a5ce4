// SPDX-License-Identifier: Apache-2.0
#include "tuner/policy_rules.h"

#include <algorithm>
#include <array>

namespace netsonde::policy {

namespace {

bool always(const Finding&) {
  return true;
}

bool is_queue_of_device(const Finding& finding) {
  return has(finding, "qdisc") || has(finding, "device");
}

bool is_not_read(const Finding& finding) {
  return has(finding, "peer.receive_queue_bytes");
}

template <char Family>
bool is_of_family(const Finding& finding) {
  return finding.subject.part.ends_with(Family);
}

constexpr std::array kRules = {
    PolicyRule{.finding = "receive-window-limited",
               .key = "net.ipv4.tcp_rmem",
               .decide = receive_window,
               .also = is_not_read},
    PolicyRule{.finding = "send-buffer-limited", .key = "net.ipv4.tcp_wmem", .decide = send_buffer},
    PolicyRule{.finding = "accept-overflow",
               .key = "net.core.somaxconn",
               .decide = accept_queue,
               .also = always},
    PolicyRule{.finding = "syn-cookies", .key = "net.core.somaxconn", .decide = syn_queue},
    PolicyRule{
        .finding = "syn-cookies", .key = "net.ipv4.tcp_max_syn_backlog", .decide = syn_backlog},
    PolicyRule{.finding = "time-wait-pressure",
               .key = "net.ipv4.ip_local_port_range",
               .decide = local_ports},
    PolicyRule{
        .finding = "time-wait-pressure", .key = "net.ipv4.tcp_tw_reuse", .decide = time_wait_reuse},
    PolicyRule{.finding = "time-wait-pressure",
               .key = "net.ipv4.tcp_max_tw_buckets",
               .decide = time_wait_table},
    PolicyRule{
        .finding = "idle-reset", .key = "net.ipv4.tcp_keepalive_time", .decide = keepalive_time},
    PolicyRule{.finding = "idle-restart",
               .key = "net.ipv4.tcp_slow_start_after_idle",
               .decide = slow_start_after_idle},
    PolicyRule{
        .finding = "pmtu-black-hole", .key = "net.ipv4.tcp_mtu_probing", .decide = mtu_probing},
    PolicyRule{.finding = "window-scaling-off",
               .key = "net.ipv4.tcp_window_scaling",
               .decide = option_of_handshake},
    PolicyRule{.finding = "timestamps-off",
               .key = "net.ipv4.tcp_timestamps",
               .decide = option_of_handshake},
    PolicyRule{.key = "net.ipv4.tcp_congestion_control", .decide = congestion_control},
    PolicyRule{.finding = "bufferbloat",
               .key = "device.qdisc",
               .decide = queue_of_device,
               .also = is_queue_of_device},
    PolicyRule{
        .finding = "softnet-drops", .key = "net.core.netdev_max_backlog", .decide = input_queue},
    PolicyRule{
        .finding = "softnet-squeeze", .key = "net.core.netdev_budget", .decide = input_budget},
    PolicyRule{.finding = "softnet-squeeze",
               .key = "net.core.netdev_budget_usecs",
               .decide = input_budget},
    PolicyRule{.finding = "tcp-memory-pressure", .key = "net.ipv4.tcp_mem", .decide = tcp_memory},
    PolicyRule{
        .finding = "tcp-memory-pressure", .key = "net.ipv4.tcp_max_orphans", .decide = tcp_orphans},
    PolicyRule{.finding = "conntrack-full",
               .key = "net.netfilter.nf_conntrack_max",
               .decide = connection_tracking},
    PolicyRule{.finding = "neighbour-overflow",
               .key = "net.ipv4.neigh.default.gc_thresh3",
               .decide = neighbours},
    PolicyRule{.finding = "neighbour-overflow",
               .key = "net.ipv4.neigh.default.gc_thresh2",
               .decide = neighbours_kept,
               .also = is_of_family<'4'>},
    PolicyRule{.finding = "neighbour-overflow",
               .key = "net.ipv6.neigh.default.gc_thresh3",
               .decide = neighbours},
    PolicyRule{.finding = "neighbour-overflow",
               .key = "net.ipv6.neigh.default.gc_thresh2",
               .decide = neighbours_kept,
               .also = is_of_family<'6'>},
    PolicyRule{
        .finding = "udp-buffer-errors", .key = "net.core.rmem_default", .decide = datagram_buffer},
};

struct Reason {
  std::string_view key, why_not;
};

constexpr std::array kReasons = {
    Reason{"net.core.default_qdisc", "holds only for devices that come up later"},
    Reason{"net.core.rmem_max", "only for programs that ask for more with SO_RCVBUF"},
    Reason{"net.ipv4.tcp_base_mss",
           "where probing starts is not what keeps it from a size that "
           "passes: tcp_mtu_probing comes first"},
    Reason{"net.ipv4.tcp_early_retrans", "probing sooner does not repair what loses the segments"},
    Reason{"net.ipv4.tcp_ecn", "the path decides: something on it clears the marks"},
    Reason{"net.ipv4.tcp_fastopen",
           "the peer or a box on the path does not take data in the SYN, whatever is set here"},
    Reason{"net.ipv4.tcp_frto", "takes needless timeouts back, and does not avoid them"},
    Reason{"net.ipv4.tcp_keepalive_intvl",
           "only the time between unanswered probes: tcp_keepalive_time comes first"},
    Reason{"net.ipv4.tcp_recovery", "does not keep packets in order: the path does"},
    Reason{"net.ipv4.tcp_reordering", "the kernel adapts it itself, up to tcp_max_reordering"},
    Reason{"net.ipv4.tcp_retries2", "more patience does not make a silent peer answer"},
    Reason{"net.ipv4.tcp_rto_min_us",
           "a shorter timeout repairs no loss, and sends again what was only acknowledged late"},
    Reason{"net.ipv4.tcp_syn_retries", "more patience does not make a peer answer"},
    Reason{"net.ipv4.tcp_synack_retries", "more patience does not make a client confirm"},
};

}  // namespace

std::span<const PolicyRule> policy_rules() {
  return kRules;
}

std::string_view reason_to_leave(std::string_view key) {
  const auto found = std::ranges::find(kReasons, key, &Reason::key);
  return found != kReasons.end() ? found->why_not : "no rule says by how much";
}

}  // namespace netsonde::policy
