// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "tuner/policy_rules.h"
#include "user/base/text.h"

namespace netsonde::policy {

namespace {

constexpr std::string_view kRouteControl = "route.congestion_control";
constexpr std::string_view kAvailable = "net.ipv4.tcp_available_congestion_control";
constexpr std::int64_t kLeastKeepaliveSeconds = 30;

// Most of those who were sent a cookie do not come back with it.
bool is_flood(const Finding& finding) {
  const double sent = measured(finding, "netstat.TcpExt.SyncookiesSent").value_or(0);
  return 2 * measured(finding, "netstat.TcpExt.SyncookiesRecv").value_or(0) < sent;
}

bool has_word(std::string_view words, std::string_view word) {
  return fmt::format(" {} ", words).find(fmt::format(" {} ", word)) != std::string::npos;
}

std::optional<ChangeScope> route_of(const Question& question, const ChangeScope& space) {
  const std::optional<ev_conn>& connection = question.finding.subject.connection;
  if (!connection || !question.input.route_to) return std::nullopt;
  return question.input.route_to(space, Address::from(connection->remote));
}

}  // namespace

Decision accept_queue(const Question& question) {
  if (!names(question.finding, question.key))
    return Error(
        "the application asked for less than somaxconn allows, or has not called listen() since "
        "that was raised: raising it does nothing");
  if (!has(question.finding, "limit.somaxconn"))
    return Error("of another namespace: its somaxconn was not read");
  return multiplied(question, 4,
                    {.expected = "more connections wait for accept() instead of being dropped, "
                                 "once the program has called listen() again",
                     .verify = "listen_overflows of the listener stops growing; read back"});
}

// The kernel compares the half-open connections of a listener with its own backlog, which is what
// listen() asked for but at most somaxconn; then it sends cookies, or counts TCPReqQFullDrop.
Decision syn_queue(const Question& question) {
  if (is_flood(question.finding))
    return Error("few of the cookies came back: a SYN flood, which a longer queue only feeds");
  if (!names(question.finding, question.key))
    return Error("no listener asks for as much as somaxconn allows: raising it does nothing");
  return multiplied(question, 2,
                    {.expected = "listeners that ask for more in listen(), and call it again, keep "
                                 "more half-open connections; others are not helped",
                     .verify = "SyncookiesSent and TCPReqQFullDrop stop growing; read back"});
}

// tcp_max_syn_backlog is looked at where cookies are off, and what it drops is not counted as
// either.
Decision syn_backlog(const Question& question) {
  TRY(current(question));
  return Error(
      "the queue that was full is as long as listen() and somaxconn allow; this limit holds only "
      "without SYN cookies, which must stay on");
}

Decision keepalive_time(const Question& question) {
  CurrentSetting now = TRY(current(question));
  const auto pause_ms = measured(question.finding, "pause_ms");
  if (!pause_ms) return Error("how long the pause was is not known");
  const double pause_s = *pause_ms / 1000;
  const std::int64_t to = std::max(static_cast<std::int64_t>(pause_s / 2), kLeastKeepaliveSeconds);
  if (static_cast<double>(to) >= pause_s)
    return Error(
        fmt::format("a pause of {:.0f} s was too long: probes so often are for the program "
                    "to send (TCP_KEEPIDLE)",
                    pause_s));
  if (to >= now.numbers.front()) return Error(fmt::format("is {} s already", now.numbers.front()));
  return set_to(
      std::move(now), to,
      {.expected = "probes hold idle connections open, only of programs that set SO_KEEPALIVE",
       .verify = "pauses of pause_ms no longer end in a reset or in silence; read back"});
}

Decision slow_start_after_idle(const Question& question) {
  return set_to(TRY(current(question)), 0,
                {.expected = "after a pause the window is as large as before it",
                 .verify = "restarts no longer grow, and cwnd_after_pause is as cwnd_before_pause; "
                           "read back"});
}

Decision mtu_probing(const Question& question) {
  CurrentSetting now = TRY(current(question));
  if (now.numbers.front() != 0)
    return Error(fmt::format("is {} already: probing does not find a size that passes",
                             now.numbers.front()));
  return set_to(std::move(now), 1,
                {.expected = "after some timeouts the kernel tries smaller segments, which pass",
                 .verify = "mss_bytes falls, delivered_segments grows and backoff returns to 0 on "
                           "such connections; read back"});
}

Decision option_of_handshake(const Question& question) {
  CurrentSetting now = TRY(current(question));
  if (now.numbers.front() != 0)
    return Error("it is on here: the peer or a box on the path does without");
  return set_to(
      std::move(now), 1,
      {.expected = "connections opened later agree on the option, with peers that have it",
       .verify = "new connections to the same peer have the option, and this finding is "
                 "gone; read back"});
}

// Only towards where it was found, where a route leads there and not everywhere.
Decision congestion_control(const Question& question) {
  CurrentSetting now = TRY(current(question));
  const ChangeScope everywhere = now.scope;
  std::string in_force = now.value;
  if (const auto route = route_of(question, everywhere)) {
    now = TRY(current(question.about(kRouteControl), *route));
    if (now.value != now.tunable->standard) in_force = now.value;
  }
  if (in_force == "bbr") return Error("is bbr already");
  const auto available = value_at(question, everywhere, kAvailable);
  if (!available) return Error("which congestion controls this kernel has is not known here");
  if (!has_word(*available, "bbr"))
    return Error(fmt::format("this kernel has no bbr (available: {})", printable(*available)));
  if (question.input.tries)
    return Step{.now = std::move(now),
                .word = "bbr",
                .expected = "connections opened later do not take every loss for congestion",
                .verify = "by turns: tx_bytes_per_busy_s, against what is there; read back"};
  const std::string where = now.tunable->key == kRouteControl ? "@" + now.scope.name : "";
  return Error(
      fmt::format("a different congestion control is decided by experiment: netsonde tune "
                  "experiment --set {}{}=bbr --metric tx_bytes_per_busy_s",
                  now.tunable->key, where));
}

}  // namespace netsonde::policy
