// SPDX-License-Identifier: Apache-2.0
#include "user/capture/host_settings.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

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

// From the first to the last word, both included.
std::optional<LocalPorts> ports_between(std::string_view first_word, std::string_view last_word) {
  const auto first = number<std::uint16_t>(first_word), last = number<std::uint16_t>(last_word);
  if (!first || !last || *first > *last) return std::nullopt;
  const auto above = static_cast<std::size_t>(UINT16_MAX - (*last - *first));
  return (~LocalPorts() >> above) << *first;
}

std::optional<LocalPorts> port_range(std::string_view text) {
  const std::string_view first = take_word(text), last = take_word(text);
  return ports_between(first, last);
}

// "8080,10000-10010", or nothing.
std::optional<LocalPorts> reserved_ports(std::string_view text) {
  LocalPorts reserved;
  for (std::string_view list = take_word(text); !list.empty();) {
    const std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    const std::size_t dash = item.find('-');
    const auto ports =
        ports_between(item.substr(0, dash), dash == item.npos ? item : item.substr(dash + 1));
    if (!ports) return std::nullopt;
    reserved |= *ports;
  }
  return reserved;
}

}  // namespace

// The kernel does not go on with a list of ports that was not read at once.
HostSettings::HostSettings(int proc)
    : port_range_(proc, "sys/net/ipv4/ip_local_port_range", KeptFile::Size::Value),
      reserved_ports_(proc, "sys/net/ipv4/ip_local_reserved_ports", KeptFile::Size::Table) {
  for (const Setting& setting : kSettings)
    files_.emplace_back(proc, setting.path, KeptFile::Size::Value);
}

void HostSettings::read(std::string& buffer, ValueList& values) {
  for (std::size_t i = 0; i < kSettings.size(); ++i)
    if (const auto text = files_[i].read(buffer)) add_numbers(*text, kSettings[i], values);
  read_local_ports(buffer, values);
}

void HostSettings::read_local_ports(std::string& buffer, ValueList& values) {
  local_ports_.reset();
  const auto range_text = port_range_.read(buffer);
  if (!range_text) return;
  const auto range = port_range(*range_text);
  const auto reserved = reserved_ports(reserved_ports_.read(buffer).value_or(""));
  if (!range || !reserved) return values.not_understood();
  local_ports_ = *range & ~*reserved;
  values.add("limit.local_ports", local_ports_.count());
}

}  // namespace netsonde
