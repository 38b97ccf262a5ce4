// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "user/model/diagnosis/host.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr std::uint32_t kLongPathUs = 5'000;
constexpr std::uint32_t kFastPathUs = 10'000;
constexpr std::uint32_t kInitialWindow = 10;  // segments, RFC 6928

bool is_small_talk(const Watched& w) {
  const std::uint32_t segments = w.grew(&ev_sample::data_segs_out);
  return segments && 2 * w.ticks_bulk <= w.ticks &&
         w.grew(&ev_sample::tx_bytes) / segments < w.last.mss / 2;
}

Nanos life(const Watched& w) {
  return Nanos(static_cast<std::int64_t>(w.last.header.time_ns - w.last.conn.start_ns));
}

// What was sent after each pause was more than the window that it left.
bool had_to_grow_again(const Watched& w) {
  return w.grew(&ev_sample::data_segs_out) > w.restarts * w.cwnd_after;
}

// Had to wait for the window to grow, never saw a loss, and was over within a few round trips. A
// slow start may end without a loss: cubic leaves it when the round trip grows (HyStart).
bool ended_while_growing(const Watched& w) {
  const ev_sample& s = w.last;
  const bool grew = s.cwnd > kInitialWindow;
  const bool lost = s.retransmitted || s.recoveries || s.losses;
  return w.opened && w.closed && s.srtt_us >= kLongPathUs && grew && !lost &&
         s.tx_bytes > std::uint64_t{kInitialWindow} * s.mss &&
         life(w) < 20 * std::chrono::microseconds(s.srtt_us);
}

}  // namespace

Findings delayed_ack(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    const bool often = w.rtt.delayed >= 3 && 4 * w.rtt.delayed >= w.rtt.samples;
    const bool near = w.last.min_rtt_us < kFastPathUs;
    return often && near && is_small_talk(w) ? w.rtt.delayed : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const std::uint64_t delayed = group.sum([](const Watched& w) { return w.rtt.delayed; });
    const std::uint64_t nagled = group.sum([](const Watched& w) { return w.ticks_nagled; });
    Finding finding = on_group(group, observation, Severity::Warning, Where::Application);
    finding.impact.time = std::chrono::microseconds(
        static_cast<std::int64_t>(group.sum([](const Watched& w) { return w.rtt.delayed_us; })));
    finding.evidence = {
        figure("rtt_samples_36_to_60_ms", delayed, Unit::Count),
        figure("rtt_samples", group.sum([](const Watched& w) { return w.rtt.samples; }),
               Unit::Count),
        evidence("min_rtt_us", std::uint64_t{group.worst().last.min_rtt_us}),
        figure("looks_with_a_small_rest_held_back", nagled, Unit::Count)};
    finding.text = fmt::format(
        "Small messages wait for delayed acknowledgements: {} round trips took about 40ms where "
        "the "
        "path needs {}.",
        delayed, duration_text(group.worst().last.min_rtt_us));
    finding.advice =
        "Send each message with one write (or writev, MSG_MORE), or set TCP_NODELAY; at "
        "the receiver TCP_QUICKACK.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings idle_restart(const Observation& observation) {
  if (observation.host && observation.host->value("setting.tcp_slow_start_after_idle") == 0U)
    return {};
  const auto weight = [](const Watched& w) -> double {
    return had_to_grow_again(w) ? w.restarts : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const Watched& worst = group.worst();
    Finding finding = on_group(group, observation, Severity::Info, Where::Host);
    finding.impact.bytes = group.grew(&ev_sample::tx_bytes);
    finding.evidence = {
        figure("restarts", group.sum([](const Watched& w) { return w.restarts; }), Unit::Count),
        figure("cwnd_before_pause", std::uint64_t{worst.cwnd_before}, Unit::Segments),
        figure("cwnd_after_pause", std::uint64_t{worst.cwnd_after}, Unit::Segments),
        figure("pause_ms", worst.pause_ms, Unit::Milliseconds),
        evidence("rto_us", std::uint64_t{worst.last.rto_us})};
    finding.text = fmt::format(
        "After a pause longer than the RTO the congestion window was cut from "
        "{} to {} segments without any loss, and had to grow again.",
        worst.cwnd_before, worst.cwnd_after);
    finding.advice =
        "Where bursts after a pause should be fast and the path is well known, set "
        "tcp_slow_start_after_idle to 0.";
    finding.tunables = {"net.ipv4.tcp_slow_start_after_idle"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings slow_start(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double {
    return ended_while_growing(w) ? static_cast<double>(w.last.tx_bytes) : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    if (group.size() < 3) continue;
    Finding finding = on_group(group, observation, Severity::Info, Where::Application);
    Nanos time{0};
    for (const Watched* w : group.members()) time += life(*w);
    finding.impact.time = time;
    finding.impact.bytes = group.grew(&ev_sample::tx_bytes);
    finding.evidence = {evidence("tx_bytes", group.grew(&ev_sample::tx_bytes)),
                        evidence("srtt_us", std::uint64_t{group.worst().last.srtt_us}),
                        evidence("cwnd_segments", std::uint64_t{group.worst().last.cwnd})};
    finding.text = fmt::format(
        "{} were over within a few round trips while their congestion window was still growing: "
        "how long they took is the window's doing more than the path's.",
        these(group));
    finding.advice =
        "Reuse connections, so that the window stays grown; initcwnd on the route starts "
        "higher.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
