// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "user/model/diagnosis/group.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr std::uint64_t kLargestUnscaled = 65'535;
constexpr std::uint32_t kLeastSegments = 10;
constexpr std::uint32_t kLargestSegment = 9216;  // of jumbo frames

std::uint64_t moved(const Watched& w) {
  return w.grew(&ev_sample::tx_bytes) + w.grew(&ev_sample::rx_bytes);
}

// What connections that moved more than a window without the option, and how much.
double without(const Watched& w, ev_option_flags option) {
  const bool established = w.last.established_ns || w.last.srtt_us;
  if (!established || w.last.options & option || moved(w) <= kLargestUnscaled) return 0;
  return static_cast<double>(moved(w));
}

Finding on_option(const Group& group, const Observation& observation, Where where) {
  Finding finding = on_group(group, observation, Severity::Info, where);
  finding.impact.bytes = group.sum(moved);
  return finding;
}

// The advertised MSS is what this end's link can take, less the options of every segment as in the
// MSS in use; what the peer takes or the path carries is in the latter alone.
// On loopback the kernel halves it for the window's sake.
std::uint32_t clamped_by(const ev_sample& s) {
  if (s.advmss > kLargestSegment) return 0;
  return s.advmss > s.mss ? s.advmss - s.mss : 0;
}

}  // namespace

Findings window_scaling_off(const Observation& observation) {
  const auto weight = [](const Watched& w) { return without(w, EV_OPT_WINDOW_SCALE); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const ev_sample& s = group.worst().last;
    Finding finding = on_option(group, observation, Where::Peer);
    if (group.grew(&ev_sample::rwnd_limited_ms)) finding.severity = Severity::Warning;
    finding.evidence = {
        evidence("send_window_bytes", std::uint64_t{s.snd_wnd}),
        evidence("receive_window_bytes", std::uint64_t{s.rcv_wnd}),
        evidence("srtt_us", std::uint64_t{s.srtt_us}),
        evidence("receive_window_limited_ms", group.grew(&ev_sample::rwnd_limited_ms))};
    finding.text = fmt::format(
        "Window scaling was not agreed on: at most 64KiB can be on their way, "
        "which on this path of {} is {}B/s.",
        duration_text(s.srtt_us),
        s.srtt_us ? short_bytes(static_cast<double>(kLargestUnscaled) * 1e6 / s.srtt_us) : "-");
    finding.advice =
        "Check tcp_window_scaling on both ends, and whether a middlebox strips options.";
    finding.tunables = {"net.ipv4.tcp_window_scaling"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings timestamps_off(const Observation& observation) {
  const auto weight = [](const Watched& w) { return without(w, EV_OPT_TIMESTAMPS); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_option(group, observation, Where::Peer);
    finding.evidence = {evidence("rtt_samples", std::uint64_t{group.worst().last.rtt_samples}),
                        evidence("tx_bytes", group.grew(&ev_sample::tx_bytes))};
    finding.text =
        "Timestamps were not agreed on: round trips are measured less often, needless "
        "timeouts are not taken back, and sequence numbers may wrap unnoticed at high rates.";
    finding.advice = "Check tcp_timestamps on both ends, and whether a middlebox strips options.";
    finding.tunables = {"net.ipv4.tcp_timestamps"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings mss_clamped(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool known = w.last.established_ns || w.last.srtt_us;
    return known && moved(w) > kLargestUnscaled ? clamped_by(w.last) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const ev_sample& s = group.worst().last;
    Finding finding = on_option(group, observation, Where::Network);
    finding.evidence = {evidence("mss_bytes", std::uint64_t{s.mss}),
                        figure("advertised_mss_bytes", std::uint64_t{s.advmss}, Unit::Bytes)};
    finding.text = fmt::format(
        "Segments carry {} bytes although the own link would take {}: the peer, a "
        "tunnel or a router on the way wants them smaller.",
        s.mss, s.advmss);
    finding.advice =
        "Usual with a VPN or PPPoE. Where it is not expected, compare the MTU along the "
        "path (tracepath).";
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings ecn_bleached(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool agreed = w.last.options & EV_OPT_ECN, seen = w.last.options & EV_OPT_ECN_SEEN;
    return agreed && !seen && w.last.data_segs_in >= kLeastSegments ? w.last.data_segs_in : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_option(group, observation, Where::Network);
    finding.evidence = {evidence("rx_data_segments",
                                 group.sum([](const Watched& w) { return w.last.data_segs_in; })),
                        words("ecn", "agreed, never seen")};
    finding.text = fmt::format(
        "ECN was agreed on, but none of {} data segments came with its mark: "
        "something on the way clears it.",
        group.sum([](const Watched& w) { return w.last.data_segs_in; }));
    finding.advice =
        "Congestion on this path can only show as loss. Look for a router that rewrites "
        "the whole TOS byte.";
    finding.tunables = {"net.ipv4.tcp_ecn"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
