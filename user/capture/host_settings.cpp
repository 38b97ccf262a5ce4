// SPDX-License-Identifier: Apache-2.0
#include "user/capture/host_settings.h"

#include <array>
#include <cstdint>

#include "user/capture/words.h"

namespace netsonde {

namespace {

// A file and what its numbers are called, in their order; one without a name is passed over.
struct Setting {
  const char* path;
  std::array<std::string_view, 3> names;
};

constexpr std::array kSettings = {
    Setting{.path = "sys/net/ipv4/tcp_mem",
            .names = {"limit.tcp_mem.low", "limit.tcp_mem.pressure", "limit.tcp_mem.high"}},
    Setting{.path = "sys/net/ipv4/udp_mem",
            .names = {"limit.udp_mem.low", "limit.udp_mem.pressure", "limit.udp_mem.high"}},
    Setting{.path = "sys/net/ipv4/tcp_rmem",
            .names = {"", "limit.tcp_rmem.default", "limit.tcp_rmem.max"}},
    Setting{.path = "sys/net/ipv4/tcp_wmem",
            .names = {"", "limit.tcp_wmem.default", "limit.tcp_wmem.max"}},
    Setting{.path = "sys/net/core/rmem_default", .names = {"limit.rmem_default"}},
    Setting{.path = "sys/net/core/rmem_max", .names = {"limit.rmem_max"}},
    Setting{.path = "sys/net/core/wmem_default", .names = {"limit.wmem_default"}},
    Setting{.path = "sys/net/core/wmem_max", .names = {"limit.wmem_max"}},
    Setting{.path = "sys/net/core/somaxconn", .names = {"limit.somaxconn"}},
    Setting{.path = "sys/net/core/netdev_max_backlog", .names = {"limit.netdev_max_backlog"}},
    Setting{.path = "sys/net/core/netdev_budget", .names = {"limit.netdev_budget"}},
    Setting{.path = "sys/net/core/netdev_budget_usecs", .names = {"limit.netdev_budget_usecs"}},
    Setting{.path = "sys/net/ipv4/tcp_max_orphans", .names = {"limit.tcp_max_orphans"}},
    Setting{.path = "sys/net/ipv4/tcp_max_tw_buckets", .names = {"limit.tcp_max_tw_buckets"}},
    Setting{.path = "sys/net/ipv4/neigh/default/gc_thresh3",
            .names = {"limit.neigh.ipv4.gc_thresh3"}},
    Setting{.path = "sys/net/ipv6/neigh/default/gc_thresh3",
            .names = {"limit.neigh.ipv6.gc_thresh3"}},
    Setting{.path = "sys/net/netfilter/nf_conntrack_max", .names = {"limit.conntrack"}},
    Setting{.path = "sys/net/netfilter/nf_conntrack_count", .names = {"conntrack.count"}},
    Setting{.path = "sys/net/ipv4/tcp_slow_start_after_idle",
            .names = {"setting.tcp_slow_start_after_idle"}},
    Setting{.path = "sys/net/ipv4/tcp_syncookies", .names = {"setting.tcp_syncookies"}},
    Setting{.path = "sys/net/ipv4/tcp_max_syn_backlog", .names = {"setting.tcp_max_syn_backlog"}},
    Setting{.path = "sys/net/ipv4/tcp_mtu_probing", .names = {"setting.tcp_mtu_probing"}},
    Setting{.path = "sys/net/ipv4/tcp_tw_reuse", .names = {"setting.tcp_tw_reuse"}},
    Setting{.path = "sys/net/ipv4/tcp_window_scaling", .names = {"setting.tcp_window_scaling"}},
    Setting{.path = "sys/net/ipv4/tcp_timestamps", .names = {"setting.tcp_timestamps"}},
    Setting{.path = "sys/net/ipv4/tcp_sack", .names = {"setting.tcp_sack"}},
    Setting{.path = "sys/net/ipv4/tcp_ecn", .names = {"setting.tcp_ecn"}},
    Setting{.path = "sys/net/core/busy_poll", .names = {"setting.busy_poll"}},
    Setting{.path = "sys/net/core/busy_read", .names = {"setting.busy_read"}},
};

constexpr const char* kLocalPorts = "sys/net/ipv4/ip_local_port_range";

void add_numbers(std::string_view text, const Setting& setting, ValueList& values) {
  for (const std::string_view name : setting.names) {
    const std::string_view word = take_word(text);
    const auto value = number<std::uint64_t>(word);
    if (name.empty()) continue;
    if (value)
      values.add(name, *value);
    else if (!number<std::int64_t>(word))
      values.not_understood();
  }
}

// How many ports there are for outgoing connections to one address and port.
void add_local_ports(std::string_view text, ValueList& values) {
  const auto first = number<std::uint16_t>(take_word(text));
  const auto last = number<std::uint16_t>(take_word(text));
  if (!first || !last || *first > *last) return values.not_understood();
  values.add("limit.local_ports", static_cast<std::uint64_t>(*last - *first) + 1);
}

}  // namespace

HostSettings::HostSettings(int proc) {
  for (const Setting& setting : kSettings)
    files_.emplace_back(proc, setting.path, KeptFile::Size::Value);
  files_.emplace_back(proc, kLocalPorts, KeptFile::Size::Value);
}

void HostSettings::read(std::string& buffer, ValueList& values) {
  for (std::size_t i = 0; i < kSettings.size(); ++i)
    if (const auto text = files_[i].read(buffer)) add_numbers(*text, kSettings[i], values);
  if (const auto text = files_.back().read(buffer)) add_local_ports(*text, values);
}

}  // namespace netsonde
