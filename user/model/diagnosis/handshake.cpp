// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "user/model/diagnosis/resends.h"
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

// Before 6.18 the kernel does not tell of requests that could not leave; as long as it waits for
// the answer a client can have sent nothing else again.
std::uint64_t requests_again(const Watched& w) {
  constexpr std::uint8_t kSynSent = 2;
  const std::uint8_t state = w.closed ? w.last.old_state : w.last.conn.state;
  return state == kSynSent ? w.grew(&ev_sample::retransmitted)
                           : w.grew(&ev_sample::retransmits_syn);
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

// This host dropped the requests or what was answered.
void blame_own_drops(Finding& finding, const Group& group, const Observation& observation) {
  const std::uint64_t dropped =
      group.sum([&](const Watched& w) { return dropped_by_host(w, observation); });
  if (!dropped) return;
  finding.where = Where::Host;
  finding.evidence.push_back(evidence("drops", dropped));
  finding.advice = "This host drops them itself: see local-drop.";
}

// Whether a socket of this host has the address.
bool is_here(const Observation& observation, const Address& address) {
  return std::ranges::any_of(observation.now.store().connections(), [&](const auto& entry) {
    return Address::from(entry.second.last.conn.local) == address;
  });
}

// A listener of this host that the client wanted and that had to drop attempts.
const Watched* overflowing(const Observation& observation, const ev_conn& client) {
  const Address wanted = Address::from(client.remote);
  for (const Watched* listener : observation.listeners) {
    const ev_conn& conn = listener->last.conn;
    const bool port = conn.local_port == client.remote_port;
    if (!port || listener->grew(&ev_sample::sk_drops) == 0) continue;
    const Address local = Address::from(conn.local);
    if (local == wanted || (local.is_unspecified() && is_here(observation, wanted)))
      return listener;
  }
  return nullptr;
}

}  // namespace

Findings syn_retransmits(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool given_up = w.closed && !is_established(w);
    return is_client(w) && !given_up ? static_cast<double>(requests_again(w)) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const std::uint64_t again = group.sum(requests_again);
    Finding finding = on_attempts(group, observation, Severity::Warning, Where::Network);
    finding.evidence = {evidence("retransmits_syn", again)};
    finding.text =
        fmt::format("{} to connect (SYN) not answered, and sent again.", counted(again, "request"));
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
    blame_own_drops(finding, group, observation);
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

namespace {

// A service often has several addresses, of which clients try one after the other.
bool was_reached_elsewhere(const Observation& observation, const ev_conn& refused) {
  return std::ranges::any_of(observation.connections, [&refused](const Watched* w) {
    const ev_conn& conn = w->last.conn;
    return w->opened && is_client(*w) && is_established(*w) &&
           conn.remote_port == refused.remote_port &&
           Address::from(conn.remote) != Address::from(refused.remote) &&
           fixed_string(conn.comm) == fixed_string(refused.comm);
  });
}

}  // namespace

Findings connect_refused(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return failed(w, {"refused"}); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    Finding finding = on_attempts(group, observation, Severity::Warning, Where::Peer);
    finding.evidence = {figure("refused", std::uint64_t{group.size()}, Unit::Count)};
    finding.text = fmt::format("{} to connect, refused: nobody listens there.",
                               counted(group.size(), "attempt"));
    finding.advice =
        "Is the service running, on this address and port? A firewall that rejects "
        "looks the same.";
    if (was_reached_elsewhere(observation, group.worst().last.conn)) {
      finding.severity = Severity::Info;
      finding.text += " Another address of the service answered.";
    }
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
    const std::string attempts = counted(group.size(), "attempt");
    if (unreachable == group.size()) {
      finding.text =
          fmt::format("{} to connect failed: the host was said to be unreachable.", attempts);
      finding.advice =
          "This host has no route or got no answer from the next hop (ip route get, ip neigh), or "
          "a router or filter on the way says so by ICMP.";
    } else {
      finding.text = fmt::format("{} to connect failed after {} without an answer.", attempts,
                                 short_duration(tried(group) / static_cast<int>(group.size())));
      finding.advice =
          "The peer is down, or a filter drops without a word. How long to try: "
          "tcp_syn_retries, or a timeout in the application.";
      finding.tunables = {"net.ipv4.tcp_syn_retries"};
    }
    blame_own_drops(finding, group, observation);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
