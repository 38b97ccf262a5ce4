// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/resends.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace netsonde::rules {

namespace {

constexpr std::uint8_t kSynSent = 2;
constexpr std::uint8_t kLossState = 4;

// The packet itself was stale or not acceptable: not this host's doing, and others' rules tell why.
constexpr std::array<std::string_view, 11> kNotOurs = {
    "TCP_ABORT_ON_DATA",        "TCP_INVALID_SYN",      "NO_SOCKET",          "TCP_RFC7323_PAWS",
    "TCP_RFC7323_PAWS_ACK",     "TCP_INVALID_SEQUENCE", "TCP_OVERWINDOW",     "TCP_ZEROWINDOW",
    "TCP_INVALID_END_SEQUENCE", "TCP_TOO_OLD_ACK",      "TCP_ACK_UNSENT_DATA"};

Nanos in_recovery(const Watched& w, const Observation& observation) {
  Nanos sum{0};
  for (const Episode& e : w.episodes) {
    const Time end = e.end_ns ? time_from_ns(e.end_ns) : observation.to;
    if (end > time_from_ns(e.begin_ns)) sum += end - time_from_ns(e.begin_ns);
  }
  return sum;
}

double share_of(const Group& group) {
  const std::uint64_t sent = group.grew(&ev_sample::segs_out);
  return sent ? static_cast<double>(group.sum(resent)) / static_cast<double>(sent) : 0;
}

}  // namespace

std::uint32_t resent(const Watched& w) {
  const std::uint32_t all = w.grew(&ev_sample::retransmitted);
  const std::uint32_t syns = w.grew(&ev_sample::retransmits_syn);
  return all > syns ? all - syns : 0;
}

bool is_ours(const Observation& observation, const Dropped& drop) {
  return std::ranges::find(kNotOurs, observation.now.names().drop_reason(drop.reason)) ==
         kNotOurs.end();
}

std::uint64_t dropped_by_host(const Watched& w, const Observation& observation) {
  std::uint64_t packets = 0;
  for (const Dropped& drop : w.drops)
    if (is_ours(observation, drop)) packets += drop.packets;
  return packets;
}

bool is_silent(const Watched& w) {
  if (w.closed) return w.last.error == ETIMEDOUT && w.last.old_state != kSynSent;
  return w.last.conn.state != kSynSent && w.last.ca_state == kLossState && w.last.backoff >= 2;
}

std::uint64_t dropped_here(const Watched& w) {
  std::uint64_t segments = 0;
  for (const Resend& resend : w.resends)
    if (resend.dropped_here) segments += resend.segments;
  return segments;
}

Time first_resend(const Group& group, const Observation& observation) {
  std::uint64_t first = ~0ULL;
  for (const Watched* w : group.members())
    if (!w->resends.empty()) first = std::min(first, w->resends.front().time_ns);
  return first == ~0ULL ? group.since(observation) : time_from_ns(first);
}

Finding on_loss(const Group& group, const Observation& observation, Where where) {
  const double share = share_of(group);
  Finding finding =
      on_group(group, observation, share >= 0.01 ? Severity::Warning : Severity::Info, where);
  finding.since = first_resend(group, observation);
  finding.impact.segments = group.sum(resent);
  finding.impact.bytes = group.grew(&ev_sample::retransmitted_bytes);
  Nanos time{0};
  for (const Watched* w : group.members()) time += in_recovery(*w, observation);
  finding.impact.time = time;
  finding.evidence = {evidence("retransmitted_segments", group.sum(resent)),
                      evidence("tx_segments", group.grew(&ev_sample::segs_out)),
                      evidence("retransmit_percent", 100 * share)};
  return finding;
}

}  // namespace netsonde::rules
