// SPDX-License-Identifier: Apache-2.0
#include "tuner/auto_pilot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "user/base/text.h"

namespace netsonde {

namespace {

using std::chrono::hours;

// Buffers that have grown, queues that were asked for and ports that are taken stay so when the
// setting goes back: what has them can be compared only with what was before.
constexpr std::array kProofs = {
    Proof{.key = "net.core.netdev_budget", .metric = "softnet_drops_per_s"},
    Proof{.key = "net.core.netdev_max_backlog", .metric = "softnet_drops_per_s"},
    Proof{.key = "net.core.rmem_default",
          .metric = "udp_receive_errors_per_s",
          .design = TrialDesign::Once},
    Proof{.key = "net.core.somaxconn",
          .metric = "listen_overflows_per_s",
          .design = TrialDesign::Once},
    Proof{.key = "net.ipv4.ip_local_port_range",
          .metric = "connected_per_s",
          .design = TrialDesign::Once},
    Proof{.key = "net.ipv4.tcp_congestion_control",
          .metric = "tx_bytes_per_busy_s",
          .opened_later = true},
    Proof{.key = "net.ipv4.tcp_rmem",
          .metric = "rx_bytes_per_s",
          .design = TrialDesign::Once,
          .opened_later = true},
    Proof{.key = "net.ipv4.tcp_slow_start_after_idle", .metric = "tx_bytes_per_busy_s"},
    Proof{.key = "net.ipv4.tcp_tw_reuse", .metric = "connected_per_s", .design = TrialDesign::Once},
    Proof{.key = "net.ipv4.tcp_wmem", .metric = "tx_bytes_per_busy_s", .design = TrialDesign::Once},
    Proof{.key = "route.congestion_control", .metric = "tx_bytes_per_busy_s", .opened_later = true},
};

}  // namespace

const Proof* proof_of(std::string_view key) {
  const auto* const found = std::ranges::find(kProofs, key, &Proof::key);
  return found == kProofs.end() ? nullptr : found;
}

// Whoever fills a path that was not full waits in its queue, and loses what does not fit there.
Tolerance tolerance_of(Goal goal) {
  switch (goal) {
    case Goal::Throughput:
      return {.round_trip = 3, .retransmits = 1.5, .processor = 2, .gain_pays = 1};
    case Goal::Balanced:
      return {.round_trip = 1.5, .retransmits = 1.25, .processor = 1.25, .gain_pays = 0.5};
    case Goal::Latency: return {};
  }
  return {};
}

AutoPilot::Setting AutoPilot::setting_of(const Proposal& proposal) {
  return {proposal.key, to_text(proposal.scope)};
}

std::string AutoPilot::why_not(const Proposal& proposal, const std::set<Setting>& seen,
                               Time now) const {
  if (!proof_of(proposal.key))
    return "live traffic does not tell whether it helps: netsonde tune plan, tune apply";
  if (const auto past = past_.find(setting_of(proposal)); past != past_.end()) {
    if (past->second.is_theirs) return "somebody else has ended its trial: it is left alone";
    if (past->second.left.contains(proposal.to))
      return fmt::format("it was {} before, and something else was better", printable(proposal.to));
    if (now < past->second.not_before)
      return fmt::format("did not help {} time{}: it rests for {}", past->second.failures,
                         past->second.failures == 1 ? "" : "s", short_duration(past->second.rests));
  }
  if (!seen.contains(setting_of(proposal))) return "seen once: it waits for the next look";
  if (changes_.size() >= limits_.most_per_hour)
    return fmt::format("{} changes in an hour are enough", limits_.most_per_hour);
  return {};
}

AutoPilot::Choice AutoPilot::choose(const std::vector<Proposal>& proposals, Time now) {
  while (!changes_.empty() && changes_.front() + hours(1) <= now) changes_.pop_front();
  const std::set<Setting> seen = std::exchange(seen_, {});
  Choice choice;
  for (const Proposal& proposal : proposals) {
    seen_.insert(setting_of(proposal));
    std::string why = why_not(proposal, seen, now);
    if (why.empty() && !choice.proposal)
      choice.proposal = proposal;
    else
      choice.considered.push_back(
          {.key = proposal.key,
           .why_not = why.empty() ? "one change at a time: " + choice.proposal->key + " is first"
                                  : std::move(why)});
  }
  return choice;
}

void AutoPilot::leave(const Proposal& proposal, Time now) {
  changes_.push_back(now);
  past_[setting_of(proposal)].is_theirs = true;
}

void AutoPilot::note(const Proposal& proposal, bool kept, Time now) {
  changes_.push_back(now);
  Past& past = past_[setting_of(proposal)];
  if (kept) {
    past.left.insert(proposal.from);
    past.failures = 0;
    past.not_before = {};
    return;
  }
  const Nanos longest = std::max(limits_.longest_back_off, limits_.back_off);
  past.rests = past.failures++ ? std::min(2 * past.rests, longest) : limits_.back_off;
  past.not_before = now + past.rests;
}

}  // namespace netsonde
