// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "user/capture/proc_net.h"
#include "user/model/host_value.h"

namespace netsonde {

// What /sys knows of network devices and of drivers in user space.
class SysDevices {
 public:
  // The descriptor of /sys is not owned.
  explicit SysDevices(int sys) : sys_(sys) {}

  // The network devices; none without a /sys.
  std::vector<std::string> names() const;

  // The interrupts of these devices, sorted: those that the bus gave them, else the rows of
  // /proc/interrupts that name them. One that several devices share
  // is there for each, and counted for the first.
  std::vector<DeviceIrq> irqs(std::span<const std::string> devices,
                              std::string_view interrupts) const;

  // "device.threaded" and the like; the CPU masks of each queue as texts, "device.rps_cpus" of
  // "eth0/rx-0". How many queues it has, and how many of them choose CPUs: "queues.rx", ".rx_rps",
  // "queues.tx", ".tx_xps". Returns how many could not be understood.
  std::uint64_t add_device(const std::string& device, HostSetup& setup) const;

  // "hugepages.total", ".free" of "2048kB" and ".size" in bytes; "bypass.iommu", whether there are
  // IOMMU groups; "bypass.driver" of "vfio-pci", whether it is loaded.
  std::uint64_t add_bypass(HostSetup& setup) const;

 private:
  // Sorted; nothing when there is no such directory.
  std::optional<std::vector<std::string>> list(const std::string& path) const;
  // What a symbolic link points to, without its path; empty when there is none.
  std::string link_name(const std::string& path) const;
  std::vector<std::uint32_t> bus_irqs(const std::string& device) const;
  std::uint64_t add_number(const std::string& path, const HostValue& named, HostSetup& setup) const;
  // Whether it names a CPU.
  bool add_cpus(const std::string& path, const HostText& named, HostSetup& setup) const;
  std::uint64_t add_queues(const std::string& device, HostSetup& setup) const;
  std::uint64_t add_huge_pages(HostSetup& setup) const;

  int sys_ = -1;
};

}  // namespace netsonde
