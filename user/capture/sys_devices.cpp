// SPDX-License-Identifier: Apache-2.0
#include "user/capture/sys_devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <memory>

#include "user/base/fd.h"
#include "user/capture/kept_file.h"
#include "user/capture/words.h"

namespace netsonde {

namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

std::string directory_of(const std::string& device) {
  return "class/net/" + device + "/";
}

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

// Whether the word stands in the line, and not as a part of another one.
bool mentions(std::string_view line, std::string_view word) {
  if (word.empty()) return false;
  for (std::size_t at = line.find(word); at != std::string_view::npos;
       at = line.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word_character(line[at - 1])) &&
        (end == line.size() || !is_word_character(line[end])))
      return true;
  }
  return false;
}

void add_named_irqs(std::string_view interrupts, const std::string& device,
                    std::string_view other_name, std::vector<DeviceIrq>& irqs) {
  while (auto line = take_line(interrupts)) {
    std::string_view word = take_word(*line);
    if (!word.ends_with(':')) continue;
    word.remove_suffix(1);
    const auto irq = number<std::uint32_t>(word);
    if (irq && (mentions(*line, device) || mentions(*line, other_name)))
      irqs.push_back({*irq, device});
  }
}

}  // namespace

std::optional<std::vector<std::string>> SysDevices::list(const std::string& path) const {
  UniqueFd fd(openat(sys_, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(fd.get()));
  if (!directory) return std::nullopt;
  fd.release();
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get()))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string SysDevices::link_name(const std::string& path) const {
  std::array<char, PATH_MAX> target{};
  const ssize_t length = readlinkat(sys_, path.c_str(), target.data(), target.size());
  if (length <= 0) return {};
  const std::string_view text(target.data(), static_cast<std::size_t>(length));
  return std::string(text.substr(text.rfind('/') + 1));
}

std::vector<std::string> SysDevices::names() const {
  return list("class/net").value_or(std::vector<std::string>());
}

std::vector<std::uint32_t> SysDevices::bus_irqs(const std::string& device) const {
  const std::string hardware = directory_of(device) + "device/";
  auto names = list(hardware + "msi_irqs");
  // The interrupts of a virtio device are those of the PCI device below it. Not so for others: the
  // parent of a PCI device is a bridge with interrupts of its own.
  if (!names && link_name(hardware + "subsystem") == "virtio")
    names = list(hardware + "../msi_irqs");
  std::vector<std::uint32_t> irqs;
  for (const std::string_view name : names.value_or(std::vector<std::string>()))
    if (const auto irq = number<std::uint32_t>(name)) irqs.push_back(*irq);
  return irqs;
}

std::vector<DeviceIrq> SysDevices::irqs(std::span<const std::string> devices,
                                        std::string_view interrupts) const {
  std::vector<DeviceIrq> irqs;
  for (const std::string& device : devices) {
    const std::string hardware = link_name(directory_of(device) + "device");
    if (hardware.empty()) continue;
    const std::size_t before = irqs.size();
    for (const std::uint32_t irq : bus_irqs(device)) irqs.push_back({irq, device});
    if (irqs.size() == before) add_named_irqs(interrupts, device, hardware, irqs);
  }
  // The many devices of one card (ports, representors) share its interrupts.
  std::stable_sort(irqs.begin(), irqs.end(),
                   [](const DeviceIrq& a, const DeviceIrq& b) { return a.number < b.number; });
  return irqs;
}

std::uint64_t SysDevices::add_number(const std::string& path, const HostValue& named,
                                     HostSetup& setup) const {
  const auto text = read_once(sys_, path);
  if (!text) return 0;
  const auto value = number<std::uint64_t>(*text);
  if (!value) return 1;
  setup.values.push_back({named.name, named.instance, *value});
  return 0;
}

bool SysDevices::add_cpus(const std::string& path, const HostText& named, HostSetup& setup) const {
  const auto mask = read_once(sys_, path);
  if (!mask) return false;
  setup.texts.push_back({named.name, named.instance, *mask});
  return mask->find_first_not_of("0,") != std::string::npos;
}

std::uint64_t SysDevices::add_device(const std::string& device, HostSetup& setup) const {
  const std::string directory = directory_of(device);
  std::uint64_t bad = 0;
  for (const char* name : {"threaded", "gro_flush_timeout", "napi_defer_hard_irqs"})
    bad += add_number(directory + name, {std::string("device.") + name, device}, setup);
  return bad + add_queues(device, setup);
}

std::uint64_t SysDevices::add_queues(const std::string& device, HostSetup& setup) const {
  const std::string queues = directory_of(device) + "queues/";
  const auto names = list(queues);
  if (!names) return 0;
  std::uint64_t bad = 0, rx = 0, rps = 0, tx = 0, xps = 0;
  for (const std::string& queue : *names) {
    const std::string directory = queues + queue, instance = device + "/" + queue;
    rx += queue.starts_with("rx-");
    tx += queue.starts_with("tx-");
    rps += add_cpus(directory + "/rps_cpus", {"device.rps_cpus", instance, {}}, setup);
    xps += add_cpus(directory + "/xps_cpus", {"device.xps_cpus", instance, {}}, setup);
    bad += add_number(directory + "/rps_flow_cnt", {"device.rps_flow_cnt", instance}, setup);
  }
  setup.values.push_back({"queues.rx", device, rx});
  setup.values.push_back({"queues.rx_rps", device, rps});
  setup.values.push_back({"queues.tx", device, tx});
  setup.values.push_back({"queues.tx_xps", device, xps});
  return bad;
}

std::uint64_t SysDevices::add_huge_pages(HostSetup& setup) const {
  static constexpr std::string_view kPrefix = "hugepages-";
  const std::string pools = "kernel/mm/hugepages/";
  std::uint64_t bad = 0;
  for (const std::string& pool : list(pools).value_or(std::vector<std::string>())) {
    if (!pool.starts_with(kPrefix) || !pool.ends_with("kB")) continue;
    const std::string instance = pool.substr(kPrefix.size());
    const auto kib = number<std::uint64_t>(instance.substr(0, instance.size() - 2));
    if (kib) setup.values.push_back({"hugepages.size", instance, *kib * 1024});
    bad += add_number(pools + pool + "/nr_hugepages", {"hugepages.total", instance}, setup);
    bad += add_number(pools + pool + "/free_hugepages", {"hugepages.free", instance}, setup);
  }
  return bad;
}

std::uint64_t SysDevices::add_bypass(HostSetup& setup) const {
  if (const auto groups = list("kernel/iommu_groups"))
    setup.values.push_back({"bypass.iommu", "", groups->empty() ? 0U : 1U});
  if (const auto drivers = list("bus/pci/drivers"))
    for (const char* driver : {"vfio-pci", "uio_pci_generic", "igb_uio"})
      setup.values.push_back(
          {"bypass.driver", driver,
           std::binary_search(drivers->begin(), drivers->end(), driver) ? 1U : 0U});
  return add_huge_pages(setup);
}

}  // namespace netsonde
