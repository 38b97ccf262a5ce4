// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "user/model/diagnosis/host.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr double kNearly = 0.9;  // of a limit

bool nearly(std::uint64_t value, std::uint64_t limit) {
  return limit && static_cast<double>(value) >= kNearly * static_cast<double>(limit);
}

// Those of the counters that grew as evidence; what they grew by together.
std::uint64_t add_grown(Finding& finding, const Observation& observation,
                        std::initializer_list<std::string_view> names) {
  std::uint64_t sum = 0;
  for (const std::string_view name : names) {
    const std::uint64_t more = grew(observation, name);
    if (more) finding.evidence.push_back(host_figure(name, more));
    sum += more;
  }
  return sum;
}

}  // namespace

namespace {

// Whether somaxconn limits what the listeners that drop requests asked for, or, where none is seen
// to do that, what any asks for. Where no listener is known it may.
bool is_limit_of_a_listener(const Observation& observation) {
  const std::uint64_t most = value_of(observation, "limit.somaxconn");
  const std::uint64_t netns = value_of(observation, "netns.inode");
  const auto is_here = [netns](const ev_sample& s) { return !netns || s.conn.netns == netns; };
  std::size_t dropping = 0, known = 0;
  bool any_dropping = false, any = false;
  for (const Watched* w : observation.listeners) {
    if (!is_here(w->last) || !w->grew(&ev_sample::sk_drops)) continue;
    ++dropping;
    any_dropping |= w->last.backlog >= most;
  }
  for (const Connection* listener : observation.now.select(Snapshot::Listeners)) {
    if (!is_here(listener->last) || !listener->sampled) continue;
    ++known;
    any |= listener->last.backlog >= most;
  }
  return dropping ? any_dropping : !known || any;
}

}  // namespace

Findings syn_cookies(const Observation& observation) {
  // With 2 every request gets a cookie, whether there is room or not.
  const bool always = value_of(observation, "setting.tcp_syncookies") == 2;
  const std::uint64_t sent = always ? 0 : grew(observation, "netstat.TcpExt.SyncookiesSent");
  const std::uint64_t dropped = grew(observation, "netstat.TcpExt.TCPReqQFullDrop");
  if (!sent && !dropped) return {};
  Finding finding = on_part(observation, "", dropped ? Severity::Critical : Severity::Warning);
  finding.impact.attempts = sent + dropped;
  add_grown(finding, observation,
            {"netstat.TcpExt.SyncookiesSent", "netstat.TcpExt.SyncookiesRecv",
             "netstat.TcpExt.SyncookiesFailed", "netstat.TcpExt.TCPReqQFullDrop"});
  finding.evidence.push_back(value_figure(observation, "setting.tcp_max_syn_backlog"));
  finding.evidence.push_back(value_figure(observation, "limit.somaxconn"));
  finding.text = fmt::format(
      "The queue of half-open connections was full: {} requests were answered "
      "with a SYN cookie, {} were dropped.",
      sent, dropped);
  finding.advice =
      "A SYN flood when few cookies come back (SyncookiesRecv); else a burst of clients, for "
      "which a longer queue (the listener's backlog, and somaxconn, which limits it) is right. "
      "Never switch cookies off.";
  finding.tunables = {"net.ipv4.tcp_max_syn_backlog"};
  if (is_limit_of_a_listener(observation)) finding.tunables.push_back("net.core.somaxconn");
  return {finding};
}

namespace {

// Whether the kernel gives a port in TIME_WAIT to a new connection of that way: 1 is for any, 2 for
// those of the loopback.
bool may_be_taken_again(const Observation& observation, const std::string& way) {
  const std::uint64_t reuse = value_of(observation, "setting.tcp_tw_reuse");
  return reuse == 1 || (reuse == 2 && (way.starts_with("127.") || way.starts_with("::1 ")));
}

// One way to a service (from one address of ours) for which hardly a port is left.
Finding time_wait_on(const Observation& observation, const std::string& way) {
  const std::uint64_t held = value_of(observation, "time_wait.to", way);
  const std::uint64_t ports = value_of(observation, "limit.local_ports");
  Finding finding = on_part(observation, way, Severity::Warning);
  finding.impact.connections = held;
  finding.evidence = {host_figure("time_wait.to", held), host_figure("limit.local_ports", ports),
                      value_figure(observation, "time_wait.local_ports"),
                      value_figure(observation, "setting.tcp_tw_reuse")};
  finding.text = fmt::format(
      "{} of the {} local ports for connections from {} are held by such as ended here first and "
      "are in TIME_WAIT for a minute; without a port none can be opened.",
      held, ports, way);
  finding.advice =
      "Reuse connections (connection-churn names who does not). tcp_tw_reuse lets clients take "
      "such a port again, a wider ip_local_port_range gives more of them, each further address of "
      "ours or of the service as many again.";
  finding.tunables = {"net.ipv4.tcp_tw_reuse", "net.ipv4.ip_local_port_range"};
  if (may_be_taken_again(observation, way))
    doubt(finding, Confidence::Medium, "tcp_tw_reuse gives such a port again after a second");
  return finding;
}

// All of the host. Where the ways are known (above), only their table may be full.
Findings time_wait_table(const Observation& observation) {
  const std::uint64_t waiting = value_of(observation, "sockstat.tcp.tw");
  const std::uint64_t most = value_of(observation, "limit.tcp_max_tw_buckets");
  const std::uint64_t ports = value_of(observation, "limit.local_ports");
  const std::uint64_t overflow = grew(observation, "netstat.TcpExt.TCPTimeWaitOverflow");
  const bool table = nearly(waiting, most) || overflow;
  const bool ways_known = observation.host->value("time_wait.local_ports").has_value();
  if (!table && (ways_known || !nearly(waiting, ports))) return {};
  Finding finding = on_part(observation, "", Severity::Warning);
  finding.impact.connections = waiting;
  finding.evidence = {host_figure("sockstat.tcp.tw", waiting),
                      host_figure("limit.tcp_max_tw_buckets", most),
                      host_figure("limit.local_ports", ports)};
  add_grown(finding, observation, {"netstat.TcpExt.TCPTimeWaitOverflow"});
  finding.text = fmt::format(
      "{} connections are in TIME_WAIT, of at most {}; towards one service there "
      "are {} local ports.",
      waiting, most, ports);
  finding.advice =
      "Reuse connections (connection-churn names who does not). tcp_tw_reuse lets clients "
      "take such a port again, a wider ip_local_port_range gives more of them.";
  finding.tunables = {"net.ipv4.tcp_tw_reuse", "net.ipv4.ip_local_port_range",
                      "net.ipv4.tcp_max_tw_buckets"};
  if (!table) doubt(finding, Confidence::Medium, "to how many services they went is not known");
  return {finding};
}

}  // namespace

Findings time_wait_pressure(const Observation& observation) {
  const std::uint64_t ports = value_of(observation, "limit.local_ports");
  Findings findings = time_wait_table(observation);
  for (const std::string& way : observation.host->instances("time_wait.to"))
    if (nearly(value_of(observation, "time_wait.to", way), ports))
      findings.push_back(time_wait_on(observation, way));
  return findings;
}

Findings tcp_memory_pressure(const Observation& observation) {
  const std::uint64_t pages = value_of(observation, "sockstat.tcp.mem");
  const std::uint64_t orphans = value_of(observation, "sockstat.tcp.orphan");
  const std::uint64_t pressure = value_of(observation, "limit.tcp_mem.pressure");
  const bool orphaned = nearly(orphans, value_of(observation, "limit.tcp_max_orphans"));
  const bool pressed = (pressure && pages >= pressure) ||
                       grew(observation, "netstat.TcpExt.TCPMemoryPressures") ||
                       grew(observation, "netstat.TcpExt.TCPAbortOnMemory");
  if (!pressed && !orphaned) return {};
  const bool aborts = grew(observation, "netstat.TcpExt.TCPAbortOnMemory");
  Finding finding = on_part(observation, "", aborts ? Severity::Critical : Severity::Warning);
  finding.evidence = {
      host_figure("sockstat.tcp.mem", pages), host_figure("limit.tcp_mem.pressure", pressure),
      value_figure(observation, "limit.tcp_mem.high"), host_figure("sockstat.tcp.orphan", orphans),
      value_figure(observation, "limit.tcp_max_orphans")};
  add_grown(
      finding, observation,
      {"netstat.TcpExt.TCPMemoryPressures", "netstat.TcpExt.TCPAbortOnMemory",
       "netstat.TcpExt.PruneCalled", "netstat.TcpExt.RcvPruned", "netstat.TcpExt.TCPRcvQDrop"});
  finding.text = pressed ? fmt::format(
                               "TCP's buffers take {} pages; from {} on the kernel shrinks windows "
                               "and drops what it has to.",
                               pages, pressure)
                         : fmt::format(
                               "{} connections without a process wait for their end; beyond the "
                               "limit they are reset.",
                               orphans);
  finding.advice = pressed
                       ? "Look whose queues are full (top, sorted by send_memory_bytes and "
                         "receive_memory_bytes) before tcp_mem is raised."
                       : "Peers that vanish keep them; see tcp_orphan_retries before the limit.";
  finding.tunables = {"net.ipv4.tcp_mem", "net.ipv4.tcp_max_orphans"};
  return {finding};
}

Findings conntrack_full(const Observation& observation) {
  const std::uint64_t count = value_of(observation, "conntrack.count");
  const std::uint64_t most = value_of(observation, "limit.conntrack");
  const bool full = nearly(count, most);
  if (!full && !grew(observation, "conntrack.drop") && !grew(observation, "conntrack.early_drop"))
    return {};
  Finding finding = on_part(observation, "", Severity::Warning);
  finding.evidence = {host_figure("conntrack.count", count), host_figure("limit.conntrack", most)};
  const std::uint64_t dropped = add_grown(
      finding, observation, {"conntrack.drop", "conntrack.early_drop", "conntrack.insert_failed"});
  if (dropped) finding.severity = Severity::Critical;
  finding.impact.attempts = dropped;
  finding.text = fmt::format(
      "The connection tracking table holds {} of {} entries; {} packets or entries "
      "were dropped for want of room.",
      count, most, dropped);
  finding.advice =
      "Raise nf_conntrack_max, let entries go sooner (nf_conntrack_tcp_timeout_*), or do not "
      "track what need not be (notrack).";
  finding.tunables = {"net.netfilter.nf_conntrack_max"};
  return {finding};
}

Findings neighbour_overflow(const Observation& observation) {
  Findings findings;
  for (const std::string family : {"ipv4", "ipv6"}) {
    const std::string table = "neigh." + family;
    const std::uint64_t full = grew(observation, table + ".table_fulls");
    const std::uint64_t entries = value_of(observation, table + ".entries");
    const std::uint64_t most = value_of(observation, "limit." + table + ".gc_thresh3");
    if (!full && !nearly(entries, most)) continue;
    Finding finding = on_part(observation, family, full ? Severity::Critical : Severity::Warning);
    finding.impact.attempts = full;
    finding.evidence = {host_figure(table + ".entries", entries),
                        host_figure("limit." + table + ".gc_thresh3", most)};
    if (full) finding.evidence.push_back(host_figure(table + ".table_fulls", full));
    finding.text = fmt::format(
        "The neighbour table ({}) holds {} of {} entries; {} times there was no room "
        "for a new one: that neighbour cannot be reached.",
        family == "ipv4" ? "ARP" : "NDP", entries, most, full);
    finding.advice =
        "A large flat network, or a scan of it: raise gc_thresh1 to 3 of neigh/default.";
    finding.tunables = family == "ipv4"
                           ? std::vector<std::string_view>{"net.ipv4.neigh.default.gc_thresh3"}
                           : std::vector<std::string_view>{"net.ipv6.neigh.default.gc_thresh3"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings udp_buffer_errors(const Observation& observation) {
  Finding finding = on_part(observation, "", Severity::Warning, Where::Host);
  const std::uint64_t unread =
      add_grown(finding, observation, {"snmp.Udp.RcvbufErrors", "snmp6.Udp6.RcvbufErrors"});
  const std::uint64_t unsent =
      add_grown(finding, observation, {"snmp.Udp.SndbufErrors", "snmp6.Udp6.SndbufErrors"});
  const std::uint64_t no_memory =
      add_grown(finding, observation, {"snmp.Udp.MemErrors", "snmp6.Udp6.MemErrors"});
  if (!unread && !unsent && !no_memory) return {};
  finding.impact.segments = unread + unsent + no_memory;
  std::vector<std::string> what, advice;
  if (unread) {
    finding.where = Where::Application;
    finding.tunables = {"net.core.rmem_max", "net.core.rmem_default"};
    finding.evidence.push_back(value_figure(observation, "limit.rmem_max", "", Unit::Bytes));
    what.push_back(fmt::format("{} found a socket's receive buffer full", unread));
    advice.emplace_back(
        "Its process reads too slowly (ss -uam shows whose queue is full, as d in skmem); a "
        "larger SO_RCVBUF, up to rmem_max, helps against bursts alone.");
  }
  if (unsent) {
    what.push_back(fmt::format(
        "{} were not sent, for a send buffer or a queue on their way out was full", unsent));
    advice.emplace_back(
        "More is sent at once than leaves: look at the drops of the queueing disciplines (tc -s "
        "qdisc), or let the program send more evenly.");
  }
  if (no_memory) {
    finding.tunables.emplace_back("net.ipv4.udp_mem");
    what.push_back(fmt::format("{} found no memory for UDP left", no_memory));
    advice.emplace_back("udp_mem limits what all sockets together may hold.");
  }
  finding.text = fmt::format("UDP datagrams were dropped: {}.", fmt::join(what, "; "));
  finding.advice = fmt::format("{}", fmt::join(advice, " "));
  return {finding};
}

Findings checksum_errors(const Observation& observation) {
  Finding finding = on_part(observation, "", Severity::Warning, Where::Network);
  const std::uint64_t errors =
      add_grown(finding, observation,
                {"snmp.Tcp.InCsumErrors", "snmp.Udp.InCsumErrors", "snmp.Icmp.InCsumErrors",
                 "netstat.IpExt.InCsumErrors", "snmp6.Udp6.InCsumErrors"});
  if (!errors) return {};
  finding.impact.segments = errors;
  finding.text = fmt::format("{} packets arrived damaged: their checksum was wrong.", errors);
  finding.advice =
      "Something between the sender's checksum and ours changes bits: a card, its offloads, or "
      "a middlebox. The link's own check (device-errors) finds only what the link itself did.";
  return {finding};
}

Findings fastopen_fallback(const Observation& observation) {
  Finding finding = on_part(observation, "", Severity::Info, Where::Network);
  const std::uint64_t failed =
      add_grown(finding, observation,
                {"netstat.TcpExt.TCPFastOpenActiveFail", "netstat.TcpExt.TCPFastOpenPassiveFail",
                 "netstat.TcpExt.TCPFastOpenBlackhole"});
  if (!failed) return {};
  finding.impact.attempts = failed;
  add_grown(finding, observation, {"netstat.TcpExt.TCPFastOpenActive"});
  finding.text = fmt::format(
      "{} times data in the SYN (TCP Fast Open) was not taken, and had to be sent "
      "again after the handshake.",
      failed);
  finding.advice =
      "The peer does not speak it or has a new key, or a middlebox drops SYNs with data.";
  finding.tunables = {"net.ipv4.tcp_fastopen"};
  return {finding};
}

}  // namespace netsonde::rules
