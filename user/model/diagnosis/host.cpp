// SPDX-License-Identifier: Apache-2.0
#include "user/model/diagnosis/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "user/model/diagnosis/rules.h"

namespace netsonde::rules {

Finding on_part(const Observation& observation, std::string_view part, Severity severity,
                Where where) {
  Finding finding;
  finding.severity = severity;
  finding.where = where;
  finding.subject.part = part;
  finding.since = observation.from;
  return finding;
}

Evidence host_figure(std::string_view name, std::uint64_t value, Unit unit) {
  return figure(name, value, unit);
}

std::uint64_t grew(const Observation& observation, std::string_view name,
                   std::string_view instance) {
  return observation.host->delta(name, instance).value_or(0);
}

std::uint64_t value_of(const Observation& observation, std::string_view name,
                       std::string_view instance) {
  return observation.host->value(name, instance).value_or(0);
}

Evidence grown_figure(const Observation& observation, std::string_view name,
                      std::string_view instance) {
  return host_figure(name, grew(observation, name, instance));
}

Evidence value_figure(const Observation& observation, std::string_view name,
                      std::string_view instance, Unit unit) {
  return host_figure(name, value_of(observation, name, instance), unit);
}

std::vector<std::string> grown(const Observation& observation, std::string_view name) {
  std::vector<std::string> instances = observation.host->instances(name);
  std::erase_if(instances, [&](const std::string& i) { return grew(observation, name, i) == 0; });
  std::ranges::stable_sort(instances, std::greater(),
                           [&](const std::string& i) { return grew(observation, name, i); });
  return instances;
}

Findings softnet_drops(const Observation& observation) {
  Findings findings;
  for (const std::string& cpu : grown(observation, "softnet.dropped")) {
    const std::uint64_t dropped = grew(observation, "softnet.dropped", cpu);
    Finding finding = on_part(observation, cpu, Severity::Critical);
    finding.impact.segments = dropped;
    finding.evidence = {host_figure("softnet.dropped", dropped),
                        grown_figure(observation, "softnet.processed", cpu),
                        value_figure(observation, "limit.netdev_max_backlog")};
    finding.text = fmt::format(
        "The queue between the interrupt and the network stack of {} was full: {} "
        "packets were dropped before anybody looked at them.",
        cpu, dropped);
    finding.advice =
        "Spread the load over more CPUs (RSS, RPS); a longer queue (netdev_max_backlog) "
        "helps against bursts alone.";
    finding.tunables = {"net.core.netdev_max_backlog"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings softnet_squeeze(const Observation& observation) {
  Findings findings;
  for (const std::string& cpu : grown(observation, "softnet.squeezed")) {
    const std::uint64_t squeezed = grew(observation, "softnet.squeezed", cpu);
    Finding finding = on_part(observation, cpu, Severity::Info);
    finding.impact.segments = grew(observation, "softnet.processed", cpu);
    finding.evidence = {
        host_figure("softnet.squeezed", squeezed),
        grown_figure(observation, "softnet.processed", cpu),
        value_figure(observation, "limit.netdev_budget"),
        value_figure(observation, "limit.netdev_budget_usecs", "", Unit::Microseconds)};
    finding.text = fmt::format(
        "{} ran out of its budget for packets {} times with more waiting: they "
        "had to wait for the next round.",
        cpu, squeezed);
    finding.advice =
        "A few are harmless. Where packets are dropped too (softnet-drops), spread the "
        "load over more CPUs; a larger budget delays everything else on this one.";
    finding.tunables = {"net.core.netdev_budget", "net.core.netdev_budget_usecs"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

// What a device counts when something went wrong; what it drops on purpose is not among it.
constexpr std::array<std::string_view, 11> kDeviceFaults = {
    "device.rx_errors",         "device.tx_errors",         "device.rx_crc_errors",
    "device.rx_frame_errors",   "device.rx_fifo_errors",    "device.rx_missed_errors",
    "device.rx_over_errors",    "device.tx_carrier_errors", "device.tx_fifo_errors",
    "device.tx_aborted_errors", "device.carrier_changes"};

std::string_view advice_on_device(const Observation& observation, const std::string& device) {
  const auto more = [&](std::string_view name) { return grew(observation, name, device) > 0; };
  if (more("device.rx_crc_errors") || more("device.rx_frame_errors"))
    return "Damaged frames: look at cable, transceiver and the other end of the link.";
  if (more("device.rx_fifo_errors") || more("device.rx_missed_errors") ||
      more("device.rx_over_errors"))
    return "The card had no room: a larger receive ring (ethtool -G) or more queues (ethtool -L), "
           "and "
           "CPUs that keep up.";
  if (more("device.carrier_changes"))
    return "The link went down or up: look at cable, transceiver and the other end.";
  return "ethtool -S shows which of the card's own counters grow with it.";
}

}  // namespace

Findings device_errors(const Observation& observation) {
  Findings findings;
  for (const std::string& device : observation.host->instances("device.rx_packets")) {
    std::uint64_t errors = 0;
    std::vector<Evidence> evidence;
    for (const std::string_view name : kDeviceFaults) {
      const std::uint64_t more = grew(observation, name, device);
      if (more) evidence.push_back(host_figure(name, more));
      errors = std::max(errors, more);  // the kernel counts many of them twice
    }
    if (!errors) continue;
    evidence.push_back(grown_figure(observation, "device.rx_packets", device));
    evidence.push_back(grown_figure(observation, "device.tx_packets", device));
    Finding finding = on_part(observation, device, Severity::Warning);
    finding.impact.segments = errors;
    finding.evidence = std::move(evidence);
    finding.text = fmt::format("The device {} counts errors: {}.", printable(device), errors);
    finding.advice = advice_on_device(observation, device);
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings qdisc_drops(const Observation& observation) {
  Findings findings;
  for (const std::string& qdisc : grown(observation, "qdisc.drops")) {
    const std::uint64_t dropped = grew(observation, "qdisc.drops", qdisc);
    Finding finding = on_part(observation, qdisc, Severity::Warning);
    finding.impact.segments = dropped;
    finding.evidence = {host_figure("qdisc.drops", dropped),
                        grown_figure(observation, "qdisc.packets", qdisc),
                        value_figure(observation, "qdisc.backlog_bytes", qdisc, Unit::Bytes),
                        grown_figure(observation, "qdisc.overlimits", qdisc)};
    finding.text = fmt::format("The queue {} of this host dropped {} packets on their way out.",
                               printable(qdisc), dropped);
    finding.advice =
        "It is shaped (tbf, htb), shorter than the bursts, or slower than what is sent: "
        "local-drop names the connections. fq_codel drops little and early on purpose.";
    finding.tunables = {"net.core.default_qdisc"};
    findings.push_back(std::move(finding));
  }
  return findings;
}

Findings offloads_off(const Observation& observation) {
  constexpr std::array<std::string_view, 5> kOffloads = {
      "offload.tso", "offload.gso", "offload.gro", "offload.tx-checksum", "offload.rx-checksum"};
  constexpr std::uint64_t kLeastBytes = 10'000'000;  // per second: below, nobody notices
  Findings findings;
  for (const std::string& device : observation.host->instances("device.rx_packets")) {
    std::vector<Evidence> off;
    std::string names;
    for (const std::string_view offload : kOffloads) {
      const std::string fixed = std::string(offload) + ".fixed";
      if (observation.host->value(offload, device) != std::uint64_t{0} ||
          value_of(observation, fixed, device))
        continue;
      off.push_back(host_figure(offload, 0));
      names += (names.empty() ? "" : ", ") + std::string(offload.substr(8));
    }
    const std::uint64_t bytes =
        grew(observation, "device.tx_bytes", device) + grew(observation, "device.rx_bytes", device);
    if (off.empty() || static_cast<double>(bytes) < kLeastBytes * seconds(observation.span()))
      continue;
    off.push_back(host_figure("device.bytes", bytes, Unit::Bytes));
    Finding finding = on_part(observation, device, Severity::Info);
    finding.impact.bytes = bytes;
    finding.evidence = std::move(off);
    finding.text = fmt::format(
        "On {} these are switched off, though the device could do them: {}. Each "
        "costs CPU time per packet.",
        printable(device), names);
    finding.advice =
        "ethtool -K switches them on; they may have been switched off against a fault of "
        "the card or for capturing packets.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
