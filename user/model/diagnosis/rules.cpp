// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/rules.h"

#include <array>

#include "user/model/diagnosis/diagnosis.h"

namespace netsonde {

namespace {

// In the order of the manual.
constexpr std::array kRules = {
    Rule{.id = "application-limited",
         .help = "For most of the time neither window nor buffer held a sender back that moved an "
                 "initial window or more: its application had no more to send.",
         .check = rules::application_limited},
    Rule{.id = "receive-window-limited",
         .help =
             "The receiver's window held a sender back for at least a tenth of its sending time "
             "and 100 ms (the kernel's own count, and that of the looks where these found it so "
             "for most of it), or the window that our own receive buffer allows is used up in "
             "every round trip: a buffer fixed by its application, or one within a tenth of the "
             "maximum of tcp_rmem in the network namespace that the host's counters are of.",
         .check = rules::receive_window_limited},
    Rule{.id = "send-buffer-limited",
         .help = "The send buffer held a sender back, as above.",
         .check = rules::send_buffer_limited},
    Rule{.id = "congestion-window-limited",
         .help = "The congestion window set the pace for most of the sending time.",
         .check = rules::congestion_window_limited},
    Rule{.id = "congestive-loss",
         .help = "Segments were lost, and in at least half of the loss episodes the smoothed round "
                 "trip was above its minimum by at least an eighth and 0.5 ms, and by four times "
                 "its variation, or by half and twice its variation: a queue was full.",
         .check = rules::congestive_loss},
    Rule{.id = "random-loss",
         .help = "Segments were lost, and in most episodes the round trip had not grown, or by no "
                 "more than it varies.",
         .check = rules::random_loss},
    Rule{.id = "tail-loss",
         .help = "Only a retransmission timeout found a loss, and then it was repaired.",
         .check = rules::tail_loss},
    Rule{.id = "spurious-retransmits",
         .help = "At least half of what was retransmitted had arrived already, as the peer reports "
                 "(DSACK).",
         .check = rules::spurious_retransmits},
    Rule{.id = "reordering",
         .help = "The kernel saw segments overtake each other.",
         .check = rules::reordering},
    Rule{.id = "peer-silent",
         .help = "Sent again after at least two timeouts in a row without any acknowledgement, or "
                 "given up for that.",
         .check = rules::peer_silent},
    Rule{.id = "pmtu-black-hole",
         .help =
             "The same full segment is sent again and again in vain, none of that size was ever "
             "delivered, and smaller ones were.",
         .check = rules::pmtu_black_hole},
    Rule{.id = "local-drop",
         .help =
             "This host dropped packets of the connection, and where; retransmissions of what it "
             "dropped are joined by sequence number.",
         .check = rules::local_drop},
    Rule{.id = "bufferbloat",
         .help =
             "While a sender was busy, the round trip was never less than 5 ms and half above its "
             "minimum: a queue that stands.",
         .check = rules::bufferbloat},
    Rule{.id = "delayed-ack",
         .help =
             "A quarter of the round trips of a connection with small messages took 36 to 60 ms on "
             "a path that needs less than 10 ms: delayed acknowledgements.",
         .check = rules::delayed_ack},
    Rule{.id = "idle-restart",
         .help = "The congestion window shrank over a pause longer than the RTO without any loss.",
         .check = rules::idle_restart},
    Rule{.id = "slow-start",
         .help = "Several connections were over within twenty round trips and without a loss, "
                 "while the window that they began with had to grow for what they sent.",
         .check = rules::slow_start},
    Rule{.id = "zero-window",
         .help = "At a look the peer's window was shut with data waiting, or our own was with data "
                 "unread.",
         .check = rules::zero_window},
    Rule{.id = "slow-reader",
         .help = "Data that arrived waited 50 ms or more for the application to read it (mean, by "
                 "Little's law: what waits over what arrives).",
         .check = rules::slow_reader},
    Rule{.id = "window-scaling-off",
         .help = "A connection that moved 64 KiB or more had not agreed on window scaling.",
         .check = rules::window_scaling_off},
    Rule{.id = "timestamps-off",
         .help = "A connection that moved 64 KiB or more had not agreed on timestamps.",
         .check = rules::timestamps_off},
    Rule{.id = "mss-clamped",
         .help = "Segments are smaller than the own link would take.",
         .check = rules::mss_clamped},
    Rule{.id = "ecn-bleached",
         .help = "ECN was agreed on, but no data segment came with its mark.",
         .check = rules::ecn_bleached},
    Rule{.id = "slow-connect",
         .help = "A handshake took three times the path's round trip and 100 ms.",
         .check = rules::slow_connect},
    Rule{.id = "connect-refused",
         .help = "Attempts to connect were refused.",
         .check = rules::connect_refused},
    Rule{.id = "connect-timeout",
         .help = "Attempts to connect failed without an answer, or without a route.",
         .check = rules::connect_timeout},
    Rule{.id = "syn-retransmits",
         .help = "Requests to connect had to be sent again and were then answered, or still wait.",
         .check = rules::syn_retransmits},
    Rule{.id = "synack-retransmits",
         .help = "A listener had to send its answers (SYN-ACK) again.",
         .check = rules::synack_retransmits},
    Rule{.id = "accept-overflow",
         .help = "A listener dropped attempts to connect because its accept queue was full.",
         .check = rules::accept_overflow},
    Rule{.id = "reuseport-imbalance",
         .help =
             "Processes that share a port got uneven shares of the new connections, beyond what "
             "chance does once in a thousand times, the busiest at least twice the least.",
         .check = rules::reuseport_imbalance},
    Rule{.id = "connection-churn",
         .help =
             "A process opened ten or more short connections to one place, at least one a second.",
         .check = rules::connection_churn},
    Rule{.id = "idle-reset",
         .help =
             "The first data after a pause of ten seconds or more was answered by a reset or not "
             "at all, and that was the end.",
         .check = rules::idle_reset},
    Rule{.id = "softnet-drops",
         .help = "A CPU dropped packets before the network stack saw them: its queue was full "
                 "(softnet_stat).",
         .check = rules::softnet_drops,
         .needs_host = true},
    Rule{.id = "softnet-squeeze",
         .help = "A CPU had more packets to process than its budget let it (softnet_stat).",
         .check = rules::softnet_squeeze,
         .needs_host = true},
    Rule{.id = "device-errors",
         .help = "A network device counts errors, overruns, or changes of its carrier.",
         .check = rules::device_errors,
         .needs_host = true},
    Rule{.id = "qdisc-drops",
         .help = "A queueing discipline of this host dropped packets.",
         .check = rules::qdisc_drops,
         .needs_host = true},
    Rule{.id = "irq-imbalance",
         .help = "Two thirds of the interrupts of a device, at least a thousand a second, go to "
                 "one CPU, and that one drops or defers packets.",
         .check = rules::irq_imbalance,
         .needs_host = true,
         .needs = "queues.rx"},  // as /sys, which knows whose the interrupts are
    Rule{.id = "softirq-hot-cpu",
         .help = "A CPU spends more than four fifths of its time in interrupts and softirqs, with "
                 "at least a thousand packets a second, and the others on average less than half "
                 "as much.",
         .check = rules::softirq_hot_cpu,
         .needs_host = true},
    Rule{.id = "offloads-off",
         .help =
             "An offload that a device could change is off while it moves at least 10 MB a second.",
         .check = rules::offloads_off,
         .needs_host = true},
    Rule{.id = "syn-cookies",
         .help = "The queue of half-open connections was full: requests were answered with cookies "
                 "or dropped.",
         .check = rules::syn_cookies,
         .needs_host = true},
    Rule{.id = "time-wait-pressure",
         .help = "As many connections are in TIME_WAIT as nine tenths of their limit, or of the "
                 "local ports towards one address and port.",
         .check = rules::time_wait_pressure,
         .needs_host = true},
    Rule{.id = "tcp-memory-pressure",
         .help = "TCP buffers reached the pressure mark of tcp_mem, or nine tenths of the orphans "
                 "allowed exist.",
         .check = rules::tcp_memory_pressure,
         .needs_host = true},
    Rule{.id = "conntrack-full",
         .help = "The connection tracking table is nine tenths full or had no room.",
         .check = rules::conntrack_full,
         .needs_host = true},
    Rule{.id = "neighbour-overflow",
         .help = "A neighbour table is nine tenths full or had no room.",
         .check = rules::neighbour_overflow,
         .needs_host = true},
    Rule{.id = "udp-buffer-errors",
         .help = "UDP datagrams were dropped because a buffer was full.",
         .check = rules::udp_buffer_errors,
         .needs_host = true},
    Rule{.id = "checksum-errors",
         .help = "Packets arrived with a wrong checksum.",
         .check = rules::checksum_errors,
         .needs_host = true},
    Rule{.id = "fastopen-fallback",
         .help = "Data in a SYN (TCP Fast Open) was not taken.",
         .check = rules::fastopen_fallback,
         .needs_host = true},
};

}  // namespace

std::span<const Rule> all_rules() {
  return kRules;
}

}  // namespace netsonde
