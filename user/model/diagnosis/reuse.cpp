// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "user/model/diagnosis/group.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr std::size_t kLeastChurn = 10;
constexpr std::uint64_t kPauseMs = 10'000;
constexpr Nanos kShortLife = std::chrono::seconds(1);

Nanos life(const Watched& w) {
  return Nanos(static_cast<std::int64_t>(w.last.header.time_ns - w.last.conn.start_ns));
}

// Whether connections could have been reused: opened and closed meanwhile by one process towards
// one service, and short.
bool is_short(const Watched& w) {
  return w.opened && w.closed && w.last.conn.direction == EV_OUT && w.last.established_ns &&
         life(w) < kShortLife;
}

std::uint64_t handshake_ns(const Watched& w) {
  return w.last.established_ns > w.last.conn.start_ns ? w.last.established_ns - w.last.conn.start_ns
                                                      : 0;
}

// Ended without an answer to the first data after a long pause.
bool died_after_pause(const Watched& w) {
  if (!w.closed || w.unanswered_pause_ms < kPauseMs) return false;
  const std::string_view end = end_name(w.last);
  const bool silent = w.last.last_received_ms >= w.last.last_sent_ms;
  return silent && (end == "reset_received" || end == "timeout");
}

}  // namespace

Findings connection_churn(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    return is_short(w) ? static_cast<double>(life(w).count()) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const double per_second = static_cast<double>(group.size()) / seconds(observation.span());
    if (group.size() < kLeastChurn || per_second < 1) continue;
    const std::uint64_t handshakes = group.sum(handshake_ns);
    const std::uint64_t lives =
        group.sum([](const Watched& w) { return static_cast<std::uint64_t>(life(w).count()); });
    const double share = static_cast<double>(handshakes) / static_cast<double>(lives);
    const bool much = share >= 0.25 &&
                      static_cast<double>(handshakes) / 1e9 >= 0.05 * seconds(observation.span());
    Finding finding =
        on_group(group, observation, much ? Severity::Warning : Severity::Info, Where::Application);
    finding.impact.time = Nanos(static_cast<std::int64_t>(handshakes));
    finding.impact.bytes = group.grew(&ev_sample::tx_bytes) + group.grew(&ev_sample::rx_bytes);
    finding.evidence = {
        figure("connections_per_s", per_second, Unit::PerSecond),
        figure("mean_life_us", lives / group.size() / 1000, Unit::Microseconds),
        figure("handshakes_us", handshakes / 1000, Unit::Microseconds),
        figure("handshake_share_percent", 100 * share, Unit::Percent),
        figure("bytes_per_connection", *finding.impact.bytes / group.size(), Unit::Bytes)};
    finding.text = fmt::format(
        "{} short connections to one place, {} per second; {} of their life went into the "
        "handshake.",
        group.size(), short_count(per_second), percent(share));
    finding.advice =
        "Reuse them (keep-alive, a pool): that saves the handshakes, and TLS's with them.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings idle_reset(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return died_after_pause(w); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const Watched& worst = group.worst();
    Finding finding = on_group(group, observation, Severity::Warning, Where::Network);
    finding.impact.attempts = group.size();
    finding.impact.bytes = group.sum([](const Watched& w) { return w.last.send_queue; });
    finding.evidence = {figure("pause_ms", worst.unanswered_pause_ms, Unit::Milliseconds),
                        words("end", end_name(worst.last)),
                        evidence("last_received_ms", std::uint64_t{worst.last.last_received_ms})};
    finding.text = fmt::format(
        "After a pause of {} the first data was answered by {}: something on the "
        "way, or the peer, had forgotten the connection.",
        duration_text(worst.unanswered_pause_ms * 1000),
        end_name(worst.last) == "timeout" ? "silence" : "a reset");
    finding.advice =
        "Firewalls and NAT forget idle connections. Keep-alive probes sent more often "
        "than they do (SO_KEEPALIVE, tcp_keepalive_time) hold them open.";
    finding.tunables = {"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_keepalive_intvl"};
    doubt(finding, Confidence::Medium, "a peer that restarted looks the same");
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
