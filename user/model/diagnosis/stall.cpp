// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "user/model/diagnosis/resends.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

// A full segment is sent again and again, and none ever got through, but small ones did.
bool is_black_hole(const Watched& w) {
  const ev_sample& s = w.last;
  if (!is_silent(w) || !s.delivered || s.tx_bytes / s.delivered >= s.mss / 2) return false;
  std::map<std::uint32_t, std::uint32_t> times;
  for (const Resend& resend : w.resends)
    if (resend.kind == EV_RETRANSMIT_RTO && 10 * resend.bytes >= 9U * s.mss)
      ++times[resend.sequence];
  return std::ranges::any_of(times, [](const auto& entry) { return entry.second >= 2; });
}

// Heard since the stall began.
bool is_heard(const Watched& w) {
  if (w.resends.empty()) return false;
  const std::uint64_t heard_ns =
      w.last.header.time_ns - std::uint64_t{w.last.last_received_ms} * 1'000'000;
  return heard_ns > w.resends.front().time_ns;
}

std::uint64_t silent_ms(const Watched& w, const Observation& observation) {
  const std::int64_t rest = w.closed ? 0
                                     : (observation.to - time_from_ns(w.last.header.time_ns)) /
                                           std::chrono::milliseconds(1);
  return w.last.last_ack_ms + static_cast<std::uint64_t>(std::max<std::int64_t>(rest, 0));
}

Finding on_stall(const Group& group, const Observation& observation, Where where) {
  Finding finding = on_loss(group, observation, where);
  finding.severity = Severity::Critical;
  const std::uint64_t silent =
      group.sum([&](const Watched& w) { return silent_ms(w, observation); });
  finding.impact.time = std::chrono::milliseconds(silent);
  finding.impact.bytes = group.sum([](const Watched& w) { return w.last.send_queue; });
  finding.evidence.push_back(
      figure("last_ack_ms", silent_ms(group.worst(), observation), Unit::Milliseconds));
  finding.evidence.push_back(
      figure("backoff", std::uint64_t{group.worst().last.backoff}, Unit::Count));
  finding.evidence.push_back(evidence("send_queue_bytes", *finding.impact.bytes));
  return finding;
}

}  // namespace

Findings peer_silent(const Observation& observation) {
  const auto weight = [&](const Watched& w) -> double {
    return is_silent(w) && !is_black_hole(w) ? static_cast<double>(1 + silent_ms(w, observation))
                                             : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_stall(group, observation, Where::Peer);
    finding.text = fmt::format(
        "The peer has stopped to answer: what {} sent has not been "
        "acknowledged for {}, and sending it again did not help.",
        these(group), duration_text(1000 * silent_ms(group.worst(), observation)));
    finding.advice =
        "The peer or the path to it is down, or something on the way forgot the "
        "connection. How long to go on trying: tcp_retries2 or TCP_USER_TIMEOUT.";
    finding.tunables = {"net.ipv4.tcp_retries2"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings pmtu_black_hole(const Observation& observation) {
  const auto weight = [&](const Watched& w) -> double {
    return is_black_hole(w) ? static_cast<double>(1 + silent_ms(w, observation)) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_stall(group, observation, Where::Network);
    finding.evidence.push_back(evidence("mss_bytes", std::uint64_t{group.worst().last.mss}));
    finding.evidence.push_back(
        evidence("delivered_segments", std::uint64_t{group.worst().last.delivered}));
    finding.text = fmt::format(
        "Full segments of {} bytes vanish while small ones arrived: something "
        "on the way carries smaller packets only and does not say so.",
        group.worst().last.mss);
    finding.advice =
        "Let ICMP \"fragmentation needed\" through, clamp the MSS where the link gets "
        "narrower, or set tcp_mtu_probing to 1.";
    finding.tunables = {"net.ipv4.tcp_mtu_probing", "net.ipv4.tcp_base_mss"};
    if (!is_heard(group.worst()))
      doubt(finding, Confidence::Low,
            "nothing at all was heard from the peer since: it may be down");
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
