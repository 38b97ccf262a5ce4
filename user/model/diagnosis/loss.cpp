// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "user/model/diagnosis/group.h"
#include "user/model/diagnosis/resends.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr std::uint32_t kNoRtt = ~0U;
constexpr std::uint32_t kLeastQueueUs = 500;

bool is_spurious(const Watched& w) {
  const std::uint32_t needless = w.grew(&ev_sample::dsack_dups);
  // What probes a window that is shut is needless by design.
  return needless > 0 && 2 * needless >= resent(w) && !w.ticks_peer_shut;
}

bool is_local(const Watched& w) {
  return 2 * dropped_here(w) >= resent(w);
}

// The kernel tells what it saw of the round trip, and whether this was a loss.
bool tells(const Episode& e) {
  const bool open_timeout = e.timeout && !e.end_ns;  // whether anything comes back is not known yet
  return !e.undone && !open_timeout && e.srtt_us && e.min_rtt_us != kNoRtt &&
         e.srtt_us >= e.min_rtt_us;
}

std::uint32_t queue_of(const Episode& e) {
  return e.srtt_us - e.min_rtt_us;
}

bool rose_by_half(const Episode& e) {
  return queue_of(e) >= std::max(e.min_rtt_us / 2, kLeastQueueUs);
}

// Before a queue overflows it is full, so the round trip is far above its minimum, and by more than
// it varies anyhow. Where the loss has nothing to do with load it is as ever. A queue that fills
// makes the round trip vary too, so that less speaks for it where the rise is large.
bool rose_before(const Episode& e) {
  const std::uint64_t queue = queue_of(e), varies = e.rttvar_us;
  return queue >= std::max(e.min_rtt_us / 8, kLeastQueueUs) &&
         (queue >= 4 * varies || (rose_by_half(e) && queue >= 2 * varies));
}

struct Causes {
  std::size_t episodes = 0;
  std::size_t congestive = 0;
  std::size_t by_half = 0;  // that the round trip had grown by half before, for whatever reason

  void add(const Causes& other) {
    episodes += other.episodes;
    congestive += other.congestive;
    by_half += other.by_half;
  }
};

Causes causes_of(const Watched& w) {
  Causes causes;
  for (const Episode& e : w.episodes)
    if (tells(e)) causes.add({1, rose_before(e), rose_by_half(e)});
  return causes;
}

Causes causes_of(const Group& group) {
  Causes causes;
  for (const Watched* w : group.members()) causes.add(causes_of(*w));
  return causes;
}

// At the median episode.
bool rose_mostly(const Causes& causes) {
  return 2 * causes.by_half >= causes.episodes;
}

// Over, and not taken back as needless.
std::uint32_t timeouts_of(const Watched& w) {
  return static_cast<std::uint32_t>(std::ranges::count_if(
      w.episodes, [](const Episode& e) { return e.timeout && e.end_ns && !e.undone; }));
}

double lossy(const Watched& w, bool congestive) {
  const Causes causes = causes_of(w);
  if (!resent(w) || !causes.episodes || is_silent(w) || is_spurious(w) || is_local(w)) return 0;
  return (2 * causes.congestive >= causes.episodes) == congestive ? resent(w) : 0;
}

std::vector<Group> lossy_groups(const Observation& observation, bool congestive) {
  return grouped(observation.connections,
                 [congestive](const Watched& w) { return lossy(w, congestive); });
}

std::uint64_t median_of(const Group& group, std::uint32_t Episode::*figure) {
  std::vector<std::uint32_t> values;
  for (const Watched* w : group.members())
    for (const Episode& e : w->episodes)
      if (tells(e)) values.push_back(e.*figure);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Finding with_round_trips(const Group& group, const Causes& causes, const Observation& observation) {
  Finding finding = on_loss(group, observation, Where::Network);
  const auto add = [&](std::string_view name, std::uint64_t value, Unit unit) {
    finding.evidence.push_back(figure(name, value, unit));
  };
  add("episodes", causes.episodes, Unit::Count);
  add("episodes_with_queue", causes.congestive, Unit::Count);
  add("srtt_before_loss_us", median_of(group, &Episode::srtt_us), Unit::Microseconds);
  add("rttvar_before_loss_us", median_of(group, &Episode::rttvar_us), Unit::Microseconds);
  finding.evidence.push_back(evidence("min_rtt_us", median_of(group, &Episode::min_rtt_us)));
  return finding;
}

void doubt_episodes(Finding& finding, const Causes& causes) {
  const std::size_t other = std::min(causes.congestive, causes.episodes - causes.congestive);
  if (causes.episodes < 3)
    doubt(finding, Confidence::Low, "fewer than three episodes");
  else if (4 * other > causes.episodes)
    doubt(finding, Confidence::Medium, "episodes of both kinds");
}

}  // namespace

Findings congestive_loss(const Observation& observation) {
  Findings findings;
  for (const Group& group : lossy_groups(observation, true)) {
    const Causes causes = causes_of(group);
    Finding finding = with_round_trips(group, causes, observation);
    doubt_episodes(finding, causes);
    finding.text = fmt::format(
        "{} lost while the round trip had grown far above its "
        "minimum: a queue on the way was full.",
        counted(*finding.impact.segments, "segment"));
    finding.advice =
        "Less at once (pacing, a congestion control that keeps queues short such as "
        "bbr) or a wider bottleneck; a longer queue would only add delay.";
    finding.tunables = {"net.ipv4.tcp_congestion_control", "net.core.default_qdisc"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings random_loss(const Observation& observation) {
  Findings findings;
  for (const Group& group : lossy_groups(observation, false)) {
    const Causes causes = causes_of(group);
    Finding finding = with_round_trips(group, causes, observation);
    if (rose_mostly(causes))
      doubt(finding, Confidence::Medium,
            "the round trip had grown by half or more, but varies as much: it may be a queue");
    doubt_episodes(finding, causes);
    finding.text = fmt::format(
        "{} lost although the round trip had {}: no queue was full{}. A bad link, a policer or a "
        "very short queue looks like that.",
        counted(*finding.impact.segments, "segment"),
        rose_mostly(causes) ? "grown by no more than it varies" : "not grown",
        rose_mostly(causes) ? " as far as that tells" : "");
    finding.advice =
        "Look for errors on the links of the path. A congestion control that does not "
        "take every loss for congestion (bbr) may be worth an experiment.";
    finding.tunables = {"net.ipv4.tcp_congestion_control"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings tail_loss(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    if (is_silent(w) || is_spurious(w)) return 0;
    return w.grew(&ev_sample::retransmits_rto) ? timeouts_of(w) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_loss(group, observation, Where::Network);
    const std::uint64_t timeouts = group.sum(timeouts_of);
    finding.evidence.push_back(evidence("loss_episodes", timeouts));
    finding.evidence.push_back(
        evidence("retransmits_rto", group.grew(&ev_sample::retransmits_rto)));
    finding.evidence.push_back(
        evidence("retransmits_tlp", group.grew(&ev_sample::retransmits_tlp)));
    finding.evidence.push_back(evidence("rto_us", std::uint64_t{group.worst().last.rto_us}));
    finding.text = fmt::format(
        "{} found only by a timeout: nothing came after the lost "
        "segments that would have told, and no probe (TLP) got through.",
        counted(timeouts, "loss episode"));
    finding.advice =
        "Each costs at least the RTO. Check that SACK and tcp_early_retrans are on; a "
        "lower minimum RTO (tcp_rto_min_us, or rto_min on the route) shortens the wait.";
    finding.tunables = {"net.ipv4.tcp_early_retrans", "net.ipv4.tcp_rto_min_us"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings spurious_retransmits(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    return is_spurious(w) ? w.grew(&ev_sample::dsack_dups) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_loss(group, observation, Where::Network);
    const std::uint64_t needless = group.grew(&ev_sample::dsack_dups);
    finding.evidence.push_back(evidence("retransmits_spurious", needless));
    finding.evidence.push_back(evidence("undone_recoveries", group.grew(&ev_sample::undos)));
    finding.evidence.push_back(evidence("rttvar_us", std::uint64_t{group.worst().last.rttvar_us}));
    finding.text = fmt::format(
        "{} needless: the peer had the data already and "
        "said so (DSACK).",
        counted(needless, "retransmission"));
    finding.advice =
        "The acknowledgements were late or lost, or packets overtook each other; a "
        "sudden delay beyond the RTO does it too.";
    finding.tunables = {"net.ipv4.tcp_reordering", "net.ipv4.tcp_frto"};
    keep_on_host(finding, observation, group);
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings reordering(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return w.grew(&ev_sample::reord_seen); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_group(group, observation, Severity::Info, Where::Network);
    finding.impact.bytes = group.grew(&ev_sample::tx_bytes);
    const std::uint64_t seen = group.grew(&ev_sample::reord_seen);
    finding.evidence = {
        evidence("reordering_seen", seen),
        evidence("reordering_segments", std::uint64_t{group.worst().last.reordering}),
        evidence("retransmits_spurious", group.grew(&ev_sample::dsack_dups))};
    finding.text = fmt::format(
        "Packets overtook each other on the way: seen {} times, up to {} "
        "segments apart.",
        seen, group.worst().last.reordering);
    finding.advice =
        "Look for links that are used in parallel packet by packet (bonding, ECMP). "
        "RACK (tcp_recovery 1) copes best with it.";
    finding.tunables = {"net.ipv4.tcp_recovery", "net.ipv4.tcp_reordering"};
    keep_on_host(finding, observation, group);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
