// SPDX-License-Identifier: Apache-2.0
#include "tuner/by_hand.h"

#include <fmt/format.h>

#include <array>
#include <sstream>

#include "tuner/qdisc_kind.h"
#include "user/base/text.h"

namespace netsonde {

namespace {

// One word of a shell, whatever it holds: a device may be called "$(reboot)".
std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,@%+";
  if (!text.empty() && text.find_first_not_of(kPlain) == text.npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

// Before a command that is to run in the scope.
std::string entering(const ChangeScope& scope) {
  if (scope.kind == ScopeKind::Host) return {};
  return fmt::format(
      "nsenter --net --target \"$(lsns -n -t net -o NS,PID | awk '$1 == {} {{ print $2 }}')\" ",
      scope.kind == ScopeKind::Namespace ? printable(scope.name) : std::to_string(scope.netns));
}

// One htb does not become another.
std::string shaper_command(const std::string& device, const Shaper& shaper) {
  const std::uint32_t root = handle_of_qdisc(shaper.kind).value_or(0) >> 16;
  const std::uint64_t bits = 8 * shaper.bytes_per_s;
  const ShaperQueue queue = shaper_queue(shaper.bytes_per_s);
  if (shaper.kind == "tbf")
    return fmt::format("tc qdisc replace dev {} root handle {:x}: tbf rate {}bit burst {} limit {}",
                       device, root, bits, queue.burst, queue.limit);
  return fmt::format(
      "sh -c {}",
      shell_word(fmt::format(
          "tc qdisc del dev {0} root; tc qdisc add dev {0} root handle {1:x}: htb default 1 && "
          "tc class add dev {0} parent {1:x}: classid {1:x}:1 htb rate {2}bit burst {3} cburst {3} "
          "&& tc qdisc add dev {0} parent {1:x}:1 handle {4:x}: {5}",
          device, root, bits, queue.burst, kInnerQdisc.handle >> 16, kInnerQdisc.name)));
}

std::string qdisc_command(const Proposal& proposal) {
  const std::string device = shell_word(proposal.scope.name);
  if (proposal.from == kDefaultQdisc) return fmt::format("tc qdisc del dev {} root", device);
  if (const auto shaper = shaper_in(proposal.from)) return shaper_command(device, *shaper);
  return fmt::format("tc qdisc replace dev {} root handle {:x}: {}", device,
                     handle_of_qdisc(proposal.from).value_or(0) >> 16, shell_word(proposal.from));
}

std::string queue_length_command(const Proposal& proposal) {
  return fmt::format("ip link set dev {} txqueuelen {}", shell_word(proposal.scope.name),
                     shell_word(proposal.from));
}

// /sys shows the devices of the namespace that mounted it.
std::string file_command(const Proposal& proposal, std::string_view file) {
  const std::string folder = "/sys/class/net/" + proposal.scope.name + "/";
  std::string commands = "mount -t sysfs sysfs /sys";
  std::istringstream values(proposal.from);
  std::string value;
  for (int queue = 0; values >> value; ++queue)
    commands += fmt::format(" && echo {} > {}", shell_word(value),
                            shell_word(folder + fmt::format(fmt::runtime(file), queue)));
  return "unshare --mount sh -c " + shell_word(commands);
}

std::string rps_command(const Proposal& proposal) {
  return file_command(proposal, "queues/rx-{}/rps_cpus");
}

std::string xps_command(const Proposal& proposal) {
  return file_command(proposal, "queues/tx-{}/xps_cpus");
}

std::string threaded_command(const Proposal& proposal) {
  return file_command(proposal, "threaded");
}

struct RouteWord {
  std::string_view key{}, word{}, unit{};
};

constexpr std::array kRouteWords = {
    RouteWord{.key = "route.congestion_control", .word = "congctl", .unit = ""},
    RouteWord{.key = "route.initcwnd", .word = "initcwnd", .unit = ""},
    RouteWord{.key = "route.initrwnd", .word = "initrwnd", .unit = ""},
    RouteWord{.key = "route.quickack", .word = "quickack", .unit = ""},
    RouteWord{.key = "route.rto_min", .word = "rto_min", .unit = "ms"},
};

// Of several routes to there, in one line each, the one that has what we wanted.
std::string route_picked(const Proposal& proposal, const RouteWord& route) {
  const Tunable* tunable = find_tunable(proposal.key);
  if (!tunable || is_standard(*tunable, proposal.to)) return {};
  return fmt::format(" | grep -m 1 -E \" {}( lock)? {}{}( |$)\"", route.word, proposal.to,
                     route.unit);
}

// All else that the route says is what ip(8) shows of it, without what it does not take.
std::string route_command(const Proposal& proposal, const RouteWord& route) {
  const std::string ip = proposal.scope.name.find(':') == std::string::npos ? "ip -4" : "ip -6";
  const Tunable* tunable = find_tunable(proposal.key);
  std::string edit = fmt::format("s/ {}( lock)? [^ ]*//; s/ (linkdown|dead)//g", route.word);
  if (!tunable || !is_standard(*tunable, proposal.from))
    edit += fmt::format("; 1s/ / {} {}{} /", route.word, proposal.from, route.unit);
  return "sh -c " +
         shell_word(fmt::format(
             R"({0} route change $({0} -o route show table main exact {1}{2} | tr -d '\\' | sed -E "{3}"))",
             ip, proposal.scope.name, route_picked(proposal, route), edit));
}

struct DeviceCommand {
  std::string_view key{};
  std::string (*line)(const Proposal&) = nullptr;
};

constexpr std::array kDeviceCommands = {
    DeviceCommand{.key = "device.qdisc", .line = qdisc_command},
    DeviceCommand{.key = "device.rps_cpus", .line = rps_command},
    DeviceCommand{.key = "device.threaded_napi", .line = threaded_command},
    DeviceCommand{.key = "device.txqueuelen", .line = queue_length_command},
    DeviceCommand{.key = "device.xps_cpus", .line = xps_command},
};

std::string command(const Proposal& proposal) {
  for (const DeviceCommand& one : kDeviceCommands)
    if (one.key == proposal.key) return one.line(proposal);
  for (const RouteWord& one : kRouteWords)
    if (one.key == proposal.key) return route_command(proposal, one);
  return fmt::format("sysctl -w {}='{}'", proposal.key, printable(proposal.from));
}

std::string line_for(const Proposal& proposal) {
  if (proposal.scope.kind == ScopeKind::Connection)
    return fmt::format("{}: was {}; it ends with the {}", proposal.key, printable(proposal.from),
                       where_text(proposal));
  return entering(proposal.scope) + command(proposal);
}

}  // namespace

std::vector<std::string> by_hand(const ChangeSet& set) {
  std::vector<std::string> lines;
  for (const Change& change : set.changes)
    if (change.state == ChangeState::Stuck) lines.push_back(line_for(change.proposal));
  return lines;
}

}  // namespace netsonde
