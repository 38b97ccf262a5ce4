// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "user/model/diagnosis/host.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

Findings synack_retransmits(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    return w.grew(&ev_sample::retransmits_syn);
  };
  Findings findings;
  for (const Group& group : grouped(observation.listeners, weight)) {
    const std::uint64_t again = group.grew(&ev_sample::retransmits_syn);
    Finding finding = on_group(group, observation, Severity::Warning, Where::Network);
    finding.impact.segments = again;
    finding.evidence = {evidence("retransmits_syn", again)};
    finding.text = fmt::format(
        "Clients that asked did not confirm: {} answers (SYN-ACK) had to be "
        "sent again.",
        again);
    finding.advice =
        "Lost on the way back, filtered there, or the clients do not exist (a SYN "
        "flood): syn-cookies tells whether the queue was full of them.";
    finding.tunables = {"net.ipv4.tcp_synack_retries"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// listen() takes the smaller of what the application asks for and somaxconn, which is known for the
// namespace that the host's counters are of.
void advise_on_backlog(Finding& finding, const Observation& observation,
                       const ev_sample& listener) {
  const bool known =
      observation.host && value_of(observation, "netns.inode") == listener.conn.netns;
  const std::uint64_t most = known ? value_of(observation, "limit.somaxconn") : 0;
  finding.advice = "The process accepts too slowly; first look why. ";
  if (most) finding.evidence.push_back(host_figure("limit.somaxconn", most));
  if (most > listener.backlog) {
    finding.advice +=
        "A longer queue is the application's to ask for, in listen(): net.core.somaxconn "
        "allows more than it did, so raising that does nothing.";
    return;
  }
  finding.advice +=
      most ? "net.core.somaxconn is what limits the queue: the application asked for as "
             "much or more. It must listen() again after a change."
           : "A longer queue needs both: the backlog that the application gives to "
             "listen(), and net.core.somaxconn, which limits it.";
  finding.tunables = {"net.core.somaxconn"};
}

}  // namespace

Findings accept_overflow(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return w.grew(&ev_sample::sk_drops); };
  Findings findings;
  for (const Group& group : grouped(observation.listeners, weight)) {
    const ev_sample& s = group.worst().last;
    const std::uint64_t dropped = group.grew(&ev_sample::sk_drops);
    Finding finding = on_group(group, observation, Severity::Critical, Where::Application);
    finding.impact.attempts = dropped;
    finding.evidence = {evidence("listen_overflows", dropped),
                        evidence("backlog", std::uint64_t{s.backlog}),
                        evidence("accept_queue", std::uint64_t{s.receive_queue})};
    finding.text = fmt::format(
        "The accept queue is full: {} (SYN) dropped. It "
        "holds {} of the {} that are allowed.",
        counted(dropped, "request"), s.receive_queue, s.backlog + 1);  // sk_acceptq_is_full
    advise_on_backlog(finding, observation, s);
    if (s.receive_queue <= s.backlog)
      doubt(finding, Confidence::Medium, "the queue was not full at the last look");
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// Listeners that share an address and port, each with the connections it was given meanwhile.
struct Shared {
  std::map<std::uint32_t, std::uint64_t> by_pid;
};

std::map<std::tuple<std::uint32_t, Address, std::uint16_t>, Shared> shared_ports(
    const Observation& observation) {
  std::map<std::tuple<std::uint32_t, Address, std::uint16_t>, Shared> shared;
  for (const Connection* listener : observation.now.select(Snapshot::Listeners)) {
    const ev_conn& conn = listener->last.conn;
    shared[{conn.netns, Address::from(conn.local), conn.local_port}].by_pid[conn.pid] += 0;
  }
  for (const Watched* w : observation.connections) {
    const ev_conn& conn = w->last.conn;
    if (!w->opened || conn.direction != EV_IN) continue;
    for (const Address& local : {Address::from(conn.local), Address(),
                                 Address{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}}}) {
      const auto found = shared.find({conn.netns, local, conn.local_port});
      if (found == shared.end()) continue;
      if (const auto pid = found->second.by_pid.find(conn.pid); pid != found->second.by_pid.end())
        ++pid->second;
      break;
    }
  }
  return shared;
}

// Pearson's statistic against equal shares, and what it exceeds once in a thousand times by chance
// (Wilson and Hilferty's approximation).
bool is_uneven(const std::map<std::uint32_t, std::uint64_t>& by_pid, std::uint64_t total) {
  const double share = static_cast<double>(total) / static_cast<double>(by_pid.size());
  double statistic = 0;
  for (const auto& [pid, count] : by_pid)
    statistic +=
        (static_cast<double>(count) - share) * (static_cast<double>(count) - share) / share;
  const double freedom = static_cast<double>(by_pid.size()) - 1;
  const double root = 1 - 2 / (9 * freedom) + 3.09 * std::sqrt(2 / (9 * freedom));
  return share >= 5 && statistic > freedom * root * root * root;
}

}  // namespace

Findings reuseport_imbalance(const Observation& observation) {
  Findings findings;
  for (const auto& [key, shared] : shared_ports(observation)) {
    if (shared.by_pid.size() < 2) continue;
    std::uint64_t total = 0;
    for (const auto& [pid, count] : shared.by_pid) total += count;
    const auto [least, most] = std::ranges::minmax_element(
        shared.by_pid, {}, [](const auto& entry) { return entry.second; });
    if (!total || !is_uneven(shared.by_pid, total) || most->second < 2 * least->second) continue;
    Finding finding;
    finding.where = Where::Application;
    for (const Connection* listener : observation.now.select(Snapshot::Listeners)) {
      const ev_conn& conn = listener->last.conn;
      if (conn.local_port != std::get<2>(key) || !shared.by_pid.contains(conn.pid)) continue;
      if (conn.pid == most->first) finding.subject.connection = conn;
      if (finding.subject.cookies.size() < Subject::kMostCookies)
        finding.subject.cookies.push_back(conn.cookie);
    }
    finding.subject.connections = shared.by_pid.size();
    finding.since = observation.from;
    finding.impact.connections = total;
    finding.evidence = {figure("listeners", std::uint64_t{shared.by_pid.size()}, Unit::Count),
                        figure("accepted", total, Unit::Count),
                        figure("most", most->second, Unit::Count),
                        figure("least", least->second, Unit::Count)};
    finding.text = fmt::format(
        "{} processes share this port unevenly: of {} new connections {} went "
        "to process {} and {} to process {}.",
        shared.by_pid.size(), total, most->second, most->first, least->second, least->first);
    finding.advice =
        "The kernel spreads by a hash of addresses and ports (SO_REUSEPORT): few clients, "
        "or a process that listens more than once, spread badly; a BPF program can "
        "choose (SO_ATTACH_REUSEPORT_EBPF).";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
