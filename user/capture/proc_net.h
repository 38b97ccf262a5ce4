// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "user/capture/value_list.h"

namespace netsonde {

// Parsers of the kernel's text files. Each adds what a text says; a line that makes no sense is
// counted and the others stay. Every line of the kernel ends with a newline: the rest of one that
// was cut off is not believed.

// Pairs of lines, names and values: "snmp.Tcp.RetransSegs". The file is "snmp" or "netstat".
// Values below zero ("no limit") are left out.
void add_snmp(std::string_view text, std::string_view file, ValueList& values);
// "snmp6.Udp6.RcvbufErrors"; without UDP-Lite and the counters of each ICMP type.
void add_snmp6(std::string_view text, ValueList& values);
// "softnet.dropped" of "cpu3". Before 5.7 no row says of which CPU it is: then they are numbered,
// which is wrong behind a CPU that is offline.
void add_softnet(std::string_view text, ValueList& values);
// "sockstat.tcp.inuse".
void add_sockstat(std::string_view text, ValueList& values);
// "memory.total" and "memory.available" in bytes.
void add_meminfo(std::string_view text, ValueList& values);

// "cpu.softirq_ms" and "cpu.irq_ms" of "cpu3" from /proc/stat, which counts in ticks (USER_HZ).
void add_cpu_times(std::string_view text, std::uint64_t ticks_per_second, ValueList& values);

// One column of /proc/net/stat/*: a line of names, then hexadecimal rows, one per CPU.
struct StatColumn {
  std::string_view column;
  bool same_in_each_row = false;  // else the rows are summed
};
void add_stat(std::string_view text, std::string_view prefix, std::span<const StatColumn> columns,
              ValueList& values);

// An interrupt that belongs to a network device.
struct DeviceIrq {
  std::uint32_t number = 0;
  std::string device;

  bool operator==(const DeviceIrq&) const = default;
};
// "irq.count" of "eth0/27/cpu1", from /proc/interrupts; irqs is sorted by number; of several with
// one number the first counts.
void add_interrupts(std::string_view text, std::span<const DeviceIrq> irqs, ValueList& values);

}  // namespace netsonde
