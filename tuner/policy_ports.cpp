// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "tuner/policy_rules.h"

namespace netsonde::policy {

namespace {

constexpr std::int64_t kFirstPort = 10'240, kLastPort = 65'535;
constexpr double kNearly = 0.9;  // as time-wait-pressure has it
constexpr std::uint64_t kBucketBytes = 256, kBucketShare = 16;

// Of the two forms of time-wait-pressure: the table of the host, not the ports towards one service.
bool is_table_full(const Finding& finding) {
  if (has(finding, "netstat.TcpExt.TCPTimeWaitOverflow")) return true;
  const double most = measured(finding, "limit.tcp_max_tw_buckets").value_or(0);
  return most > 0 && measured(finding, "sockstat.tcp.tw").value_or(0) >= kNearly * most;
}

Result<> check_ports_are_short(const Finding& finding) {
  if (!is_table_full(finding)) return {};
  return Error("the table of TIME_WAIT is full, not the local ports");
}

bool is_on_loopback(const Finding& finding) {
  const std::string_view way = finding.subject.part;
  return way.starts_with("127.") || way.starts_with("::1 ");
}

bool has_timestamps(const Question& question, const ChangeScope& scope) {
  const auto value = value_at(question, scope, "net.ipv4.tcp_timestamps");
  return value && *value != "0";
}

}  // namespace

Decision local_ports(const Question& question) {
  TRY(check_ports_are_short(question.finding));
  CurrentSetting now = TRY(current(question));
  const std::vector<std::int64_t> widest = {std::min(now.numbers[0], kFirstPort),
                                            std::max(now.numbers[1], kLastPort)};
  if (now.numbers == widest)
    return Error(fmt::format("is {} already: it gives no more", now.value));
  return Step{
      .now = std::move(now),
      .to = widest,
      .expected = "more connections to one service at a time",
      .verify =
          "what is in TIME_WAIT towards one service stays well below limit.local_ports; read back"};
}

Decision time_wait_reuse(const Question& question) {
  TRY(check_ports_are_short(question.finding));
  if (local_ports(question.about("net.ipv4.ip_local_port_range")))
    return Error("after ip_local_port_range: one thing at a time");
  CurrentSetting now = TRY(current(question));
  if (now.numbers.front() == 2 && is_on_loopback(question.finding))
    return Error("is 2 already, which is enough on the loopback");
  if (!has_timestamps(question, now.scope)) return Error("needs tcp_timestamps, which is off here");
  return set_to(
      std::move(now), 1,
      {.expected = "clients take a port in TIME_WAIT again after a second",
       .verify =
           "what is in TIME_WAIT towards one service stays below limit.local_ports; read back"});
}

Decision time_wait_table(const Question& question) {
  if (!is_table_full(question.finding)) return Error("is not reached: it is the local ports");
  return multiplied(
      question, 2,
      {.expected = "connections stay in TIME_WAIT as long as they should, instead of closing at "
                   "once",
       .verify = "TCPTimeWaitOverflow stops growing; read back"},
      TRY(most_in_memory(question.input, kBucketShare, kBucketBytes)));
}

}  // namespace netsonde::policy
