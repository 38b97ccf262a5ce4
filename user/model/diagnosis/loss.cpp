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

// Before a queue overflows it is full, so the round trip is far above its minimum, and by more than
// it varies anyhow. Where the loss has nothing to do with load it is as ever.
bool rose_before(const Episode& e) {
  const std::uint32_t queue = e.srtt_us - e.min_rtt_us;
  return queue >= std::max({e.min_rtt_us / 8, 4 * e.rttvar_us, kLeastQueueUs});
}

struct Causes {
  std::size_t episodes = 0;
  std::size_t congestive = 0;
};

Causes causes_of(const Watched& w) {
  Causes causes;
  for (const Episode& e : w.episodes) {
    const bool open_timeout =
        e.timeout && !e.end_ns;  // whether anything comes back is not known yet
    if (e.undone || open_timeout || !e.srtt_us || e.min_rtt_us == kNoRtt ||
        e.srtt_us < e.min_rtt_us)
      continue;
    ++causes.episodes;
    causes.congestive += rose_before(e);
  }
  return causes;
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

std::uint64_t median(std::vector<std::uint32_t> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void add_round_trips(Finding& finding, const Group& group) {
  std::vector<std::uint32_t> before, least;
  std::size_t episodes = 0, congestive = 0;
  for (const Watched* w : group.members()) {
    const Causes causes = causes_of(*w);
    episodes += causes.episodes;
    congestive += causes.congestive;
    for (const Episode& e : w->episodes) {
      if (!e.srtt_us || e.min_rtt_us == kNoRtt) continue;
      before.push_back(e.srtt_us);
      least.push_back(e.min_rtt_us);
    }
  }
  finding.evidence.push_back(figure("episodes", std::uint64_t{episodes}, Unit::Count));
  finding.evidence.push_back(figure("episodes_with_queue", std::uint64_t{congestive}, Unit::Count));
  finding.evidence.push_back(figure("srtt_before_loss_us", median(before), Unit::Microseconds));
  finding.evidence.push_back(evidence("min_rtt_us", median(least)));
  if (episodes < 3)
    doubt(finding, Confidence::Low, "fewer than three episodes");
  else if (congestive && congestive < episodes &&
           std::min(congestive, episodes - congestive) * 4 > episodes)
    doubt(finding, Confidence::Medium, "episodes of both kinds");
}

Findings losses(const Observation& observation, bool congestive) {
  const auto weight = [congestive](const Watched& w) { return lossy(w, congestive); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_loss(group, observation, Where::Network);
    add_round_trips(finding, group);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace

Findings congestive_loss(const Observation& observation) {
  Findings findings = losses(observation, true);
  for (Finding& finding : findings) {
    finding.text = fmt::format(
        "{} lost while the round trip had grown far above its "
        "minimum: a queue on the way was full.",
        counted(*finding.impact.segments, "segment"));
    finding.advice =
        "Less at once (pacing, a congestion control that keeps queues short such as "
        "bbr) or a wider bottleneck; a longer queue would only add delay.";
    finding.tunables = {"net.ipv4.tcp_congestion_control", "net.core.default_qdisc"};
  }
  return findings;
}

Findings random_loss(const Observation& observation) {
  Findings findings = losses(observation, false);
  for (Finding& finding : findings) {
    finding.text = fmt::format(
        "{} lost although the round trip had not grown: no "
        "queue was full. A bad link, a policer or a very short queue looks "
        "like that.",
        counted(*finding.impact.segments, "segment"));
    finding.advice =
        "Look for errors on the links of the path. A congestion control that does not "
        "take every loss for congestion (bbr) may be worth an experiment.";
    finding.tunables = {"net.ipv4.tcp_congestion_control"};
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
