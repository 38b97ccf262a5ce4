// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "tuner/policy_rules.h"

namespace netsonde::policy {

namespace {

constexpr double kNearly = 0.9;  // as tcp-memory-pressure has it
constexpr std::uint64_t kTcpMemoryShare = 4;
constexpr std::uint64_t kOrphanBytes = 64 << 10, kOrphanShare = 2;
constexpr std::uint64_t kTrackedBytes = 320, kTrackedShare = 16;
constexpr std::uint64_t kNeighbourBytes = 512, kNeighbourShare = 64;
constexpr std::uint64_t kDatagramShare = 256;

bool has_too_many_orphans(const Finding& finding) {
  const double most = measured(finding, "limit.tcp_max_orphans").value_or(0);
  return most > 0 && measured(finding, "sockstat.tcp.orphan").value_or(0) >= kNearly * most;
}

// The kernel counts TCPAbortOnMemory for too many orphans as well.
bool is_short_of_memory(const Finding& finding) {
  const double pressure = measured(finding, "limit.tcp_mem.pressure").value_or(0);
  return (pressure > 0 && measured(finding, "sockstat.tcp.mem").value_or(0) >= pressure) ||
         has(finding, "netstat.TcpExt.TCPMemoryPressures") ||
         (has(finding, "netstat.TcpExt.TCPAbortOnMemory") && !has_too_many_orphans(finding));
}

}  // namespace

Decision input_queue(const Question& question) {
  return multiplied(
      question, 2,
      {.expected = "bursts that the processor works off in time are no longer dropped",
       .verify = "softnet.dropped stops growing; read back"});
}

Decision input_budget(const Question& question) {
  if (is_found(question.input, "softnet-drops") &&
      input_queue(question.about("net.core.netdev_max_backlog")))
    return Error("after netdev_max_backlog: one thing at a time");
  return multiplied(question, 2,
                    {.expected = "fewer packets wait for the next round of the softirq",
                     .verify = "softnet.squeezed grows more slowly; read back"});
}

Decision tcp_memory(const Question& question) {
  if (!is_short_of_memory(question.finding)) return Error("is not reached: it is the orphans");
  CurrentSetting now = TRY(current(question));
  std::vector<std::int64_t> to = now.numbers;
  for (std::int64_t& pages : to) pages += pages / 2;
  const std::int64_t most =
      TRY(most_in_memory(question.input, kTcpMemoryShare, question.input.page_bytes));
  if (to.back() >= most)
    return Error(
        fmt::format("{} pages would be a quarter of the host's memory or more: look whose "
                    "queues are full",
                    to.back()));
  return Step{.now = std::move(now),
              .to = std::move(to),
              .expected = "the kernel shrinks windows and drops data later",
              .verify =
                  "TCPMemoryPressures and TCPAbortOnMemory stop growing, and sockstat.tcp.mem "
                  "stays below the pressure mark; read back"};
}

Decision tcp_orphans(const Question& question) {
  if (!has_too_many_orphans(question.finding)) return Error("is not reached: it is the memory");
  return multiplied(question, 2,
                    {.expected = "closed connections with data to send are not reset",
                     .verify = "sockstat.tcp.orphan stays below the limit, and TCPAbortOnMemory "
                               "stops growing; read back"},
                    TRY(most_in_memory(question.input, kOrphanShare, kOrphanBytes)));
}

Decision connection_tracking(const Question& question) {
  return multiplied(question, 2,
                    {.expected = "new connections find room in the table",
                     .verify = "conntrack.drop and conntrack.early_drop stop growing; read back"},
                    TRY(most_in_memory(question.input, kTrackedShare, kTrackedBytes)));
}

Decision neighbours(const Question& question) {
  return multiplied(question, 2,
                    {.expected = "new neighbours find room in the table",
                     .verify = "table_fulls of the family stops growing; read back"},
                    TRY(most_in_memory(question.input, kNeighbourShare, kNeighbourBytes)));
}

// gc_thresh2, in the proportion to gc_thresh3 that it has.
Decision neighbours_kept(const Question& question) {
  std::string most(question.key);
  most.back() = '3';
  const Step grown = TRY(neighbours(question.about(most)));
  CurrentSetting now = TRY(current(question));
  const std::int64_t to = now.numbers.front() * grown.to.front() / grown.now.numbers.front();
  return set_to(std::move(now), to,
                {.expected = "the table is cleaned up in the same proportion as before",
                 .verify = "table_fulls of the family stops growing; read back"});
}

Decision datagram_buffer(const Question& question) {
  if (!has(question.finding, "snmp.Udp.RcvbufErrors") &&
      !has(question.finding, "snmp6.Udp6.RcvbufErrors"))
    return Error("no receive buffer was full");
  return multiplied(
      question, 2,
      {.expected = "sockets opened later, whose programs ask for no size, take larger "
                   "bursts; one that reads too slowly is not helped",
       .verify = "RcvbufErrors stops growing; read back"},
      TRY(most_in_memory(question.input, kDatagramShare, 1)));
}

}  // namespace netsonde::policy
