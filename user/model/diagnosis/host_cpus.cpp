// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "user/model/diagnosis/host.h"
#include "user/model/diagnosis/rules.h"

// How the work that packets make is spread over CPUs.
namespace netsonde::rules {

namespace {

// How many queues the device has, and which of them choose the CPU of a packet.
void add_queues(Finding& finding, const Observation& observation, std::string_view device) {
  for (const std::string_view name : {"queues.rx", "queues.rx_rps", "queues.tx", "queues.tx_xps"})
    if (const auto count = observation.host->value(name, device))
      finding.evidence.push_back(host_figure(name, *count));
}

// "eth0/27/cpu1": interrupts of a device by CPU.
std::map<std::string, std::map<std::string, std::uint64_t>> interrupts(
    const Observation& observation) {
  std::map<std::string, std::map<std::string, std::uint64_t>> by_device;
  for (const std::string& instance : observation.host->instances("irq.count")) {
    const std::size_t device = instance.find('/'), cpu = instance.rfind('/');
    if (device == std::string::npos) continue;
    by_device[instance.substr(0, device)][instance.substr(cpu + 1)] +=
        grew(observation, "irq.count", instance);
  }
  return by_device;
}

}  // namespace

Findings irq_imbalance(const Observation& observation) {
  constexpr std::uint64_t kLeastPerSecond = 1000;
  Findings findings;
  for (const auto& [device, cpus] : interrupts(observation)) {
    const std::uint64_t total =
        std::accumulate(cpus.begin(), cpus.end(), std::uint64_t{0},
                        [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
    const auto busiest =
        std::ranges::max_element(cpus, {}, [](const auto& entry) { return entry.second; });
    const std::uint64_t squeezed = grew(observation, "softnet.squeezed", busiest->first) +
                                   grew(observation, "softnet.dropped", busiest->first);
    const bool busy = static_cast<double>(total) >= kLeastPerSecond * seconds(observation.span());
    // Much on one CPU is a fault only where that one does not keep up and others could help.
    if (cpus.size() < 2 || !busy || !squeezed || 3 * busiest->second < 2 * total) continue;
    Finding finding = on_part(observation, device, Severity::Warning);
    finding.impact.segments = grew(observation, "softnet.processed", busiest->first);
    finding.evidence = {host_figure("irq.count", total),
                        words("busiest", busiest->first),
                        host_figure("irq.count of the busiest", busiest->second),
                        grown_figure(observation, "softnet.squeezed", busiest->first),
                        grown_figure(observation, "softnet.dropped", busiest->first),
                        value_figure(observation, "channels.combined", device),
                        value_figure(observation, "channels.combined_max", device)};
    add_queues(finding, observation, device);
    finding.text =
        fmt::format("{} of the interrupts of {} go to {}, which does not keep up.",
                    percent(static_cast<double>(busiest->second) / static_cast<double>(total)),
                    printable(device), busiest->first);
    finding.advice =
        "More queues (ethtool -L), interrupts spread over CPUs (irqbalance, "
        "/proc/irq/N/smp_affinity), or RPS where the card has one queue only.";
    findings.push_back(std::move(finding));
  }
  return findings;
}

namespace {

struct CpuShare {
  std::string cpu;
  double share = 0;  // of the time, in interrupts and softirqs
};

// Of the CPUs that were there all the time: one that came back counts from long ago.
std::vector<CpuShare> softirq_shares(const Observation& observation) {
  constexpr double kLeastMs = 1000, kRounding = 1.1;  // the kernel counts in steps of 10 ms
  const auto clock_ms = static_cast<double>(grew(observation, "cpu.clock_ms"));
  std::vector<CpuShare> shares;
  if (clock_ms < kLeastMs) return shares;
  for (const std::string& cpu : observation.host->instances("cpu.softirq_ms")) {
    const std::uint64_t ms =
        grew(observation, "cpu.softirq_ms", cpu) + grew(observation, "cpu.irq_ms", cpu);
    const double share = static_cast<double>(ms) / clock_ms;
    if (share <= kRounding) shares.push_back({.cpu = cpu, .share = std::min(share, 1.0)});
  }
  return shares;
}

// The device that received most; empty when none did.
std::string busiest_device(const Observation& observation) {
  const std::vector<std::string> devices = grown(observation, "device.rx_packets");
  return devices.empty() ? "" : devices.front();
}

std::string advice_on_queues(const Observation& observation, const std::string& device) {
  const auto queues = observation.host->value("queues.rx", device);
  const bool rps = value_of(observation, "queues.rx_rps", device) > 0;
  if (queues == 1U && !rps)
    return fmt::format(
        "{} has one receive queue and RPS is off: more queues (ethtool -L) where the card has "
        "them, else a mask of CPUs in /sys/class/net/{}/queues/rx-0/rps_cpus.",
        printable(device), printable(device));
  if (queues > 1U && !rps)
    return fmt::format(
        "{} has {} receive queues: look whether their interrupts go to different CPUs "
        "(/proc/irq/N/smp_affinity) and how packets are spread over them (RSS, ethtool -x). The "
        "packets of one connection stay on one CPU.",
        printable(device), *queues);
  return "Spread the packets over more CPUs: RSS (more queues, ethtool -L and -x) or RPS "
         "(rps_cpus). Those of one connection stay on one CPU.";
}

}  // namespace

Findings softirq_hot_cpu(const Observation& observation) {
  constexpr double kHot = 0.8;
  constexpr double kLeastPackets = 1000;  // a second; below, it is not the network's work
  const std::vector<CpuShare> shares = softirq_shares(observation);
  if (shares.size() < 2) return {};
  double sum = 0;
  for (const CpuShare& each : shares) sum += each.share;
  const double span = static_cast<double>(grew(observation, "cpu.clock_ms")) / 1000;
  const std::string device = busiest_device(observation);
  Findings findings;
  for (const auto& [cpu, share] : shares) {
    const double others = (sum - share) / static_cast<double>(shares.size() - 1);
    const std::uint64_t packets = grew(observation, "softnet.processed", cpu);
    if (share <= kHot || 2 * others >= share || static_cast<double>(packets) < kLeastPackets * span)
      continue;
    Finding finding = on_part(observation, cpu, Severity::Warning);
    finding.impact.segments = packets;
    finding.evidence = {words("interrupts and softirqs", percent(share)),
                        words("of the other CPUs", percent(others)),
                        host_figure("softnet.processed", packets)};
    if (!device.empty()) finding.evidence.push_back(words("busiest device", printable(device)));
    add_queues(finding, observation, device);
    finding.text = fmt::format(
        "{} spends {} of its time on interrupts and packets, the other CPUs {} of theirs: it "
        "limits what this host can receive.",
        cpu, percent(share), percent(others));
    finding.advice = advice_on_queues(observation, device);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace netsonde::rules
