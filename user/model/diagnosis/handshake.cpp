// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "user/model/diagnosis/group.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr std::uint32_t kNoRtt = ~0U;
constexpr std::uint64_t kSlowNs = 100'000'000;

bool is_client(const Watched& w) {
  return w.last.conn.direction == EV_OUT;
}
bool is_established(const Watched& w) {
  return w.last.established_ns != 0;
}

std::uint64_t handshake_ns(const Watched& w) {
  const std::uint64_t begin = w.last.conn.start_ns, end = w.last.established_ns;
  return begin && end > begin ? end - begin : 0;
}

// What the handshake took beyond the path's own round trip, where that is most of it.
std::uint64_t waited_ns(const Watched& w) {
  if (!w.opened || !is_client(w) || w.last.min_rtt_us == kNoRtt) return 0;
  const std::uint64_t path = std::uint64_t{w.last.min_rtt_us} * 1000, took = handshake_ns(w);
  return took >= 3 * path && took >= kSlowNs ? took - path : 0;
}

bool failed(const Watched& w, std::initializer_list<std::string_view> ends) {
  return w.closed && is_client(w) && !is_established(w) && w.last.conn.start_ns &&
         std::ranges::find(ends, end_name(w.last)) != ends.end();
}

Finding on_attempts(const Group& group, const Observation& observation, Severity severity,
                    Where where) {
  Finding finding = on_group(group, observation, severity, where);
  finding.impact.attempts = group.size();
  return finding;
}

Nanos tried(const Group& group) {
  return Nanos(static_cast<std::int64_t>(
      group.sum([](const Watched& w) { return w.last.header.time_ns - w.last.conn.start_ns; })));
}

// A listener of this host that the client wanted and that had to drop attempts.
const Watched* overflowing(const Observation& observation, const ev_conn& client) {
  for (const Watched* listener : observation.listeners)
    if (listener->last.conn.local_port == client.remote_port &&
        listener->grew(&ev_sample::sk_drops) > 0)
      return listener;
  return nullptr;
}

}  // namespace

Findings syn_retransmits(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool given_up = w.closed && !is_established(w);
    return is_client(w) && !given_up ? w.grew(&ev_sample::retransmits_syn) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const std::uint64_t again = group.grew(&ev_sample::retransmits_syn);
    Finding finding = on_attempts(group, observation, Severity::Warning, Where::Network);
    finding.evidence = {evidence("retransmits_syn", again)};
    finding.text = fmt::format(
        "{} connection requests (SYN) were not answered and had to be sent "
        "again.",
        again);
    finding.advice =
        "The peer is down or slow to answer, a filter drops without a word, or packets "
        "get lost; a connection that came about after one second lost just one.";
    if (const Watched* listener = overflowing(observation, group.worst().last.conn)) {
      finding.where = Where::Application;
      finding.evidence.push_back(
          evidence("listen_overflows", std::uint64_t{listener->grew(&ev_sample::sk_drops)}));
      finding.advice = fmt::format(
          "The listener is on this host and its accept queue overflows: see "
          "accept-overflow of {}[{}].",
          printable(fixed_string(listener->last.conn.comm)), listener->last.conn.pid);
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

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

Findings slow_connect(const Observation& observation) {
  const auto weight = [](const Watched& w) { return static_cast<double>(waited_ns(w)); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const Watched& worst = group.worst();
    Finding finding = on_attempts(group, observation, Severity::Warning, Where::Network);
    finding.impact.time = Nanos(static_cast<std::int64_t>(group.sum(waited_ns)));
    finding.evidence = {evidence("handshake_us", handshake_ns(worst) / 1000),
                        evidence("min_rtt_us", std::uint64_t{worst.last.min_rtt_us}),
                        evidence("retransmits_syn", group.grew(&ev_sample::retransmits_syn))};
    finding.text = fmt::format("Connecting took up to {} on a path that needs {}.",
                               duration_text(handshake_ns(worst) / 1000),
                               duration_text(worst.last.min_rtt_us));
    finding.advice =
        worst.last.retransmits_syn
            ? "A lost SYN or SYN-ACK costs a whole second at first: see syn-retransmits; "
              "reuse of connections saves the handshake."
            : "The peer was slow to answer the handshake; look at its load.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings connect_refused(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return failed(w, {"refused"}); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_attempts(group, observation, Severity::Warning, Where::Peer);
    finding.evidence = {figure("refused", std::uint64_t{group.size()}, Unit::Count)};
    finding.text =
        fmt::format("{} attempts to connect were refused: nobody listens there.", group.size());
    finding.advice =
        "Is the service running, on this address and port? A firewall that rejects "
        "looks the same.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings connect_timeout(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool gave_up = failed(w, {"aborted"}) && w.last.retransmits_syn > 0;
    return gave_up || failed(w, {"timeout", "unreachable"});
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_attempts(group, observation, Severity::Critical, Where::Network);
    finding.impact.time = tried(group);
    const std::uint64_t unreachable =
        group.sum([](const Watched& w) { return end_name(w.last) == "unreachable"; });
    finding.evidence = {figure("failed", std::uint64_t{group.size()}, Unit::Count),
                        figure("unreachable", unreachable, Unit::Count),
                        evidence("retransmits_syn", group.grew(&ev_sample::retransmits_syn))};
    finding.text =
        unreachable == group.size()
            ? fmt::format("{} attempts to connect failed: no route to the host.", group.size())
            : fmt::format("{} attempts to connect failed after {} without an answer.", group.size(),
                          short_duration(tried(group) / static_cast<int>(group.size())));
    finding.advice =
        "The peer is down, or a filter drops without a word. How long to try: "
        "tcp_syn_retries, or a timeout in the application.";
    finding.tunables = {"net.ipv4.tcp_syn_retries"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings accept_overflow(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return w.grew(&ev_sample::sk_drops); };
  Findings findings;
  for (const Group& group : grouped(observation.listeners, weight)) {
    const ev_sample& s = group.worst().last;
    const std::uint64_t dropped = group.grew(&ev_sample::sk_drops);
    Finding finding = on_attempts(group, observation, Severity::Critical, Where::Application);
    finding.impact.attempts = dropped;
    finding.evidence = {evidence("listen_overflows", dropped),
                        evidence("backlog", std::uint64_t{s.backlog}),
                        evidence("accept_queue", std::uint64_t{s.receive_queue})};
    finding.text = fmt::format(
        "The accept queue is full: {} attempts to connect were dropped. It "
        "holds {} of the {} that are allowed.",
        dropped, s.receive_queue, s.backlog);
    finding.advice =
        "The process accepts too slowly; first look why. A longer queue needs both: the "
        "backlog that the application gives to listen(), and net.core.somaxconn, which "
        "limits it.";
    finding.tunables = {"net.core.somaxconn"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// Listeners that share an address and port, each with the connections it was given meanwhile.
struct Shared {
  std::vector<const Watched*> listeners;
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
