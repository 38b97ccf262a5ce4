// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "user/model/diagnosis/host.h"
#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

namespace {

constexpr std::uint32_t kNoRtt = ~0U;
constexpr std::uint32_t kTargetUs = 5'000;  // RFC 8289: a queue that never gets shorter than this

// The least that stood in a queue at any look while the sender was busy.
std::uint32_t standing_queue_us(const Watched& w) {
  const std::uint32_t least = w.least_srtt_us, path = w.last.min_rtt_us;
  if (w.ticks_bulk < 2 || 2 * w.ticks_bulk < w.ticks || path == kNoRtt || least <= path) return 0;
  return least - path >= std::max(kTargetUs, path / 2) ? least - path : 0;
}

// Whether what waits in a queue is about what the connection waits for: at least half of what
// always stood on its way, and no more than twice what stood there last.
bool is_as_long(double drained_us, const Watched& w) {
  const double last_us =
      w.last.srtt_us > w.last.min_rtt_us ? w.last.srtt_us - w.last.min_rtt_us : 0;
  const double always_us = standing_queue_us(w);
  return 2 * drained_us >= always_us && drained_us <= 2 * std::max(always_us, last_us);
}

// The queue of an own device is what stands when draining it takes most of the delay. One that
// sends far less than the connection does has nothing of it.
void blame_own_queue(Finding& finding, const Observation& observation, const Watched& worst) {
  const double sent =
      static_cast<double>(worst.grew(&ev_sample::tx_bytes)) / seconds(observation.span());
  for (const std::string& qdisc : observation.host->instances("qdisc.backlog_bytes")) {
    const auto waiting = static_cast<double>(value_of(observation, "qdisc.backlog_bytes", qdisc));
    const double rate = observation.host->rate("qdisc.bytes", qdisc).value_or(0);
    if (waiting <= 0 || rate <= 0 || 2 * rate < sent || !is_as_long(1e6 * waiting / rate, worst))
      continue;
    finding.where = Where::Host;
    finding.advice = fmt::format(
        "The queue is this host's own, {}: fq_codel in its place, or inside it where it shapes, "
        "keeps it short for all who share "
        "it.",
        printable(qdisc));
    finding.tunables = {"net.core.default_qdisc"};
    finding.evidence.push_back(words("qdisc", qdisc));
    finding.evidence.push_back(
        host_figure("qdisc.backlog_bytes", static_cast<std::uint64_t>(waiting), Unit::Bytes));
    finding.evidence.push_back(figure("qdisc.bytes_per_s", rate, Unit::BytesPerSecond));
  }
}

// Busy for nine tenths of the time, and held back by no window and no buffer.
bool sent_all_the_time(const Watched& w, const Observation& observation) {
  const Nanos busy = std::chrono::milliseconds(w.grew(&ev_sample::busy_ms));
  return 10 * busy >= 9 * observation.span();
}

// What was sent and has not arrived: it was lost, or is still on its way. Less than nothing, when
// what was on its way before has arrived.
double not_arrived(const Watched& w) {
  return static_cast<double>(w.grew(&ev_sample::retransmitted_bytes)) +
         (1.0 * w.last.in_flight - w.base.in_flight) * w.last.mss;
}

// Of all connections of a network namespace that met a standing queue, in bytes per second.
struct QueuedRate {
  double sent = 0, lost = 0;
};
QueuedRate queued_rate(const Observation& observation, std::uint64_t netns) {
  QueuedRate rate;
  for (const Watched* w : observation.connections) {
    if (w->last.conn.netns != netns || !standing_queue_us(*w)) continue;
    rate.lost += not_arrived(*w);
    rate.sent += static_cast<double>(w->grew(&ev_sample::tx_bytes)) + not_arrived(*w);
  }
  rate.lost /= seconds(observation.span());
  rate.sent /= seconds(observation.span());
  return rate;
}

struct SendingDevice {
  std::string name{};
  double bytes_per_s = 0;
};

// The only device that sent what they sent: little more, for headers, or less, for it was read
// earlier. One that sent much more may have carried it too: then nobody knows.
std::optional<SendingDevice> device_that_sent(const Observation& observation, double bytes_per_s) {
  std::optional<SendingDevice> device;
  for (const std::string& name : observation.host->instances("device.tx_bytes")) {
    const auto bytes = static_cast<double>(grew(observation, "device.tx_bytes", name));
    const double rate = bytes / seconds(observation.host->counted());
    if (rate < 0.9 * bytes_per_s) continue;
    if (device || rate > 1.15 * bytes_per_s) return std::nullopt;
    device = SendingDevice{.name = name, .bytes_per_s = rate};
  }
  return device;
}

bool counted_as_long(const Observation& observation) {
  const Nanos counted = observation.host->counted(), span = observation.span();
  return counted > Nanos(0) && 10 * counted >= 9 * span && 10 * span >= 9 * counted;
}

// What the path took of what a device sent while a queue stood on it.
void add_sending_device(Finding& finding, const Watched& worst, const Observation& observation) {
  if (finding.where == Where::Host || !sent_all_the_time(worst, observation) ||
      !counted_as_long(observation))
    return;
  const QueuedRate theirs = queued_rate(observation, worst.last.conn.netns);
  const auto device = device_that_sent(observation, theirs.sent);
  if (!device) return;
  finding.evidence.push_back(words("device", device->name));
  finding.evidence.push_back(
      figure("device.tx_bytes_per_s", std::round(device->bytes_per_s), Unit::BytesPerSecond));
  finding.evidence.push_back(figure(
      "path_bytes_per_s", std::round(device->bytes_per_s - theirs.lost), Unit::BytesPerSecond));
}

}  // namespace

Findings bufferbloat(const Observation& observation) {
  const auto weight = [](const Watched& w) -> double { return standing_queue_us(w); };
  Findings findings;
  for (const Group& group : grouped(observation.connections, weight)) {
    const Watched& worst = group.worst();
    Finding finding = on_group(group, observation, Severity::Warning, Where::Network);
    finding.impact.time = observation.span();
    finding.impact.bytes = group.grew(&ev_sample::tx_bytes);
    finding.evidence = {
        evidence("min_rtt_us", std::uint64_t{worst.last.min_rtt_us}),
        figure("least_srtt_us", std::uint64_t{worst.least_srtt_us}, Unit::Microseconds),
        figure("standing_queue_us", std::uint64_t{standing_queue_us(worst)}, Unit::Microseconds),
        figure("looks", std::uint64_t{worst.ticks_bulk}, Unit::Count)};
    finding.text = fmt::format(
        "A queue stands on the way: the round trip takes at least {} where the path needs {}.",
        duration_text(worst.least_srtt_us), duration_text(worst.last.min_rtt_us));
    finding.advice = "Whoever shares that queue waits as long. ";
    if (fixed_string(worst.last.congestion) == "bbr") {
      finding.advice += "This sender's bbr keeps its own share short: look who else fills it.";
    } else {
      finding.advice +=
          "Pacing, or a congestion control that keeps queues short (bbr), shortens it from here.";
      finding.tunables = {"net.ipv4.tcp_congestion_control"};
    }
    if (observation.host && value_of(observation, "netns.inode") &&
        value_of(observation, "netns.inode") != worst.last.conn.netns) {
      doubt(finding, Confidence::Medium, "the queues of its network namespace were not looked at");
    } else if (observation.host) {
      blame_own_queue(finding, observation, worst);
      add_sending_device(finding, worst, observation);
    }
    if (worst.ticks_bulk < 4)
      doubt(finding, Confidence::Medium, "the round trip was looked at fewer than four times");
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
