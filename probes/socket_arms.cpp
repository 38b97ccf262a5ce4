// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "probes/arms.h"

namespace netsonde {

namespace {

// What the kernel says of the socket must be as wanted.
template <typename T>
ReadBack kernel_says(const char* what, T wanted,
                     std::function<std::optional<T>(const KernelFacts&)> get) {
  return each([=](const Attempt& attempt) -> Wrong {
    const auto found = attempt.kernel ? get(*attempt.kernel) : std::nullopt;
    if (!found) return fmt::format("the kernel does not tell {}", what);
    return unless(*found == wanted, fmt::format("{} is {}", what, *found));
  });
}

// The kernel's own way first, then each value; set: brings one about, and how to see it.
std::vector<Arm> numeric(const FactorSettings& settings, const std::vector<std::uint64_t>& usual,
                         std::string advice_default, const std::function<void(Arm&, int)>& set) {
  Arm untouched = arm_of(settings, "default", std::move(advice_default));
  std::vector<Arm> arms = {untouched};
  for (const std::uint64_t value : settings.values.empty() ? usual : settings.values) {
    Arm arm = arm_of(settings, fmt::format("{}", value), "");
    set(arm, static_cast<int>(value));
    arms.push_back(std::move(arm));
  }
  return arms;
}

}  // namespace

std::vector<Arm> congestion_arms(const FactorSettings& settings) {
  std::vector<Arm> arms;
  for (const std::string& name : settings.congestion_controls) {
    Arm arm = arm_of(settings, name, "set net.ipv4.tcp_congestion_control=" + name);
    arm.request.socket.congestion = name;
    arm.not_in_force = kernel_says<std::string>(
        "congestion control", name,
        [](const KernelFacts& facts) { return std::optional(facts.congestion_control); });
    arms.push_back(std::move(arm));
  }
  return arms;
}

std::vector<Arm> receive_buffer_arms(const FactorSettings& settings) {
  const auto set = [](Arm& arm, int bytes) {
    arm.advice = fmt::format("set SO_RCVBUF to {}", bytes);
    arm.request.socket.receive_buffer = bytes;
    // The kernel takes twice as much as it is asked for, up to twice net.core.rmem_max.
    arm.not_in_force = kernel_says<std::uint64_t>(
        "the receive buffer (net.core.rmem_max is its limit)",
        2 * static_cast<std::uint64_t>(bytes), [](const KernelFacts& facts) {
          return std::optional<std::uint64_t>(facts.receive_buffer_bytes);
        });
  };
  return numeric(settings, {64 << 10, 256 << 10, 1 << 20}, "leave the receive buffer to the kernel",
                 set);
}

std::vector<Arm> notsent_lowat_arms(const FactorSettings& settings) {
  const auto set = [](Arm& arm, int bytes) {
    arm.advice = fmt::format("set TCP_NOTSENT_LOWAT to {}", bytes);
    arm.request.socket.notsent_lowat = bytes;
    arm.not_in_force = kernel_says<std::uint64_t>(
        "TCP_NOTSENT_LOWAT", static_cast<std::uint64_t>(bytes), [](const KernelFacts& facts) {
          return std::optional<std::uint64_t>(facts.notsent_lowat_bytes);
        });
  };
  return numeric(settings, {16 << 10, 128 << 10}, "leave TCP_NOTSENT_LOWAT alone", set);
}

std::vector<Arm> dscp_arms(const FactorSettings& settings) {
  const auto set = [](Arm& arm, int mark) {
    arm.advice = fmt::format("mark packets with DSCP {}", mark);
    arm.request.socket.dscp = mark;
    arm.not_in_force =
        kernel_says<int>("DSCP", mark, [](const KernelFacts& facts) { return facts.dscp; });
  };
  return numeric(settings, {8, 46}, "leave packets unmarked", set);
}

std::vector<Arm> nodelay_arms(const FactorSettings& settings) {
  const auto nagle = [&](bool delay, const char* name, const char* advice) {
    Arm arm = arm_of(settings, name, advice);
    arm.request.socket.delay = delay;
    arm.not_in_force = kernel_says<bool>("TCP_NODELAY", !delay,
                                         [](const KernelFacts& facts) { return facts.nodelay; });
    return arm;
  };
  return {nagle(false, "on", "set TCP_NODELAY"), nagle(true, "off", "leave TCP_NODELAY off")};
}

std::vector<std::string> congestion_choices() {
  std::string first, name;
  std::ifstream("/proc/sys/net/ipv4/tcp_congestion_control") >> first;
  std::vector<std::string> all;
  if (!first.empty()) all.push_back(first);
  std::ifstream available("/proc/sys/net/ipv4/tcp_available_congestion_control");
  while (available >> name)
    if (name != first) all.push_back(name);
  return all;
}

}  // namespace netsonde
