// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "user/model/diagnosis/group.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr double kNoticedMs =
    50;  // data that waits longer than this for its reader is worth a word

Nanos ms(double count) {
  return std::chrono::duration_cast<Nanos>(std::chrono::duration<double, std::milli>(count));
}

// The mean time from arrival to reading, by Little's law: what waits on average over what arrives,
// both in the same time, so that a connection may rest or begin in the midst of it.
// Where nothing was read at all: how long the newest byte has waited.
double pick_up_ms(const Watched& w, const Observation& observation) {
  const ev_sample& s = w.last;
  if (w.closed) return 0;
  const auto arrived = static_cast<double>(w.grew(&ev_sample::rx_bytes));
  if (arrived <= 0) {
    const double at_rest = static_cast<double>((observation.to - time_from_ns(s.header.time_ns)) /
                                               std::chrono::milliseconds(1));
    return s.receive_queue ? s.last_received_ms + std::max(at_rest, 0.0) : 0;
  }
  if (2 * w.ticks_unread < w.ticks || w.ticks < 2) return 0;
  return w.unread.byte_ms(observation.to) / arrived;
}

// As the kernel counts it; it goes on counting while nothing happens.
std::uint64_t shut_for_ms(const Watched& w, const Observation& observation) {
  return w.ticks ? w.grew(&ev_sample::rwnd_limited_ms)
                 : static_cast<std::uint64_t>(observation.span() / std::chrono::milliseconds(1));
}

Finding shut(const Group& group, const Observation& observation, bool ours, std::uint64_t ticks) {
  // One look of several may have hit the moment between a full buffer and the read that empties it.
  const Watched& worst = group.worst();
  const bool passing = (ours ? worst.ticks_own_shut : worst.ticks_peer_shut) < 2 && worst.ticks > 1;
  Finding finding = on_group(group, observation, passing ? Severity::Info : Severity::Warning,
                             ours ? Where::Application : Where::Peer);
  finding.evidence = {figure("looks_with_window_shut", ticks, Unit::Count)};
  if (ours)
    finding.evidence.push_back(
        evidence("receive_queue_bytes", std::uint64_t{group.worst().last.receive_queue}));
  else
    finding.evidence.push_back(
        evidence("not_sent_bytes", std::uint64_t{group.worst().last.not_sent}));
  return finding;
}

}  // namespace

Findings zero_window(const Observation& observation) {
  Findings findings;
  const auto peers = [](const Watched& w) -> double { return w.ticks_peer_shut; };
  for (const Group& group : grouped(observation.connections, peers)) {
    Finding finding = shut(group, observation, false,
                           group.sum([](const Watched& w) { return w.ticks_peer_shut; }));
    const std::uint64_t shut_ms =
        group.sum([&](const Watched& w) { return shut_for_ms(w, observation); });
    finding.impact.time = ms(static_cast<double>(shut_ms));
    finding.evidence.push_back(evidence("receive_window_limited_ms", shut_ms));
    finding.text =
        fmt::format("The peer shut its window: {} had data to send and might not.", these(group));
    finding.advice = "The process at the other end does not read; nothing on the way helps.";
    if (const Connection* other = other_end(observation, group.worst().last.conn)) {
      finding.where = Where::Application;
      finding.advice =
          fmt::format("{}[{}] at the other end, on this host, does not read.",
                      printable(fixed_string(other->last.conn.comm)), other->last.conn.pid);
    }
    findings.push_back(std::move(finding));
  }
  const auto ours = [](const Watched& w) -> double { return w.ticks_own_shut; };
  for (const Group& group : grouped(observation.connections, ours)) {
    Finding finding = shut(group, observation, true,
                           group.sum([](const Watched& w) { return w.ticks_own_shut; }));
    finding.text = fmt::format(
        "The application does not read: its buffer is full and {} told the "
        "peer to stop.",
        these(group));
    finding.advice = "Look at what the process does instead of reading.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings slow_reader(const Observation& observation) {
  const auto weight = [&](const Watched& w) {
    const double wait = pick_up_ms(w, observation);
    return wait >= kNoticedMs ? wait : 0;
  };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const double wait = weight(group.worst());
    Finding finding = on_group(
        group, observation, wait >= 1000 ? Severity::Warning : Severity::Info, Where::Application);
    finding.impact.time = ms(wait);
    finding.impact.bytes = group.sum([](const Watched& w) { return w.last.receive_queue; });
    finding.evidence = {
        figure("pick_up_ms", wait, Unit::Milliseconds),
        evidence("receive_queue_bytes", std::uint64_t{group.worst().last.receive_queue}),
        evidence("last_received_ms", std::uint64_t{group.worst().last.last_received_ms})};
    finding.text = fmt::format("Data that has arrived waits {} until the application reads it.",
                               duration_text(static_cast<std::uint64_t>(wait * 1000)));
    finding.advice = "The network has delivered; look at what the process does instead of reading.";
    if (group.worst().ticks && group.worst().ticks < 5)
      doubt(finding, Confidence::Medium, "the queue was looked at fewer than five times");
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
