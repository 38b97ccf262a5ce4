// SPDX-License-Identifier: Apache-2.0
#include "user/model/host_counters.h"

#include <algorithm>
#include <array>

namespace netsonde {

namespace {

// Everything below these words.
constexpr std::array<std::string_view, 12> kGaugeFamilies = {
    "limit.",    "setting.", "sockstat.",  "memory.", "cgroup.",    "ring.",
    "channels.", "offload.", "hugepages.", "bypass.", "time_wait.", "queues."};

constexpr std::array<std::string_view, 27> kGauges = {
    "conntrack.count",
    "device.carrier",
    "device.gro_flush_timeout",
    "device.mtu",
    "device.napi_defer_hard_irqs",
    "device.rps_flow_cnt",
    "device.rx_queues",
    "device.speed",
    "device.threaded",
    "device.tx_queues",
    "device.txqueuelen",
    "device.up",
    "neigh.ipv4.entries",
    "neigh.ipv6.entries",
    "netstat.MPTcpExt.MPCurrEstab",
    "qdisc.backlog_bytes",
    "qdisc.qlen",
    "snmp.Ip.DefaultTTL",
    "snmp.Ip.Forwarding",
    "snmp.Ip.ReasmTimeout",
    "snmp.Tcp.CurrEstab",
    "snmp.Tcp.MaxConn",
    "snmp.Tcp.RtoAlgorithm",
    "snmp.Tcp.RtoMax",
    "snmp.Tcp.RtoMin",
    "snmp6.Ip6.ReasmTimeout",
    "softnet.backlog",
};

constexpr std::array<std::string_view, 10> kNarrow = {
    "device.carrier_changes", "irq.count",       "qdisc.drops",        "qdisc.overlimits",
    "qdisc.requeues",         "softnet.dropped", "softnet.flow_limit", "softnet.processed",
    "softnet.received_rps",   "softnet.squeezed"};

static_assert(std::is_sorted(kGauges.begin(), kGauges.end()));
static_assert(std::is_sorted(kNarrow.begin(), kNarrow.end()));

std::uint64_t increase(std::uint64_t before, std::uint64_t now, bool narrow) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 31;
  if (now >= before) return now - before;
  const std::uint64_t wrapped = static_cast<std::uint32_t>(now - before);
  return narrow && before < 2 * kHalf && wrapped < kHalf ? wrapped : now;
}

}  // namespace

bool is_gauge(std::string_view name) {
  return std::binary_search(kGauges.begin(), kGauges.end(), name) ||
         std::any_of(kGaugeFamilies.begin(), kGaugeFamilies.end(),
                     [name](std::string_view family) { return name.starts_with(family); });
}

void HostCounters::begin(Time now, std::span<const HostValue> values) {
  groups_.clear();
  reading_ = 0;
  update(now, values);
}

void HostCounters::update(Time now, std::span<const HostValue> values) {
  const Time before = last_;
  if (reading_++ == 0) begun_ = now;
  last_ = now;
  Group* group = nullptr;
  std::string_view name;
  for (const HostValue& value : values) {
    if (!group || name != value.name) group = &group_of(value.name);
    name = value.name;
    take(*group, value, now, before);
  }
  // A name that vanished as a whole is kept: most likely it could not be read this time.
  for (auto& [unused, kept] : groups_)
    if (kept.reading == reading_)
      std::erase_if(kept.entries,
                    [this](const auto& entry) { return entry.second.reading != reading_; });
}

void HostCounters::begin_anew() {
  begun_ = last_;
  for (auto& [name, group] : groups_)
    for (auto& [instance, entry] : group.entries) entry.since_begin = 0;
}

HostCounters::Group& HostCounters::group_of(std::string_view name) {
  auto found = groups_.find(name);
  if (found == groups_.end()) {
    found = groups_.emplace(name, Group()).first;
    found->second.gauge = is_gauge(name);
    found->second.narrow = std::binary_search(kNarrow.begin(), kNarrow.end(), name);
  }
  Group& group = found->second;
  if (group.reading != reading_) {
    group.reading_before = group.reading;
    group.reading = reading_;
  }
  return group;
}

void HostCounters::take(Group& group, const HostValue& value, Time now, Time before) {
  auto found = group.entries.find(value.instance);
  if (found == group.entries.end()) {
    const bool is_new = group.reading_before != 0 && group.reading_before + 1 == reading_;
    const Entry first = {.value = is_new ? 0 : value.value, .at = is_new ? before : now};
    found = group.entries.emplace(value.instance, first).first;
  }
  Entry& entry = found->second;
  if (entry.reading == reading_) return;
  entry.last_increase = increase(entry.value, value.value, group.narrow);
  entry.since_begin += entry.last_increase;
  entry.interval = now - entry.at;
  entry.value = value.value;
  entry.at = now;
  entry.reading = reading_;
}

const HostCounters::Group* HostCounters::find_group(std::string_view name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() || found->second.reading != reading_ ? nullptr : &found->second;
}

const HostCounters::Entry* HostCounters::find(const Group* group, std::string_view instance) {
  if (!group) return nullptr;
  const auto found = group->entries.find(instance);
  return found == group->entries.end() ? nullptr : &found->second;
}

std::optional<std::uint64_t> HostCounters::value(std::string_view name,
                                                 std::string_view instance) const {
  const Entry* entry = find(find_group(name), instance);
  return entry ? std::optional(entry->value) : std::nullopt;
}

std::optional<std::uint64_t> HostCounters::delta(std::string_view name,
                                                 std::string_view instance) const {
  const Group* group = find_group(name);
  const Entry* entry = find(group, instance);
  return entry && !group->gauge ? std::optional(entry->since_begin) : std::nullopt;
}

std::optional<double> HostCounters::rate(std::string_view name, std::string_view instance) const {
  const Group* group = find_group(name);
  const Entry* entry = find(group, instance);
  if (!entry || group->gauge || entry->interval <= Nanos(0)) return std::nullopt;
  return static_cast<double>(entry->last_increase) / seconds(entry->interval);
}

std::vector<std::string> HostCounters::instances(std::string_view name) const {
  std::vector<std::string> names;
  if (const Group* group = find_group(name))
    for (const auto& [instance, unused] : group->entries) names.push_back(instance);
  return names;
}

}  // namespace netsonde
