// SPDX-License-Identifier: Apache-2.0
#include "user/capture/host_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace netsonde {
namespace {

namespace fs = std::filesystem;

// A directory that goes with the test.
class Tree {
 public:
  Tree() {
    std::string name = fs::temp_directory_path() / "host-reader-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error("make a temporary directory");
    root_ = name;
    fs::create_directories(root_ / "proc");
    fs::create_directories(root_ / "sys/fs/cgroup");
  }
  ~Tree() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  std::string root() const { return root_; }
  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void link(const std::string& path, const std::string& target) const {
    fs::create_directories((root_ / path).parent_path());
    fs::create_directory_symlink(target, root_ / path);
  }
  void remove(const std::string& path) const { fs::remove_all(root_ / path); }
  void directory(const std::string& path) const { fs::create_directories(root_ / path); }

 private:
  fs::path root_;
};

template <typename T>
const T* find(const std::vector<T>& list, const std::string& name, const std::string& instance) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const T& item) {
    return item.name == name && item.instance == instance;
  });
  return found == list.end() ? nullptr : &*found;
}

class HostReaderTest : public testing::Test {
 protected:
  HostReader& reader() {
    if (!reader_) reader_ = HostReader::open(tree_.root()).value();
    return *reader_;
  }
  std::optional<std::uint64_t> value(const std::string& name, const std::string& instance = "") {
    const HostValue* found = find(reader().read(), name, instance);
    return found ? std::optional(found->value) : std::nullopt;
  }
  std::optional<std::uint64_t> slow(const std::string& name, const std::string& instance = "") {
    const HostSetup setup = reader().read_slow();
    const HostValue* found = find(setup.values, name, instance);
    return found ? std::optional(found->value) : std::nullopt;
  }
  std::optional<std::string> text(const std::string& name, const std::string& instance = "") {
    const HostSetup setup = reader().read_slow();
    const HostText* found = find(setup.texts, name, instance);
    return found ? std::optional(found->text) : std::nullopt;
  }

  Tree tree_;
  std::optional<HostReader> reader_;
};

TEST_F(HostReaderTest, AHostWithoutAnyFileSaysNothing) {
  EXPECT_TRUE(reader().read().empty());
  const HostSetup setup = reader().read_slow();
  EXPECT_TRUE(setup.values.empty());
  EXPECT_TRUE(setup.texts.empty());
  EXPECT_EQ(reader().unreadable(), 0U);
}

TEST_F(HostReaderTest, ARootWithoutProcIsAnError) {
  const auto result = HostReader::open(tree_.root() + "/nowhere");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message(), testing::HasSubstr("/nowhere/proc: No such file"));
}

TEST_F(HostReaderTest, AFileIsReadAgainEachTime) {
  tree_.write("proc/thread-self/net/snmp", "Tcp: InSegs\nTcp: 1\n");
  EXPECT_EQ(value("snmp.Tcp.InSegs"), 1U);
  tree_.write("proc/thread-self/net/snmp", "Tcp: InSegs\nTcp: 23\n");
  EXPECT_EQ(value("snmp.Tcp.InSegs"), 23U);
}

TEST_F(HostReaderTest, AFileThatComesLaterIsFound) {
  EXPECT_EQ(value("conntrack.count"), std::nullopt);
  tree_.write("proc/sys/net/netfilter/nf_conntrack_count", "17\n");
  EXPECT_EQ(value("conntrack.count"), 17U);
}

TEST_F(HostReaderTest, EveryFileOfTheNetworkHasItsPrefix) {
  tree_.write("proc/thread-self/net/netstat", "TcpExt: ListenOverflows\nTcpExt: 2\n");
  tree_.write("proc/thread-self/net/snmp6", "Udp6InErrors 3\n");
  tree_.write("proc/thread-self/net/softnet_stat", "4 5 6\n");
  tree_.write("proc/thread-self/net/sockstat", "TCP: tw 7\n");
  tree_.write("proc/thread-self/net/sockstat6", "UDP6: inuse 8\n");
  tree_.write("proc/thread-self/net/stat/arp_cache", "entries table_fulls\n9 a\n9 1\n");
  tree_.write("proc/thread-self/net/stat/ndisc_cache", "entries table_fulls\nc 0\n");
  tree_.write("proc/thread-self/net/stat/nf_conntrack", "drop early_drop\n1 2\n3 4\n");
  tree_.write("proc/meminfo", "MemTotal: 1 kB\n");
  EXPECT_EQ(value("netstat.TcpExt.ListenOverflows"), 2U);
  EXPECT_EQ(value("snmp6.Udp6.InErrors"), 3U);
  EXPECT_EQ(value("softnet.dropped", "cpu0"), 5U);
  EXPECT_EQ(value("sockstat.tcp.tw"), 7U);
  EXPECT_EQ(value("sockstat.udp6.inuse"), 8U);
  EXPECT_EQ(value("neigh.ipv4.entries"), 9U);
  EXPECT_EQ(value("neigh.ipv4.table_fulls"), 11U);
  EXPECT_EQ(value("neigh.ipv6.entries"), 12U);
  EXPECT_EQ(value("conntrack.drop"), 4U);
  EXPECT_EQ(value("conntrack.early_drop"), 6U);
  EXPECT_EQ(value("memory.total"), 1024U);
  EXPECT_EQ(reader().unreadable(), 0U);
}

TEST_F(HostReaderTest, AFileLargerThanOneReadIsReadWhole) {
  std::string names = "TcpExt:", values = "TcpExt:";
  for (int i = 0; i < 20'000; ++i) {
    names += " Counter" + std::to_string(i);
    values += " " + std::to_string(i);
  }
  tree_.write("proc/thread-self/net/netstat", names + "\n" + values + "\n");
  EXPECT_EQ(value("netstat.TcpExt.Counter19999"), 19'999U);
  EXPECT_EQ(reader().read().size(), 20'000U);
}

TEST_F(HostReaderTest, LimitsAndSettingsHaveTheirOwnNames) {
  tree_.write("proc/sys/net/ipv4/tcp_mem", "10\t20\t30\n");
  tree_.write("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n");
  tree_.write("proc/sys/net/core/somaxconn", "4096\n");
  tree_.write("proc/sys/net/ipv4/tcp_tw_reuse", "2\n");
  tree_.write("proc/sys/net/ipv6/neigh/default/gc_thresh3", "1024\n");
  EXPECT_EQ(value("limit.tcp_mem.low"), 10U);
  EXPECT_EQ(value("limit.tcp_mem.pressure"), 20U);
  EXPECT_EQ(value("limit.tcp_mem.high"), 30U);
  EXPECT_EQ(value("limit.tcp_rmem.max"), 6'291'456U);
  EXPECT_EQ(value("limit.somaxconn"), 4096U);
  EXPECT_EQ(value("setting.tcp_tw_reuse"), 2U);
  EXPECT_EQ(value("limit.neigh.ipv6.gc_thresh3"), 1024U);
}

TEST_F(HostReaderTest, SettingsThatMakeNoSenseAreCounted) {
  tree_.write("proc/sys/net/ipv4/tcp_mem", "10 20\n");
  tree_.write("proc/sys/net/core/somaxconn", "many\n");
  tree_.write("proc/sys/net/core/rmem_max", "");
  EXPECT_EQ(value("limit.tcp_mem.pressure"), 20U);
  EXPECT_EQ(value("limit.tcp_mem.high"), std::nullopt);
  EXPECT_EQ(value("limit.somaxconn"), std::nullopt);
  EXPECT_EQ(reader().unreadable(), 3U);
}

TEST_F(HostReaderTest, ASettingBelowZeroIsLeftOut) {
  tree_.write("proc/sys/net/core/somaxconn", "-1\n");
  EXPECT_EQ(value("limit.somaxconn"), std::nullopt);
  EXPECT_EQ(reader().unreadable(), 0U);
}

TEST_F(HostReaderTest, LocalPortsAreCountedWithBothEnds) {
  tree_.write("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n");
  EXPECT_EQ(value("limit.local_ports"), 28'232U);
  for (const char* bad : {"1\n", "9 1\n", "1 65536\n"}) {
    tree_.write("proc/sys/net/ipv4/ip_local_port_range", bad);
    EXPECT_EQ(value("limit.local_ports"), std::nullopt) << bad;
    EXPECT_EQ(reader().unreadable(), 1U) << bad;
  }
}

TEST_F(HostReaderTest, ReservedPortsAreNoLocalPorts) {
  tree_.write("proc/sys/net/ipv4/ip_local_port_range", "40000\t40099\n");
  tree_.write("proc/sys/net/ipv4/ip_local_reserved_ports", "80,40000,40010-40019,40099-50000\n");
  EXPECT_EQ(value("limit.local_ports"), 88U);
  tree_.write("proc/sys/net/ipv4/ip_local_reserved_ports", "\n");
  EXPECT_EQ(value("limit.local_ports"), 100U);
  for (const char* bad : {"40000,,40002\n", "40002-40001\n", "40000-\n", "65536\n"}) {
    tree_.write("proc/sys/net/ipv4/ip_local_reserved_ports", bad);
    EXPECT_EQ(value("limit.local_ports"), std::nullopt) << bad;
    EXPECT_EQ(reader().unreadable(), 1U) << bad;
  }
}

TEST_F(HostReaderTest, AllPortsMayBeLocalPorts) {
  tree_.write("proc/sys/net/ipv4/ip_local_port_range", "0 65535\n");
  EXPECT_EQ(value("limit.local_ports"), 65'536U);
}

TEST_F(HostReaderTest, WhatIsUnreadableIsThatOfTheLastReading) {
  tree_.write("proc/thread-self/net/sockstat", "rubbish\n");
  reader().read();
  reader().read();
  EXPECT_EQ(reader().unreadable(), 1U);
  tree_.write("proc/thread-self/net/sockstat", "TCP: inuse 1\n");
  reader().read();
  EXPECT_EQ(reader().unreadable(), 0U);
}

TEST_F(HostReaderTest, TheCgroupsLimitIsAbsentWhereThereIsNone) {
  tree_.write("proc/self/cgroup", "4:memory:/old\n0::/box/net\n");
  tree_.write("sys/fs/cgroup/box/net/memory.current", "4096\n");
  tree_.write("sys/fs/cgroup/box/net/memory.max", "max\n");
  EXPECT_EQ(value("cgroup.memory.current"), 4096U);
  EXPECT_EQ(value("cgroup.memory.max"), std::nullopt);
  EXPECT_EQ(reader().unreadable(), 0U);
  tree_.write("sys/fs/cgroup/box/net/memory.max", "8192\n");
  EXPECT_EQ(value("cgroup.memory.max"), 8192U);
}

TEST_F(HostReaderTest, ACgroupOutsideOfOurRootIsNotRead) {
  tree_.write("proc/self/cgroup", "0::/../other\n");
  tree_.write("sys/fs/other/memory.current", "4096\n");
  EXPECT_EQ(value("cgroup.memory.current"), std::nullopt);
}

constexpr const char* kInterrupts =
    "       CPU0  CPU1\n 30: 1 2 PCI-MSI bridge\n 37: 3 4 PCI-MSIX virtio2-input.0\n"
    " 50: 5 6 IO-APIC i40e-eth1-TxRx-0\n 51: 7 8 IO-APIC eth10\n 52: 9 9 IO-APIC veth1\n";

TEST_F(HostReaderTest, InterruptsAreThoseThatTheBusGaveTheDevice) {
  tree_.write("proc/interrupts", kInterrupts);
  tree_.write("sys/devices/pci0/msi_irqs/30", "msix\n");
  tree_.write("sys/devices/pci0/card/msi_irqs/37", "msix\n");
  tree_.link("sys/class/net/eth0/device", "../../../devices/pci0/card");
  EXPECT_EQ(value("irq.count", "eth0/37/cpu0"), 3U);
  EXPECT_EQ(value("irq.count", "eth0/37/cpu1"), 4U);
  EXPECT_EQ(reader().read().size(), 2U);
}

TEST_F(HostReaderTest, InterruptsOfAVirtioDeviceAreThoseOfTheBusBelow) {
  tree_.write("proc/interrupts", kInterrupts);
  tree_.write("sys/devices/pci0/msi_irqs/37", "msix\n");
  tree_.link("sys/devices/pci0/virtio2/subsystem", "../../../bus/virtio");
  tree_.link("sys/class/net/eth0/device", "../../../devices/pci0/virtio2");
  EXPECT_EQ(value("irq.count", "eth0/37/cpu1"), 4U);
  EXPECT_EQ(reader().read().size(), 2U);
}

TEST_F(HostReaderTest, OtherInterruptsAreThoseThatNameTheDevice) {
  tree_.write("proc/interrupts", kInterrupts);
  tree_.write("sys/devices/pci0/msi_irqs/30", "msix\n");
  for (const char* device : {"eth1", "eth2"}) {
    tree_.directory(std::string("sys/devices/pci0/") + device);
    tree_.link(std::string("sys/class/net/") + device + "/device",
               std::string("../../../devices/pci0/") + device);
  }
  tree_.directory("sys/class/net/eth10");  // has no hardware
  EXPECT_EQ(value("irq.count", "eth1/50/cpu0"), 5U);
  EXPECT_EQ(reader().read().size(), 2U);
}

TEST_F(HostReaderTest, AnInterruptThatSeveralDevicesShareIsCountedOnce) {
  tree_.write("proc/interrupts", kInterrupts);
  tree_.write("sys/devices/pci0/msi_irqs/37", "msix\n");
  tree_.link("sys/class/net/a/device", "../../../devices/pci0");
  tree_.link("sys/class/net/b/device", "../../../devices/pci0");
  EXPECT_EQ(value("irq.count", "a/37/cpu0"), 3U);
  EXPECT_EQ(value("irq.count", "b/37/cpu0"), std::nullopt);
}

TEST_F(HostReaderTest, QueuesShowTheirCpuMasks) {
  tree_.write("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,0000000f\n");
  tree_.write("sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "4096\n");
  tree_.write("sys/class/net/eth0/queues/tx-1/xps_cpus", "3\n");
  tree_.write("sys/class/net/eth0/threaded", "1\n");
  EXPECT_EQ(text("device.rps_cpus", "eth0/rx-0"), "00000000,0000000f");
  EXPECT_EQ(slow("device.rps_flow_cnt", "eth0/rx-0"), 4096U);
  EXPECT_EQ(text("device.xps_cpus", "eth0/tx-1"), "3");
  EXPECT_EQ(slow("device.threaded", "eth0"), 1U);
  EXPECT_EQ(slow("device.gro_flush_timeout", "eth0"), std::nullopt);
}

TEST_F(HostReaderTest, QueuesThatChooseCpusAreCounted) {
  for (const char* queue : {"rx-0", "rx-1", "rx-2"})
    tree_.write(std::string("sys/class/net/eth0/queues/") + queue + "/rps_cpus", "0,00000000\n");
  tree_.write("sys/class/net/eth0/queues/rx-1/rps_cpus", "0,00000010\n");
  tree_.write("sys/class/net/eth0/queues/tx-0/xps_cpus", "0\n");
  tree_.write("sys/class/net/eth0/queues/tx-1/xps_cpus", "2\n");
  tree_.directory("sys/class/net/eth1");
  EXPECT_EQ(slow("queues.rx", "eth0"), 3U);
  EXPECT_EQ(slow("queues.rx_rps", "eth0"), 1U);
  EXPECT_EQ(slow("queues.tx", "eth0"), 2U);
  EXPECT_EQ(slow("queues.tx_xps", "eth0"), 1U);
  EXPECT_EQ(slow("queues.rx", "eth1"), std::nullopt);
}

TEST_F(HostReaderTest, CpuTimesComeWithTheTime) {
  tree_.write("proc/stat", "cpu 0 0 0 0 0 1 2\ncpu1 0 0 0 0 0 1 2\n");
  EXPECT_EQ(value("cpu.softirq_ms", "cpu1"), 2000U / static_cast<unsigned>(sysconf(_SC_CLK_TCK)));
  EXPECT_GT(value("cpu.clock_ms"), 0U);
}

TEST_F(HostReaderTest, WhatOfTheSetupMakesNoSenseIsCounted) {
  tree_.write("sys/class/net/eth0/threaded", "perhaps\n");
  tree_.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "\n");
  EXPECT_EQ(slow("device.threaded", "eth0"), std::nullopt);
  EXPECT_EQ(reader().unreadable(), 2U);
}

TEST_F(HostReaderTest, TheWayAroundTheKernelIsToldWhereItIsKnown) {
  EXPECT_EQ(slow("bypass.iommu"), std::nullopt);
  EXPECT_EQ(slow("bypass.driver", "vfio-pci"), std::nullopt);
  tree_.directory("sys/kernel/iommu_groups");
  tree_.directory("sys/bus/pci/drivers/vfio-pci");
  EXPECT_EQ(slow("bypass.iommu"), 0U);
  EXPECT_EQ(slow("bypass.driver", "vfio-pci"), 1U);
  EXPECT_EQ(slow("bypass.driver", "igb_uio"), 0U);
  tree_.directory("sys/kernel/iommu_groups/0");
  EXPECT_EQ(slow("bypass.iommu"), 1U);
}

TEST_F(HostReaderTest, HugePagesAreToldForEachSize) {
  tree_.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
  tree_.write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3\n");
  EXPECT_EQ(slow("hugepages.total", "2048kB"), 8U);
  EXPECT_EQ(slow("hugepages.free", "2048kB"), 3U);
  EXPECT_EQ(slow("hugepages.size", "2048kB"), 2U << 20);
}

TEST_F(HostReaderTest, SettingsThatAreWordsAreTexts) {
  tree_.write("proc/sys/net/ipv4/tcp_congestion_control", "bbr\n");
  EXPECT_EQ(text("setting.tcp_congestion_control"), "bbr");
}

}  // namespace
}  // namespace netsonde
