// SPDX-License-Identifier: Apache-2.0
#include "user/capture/proc_net.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace netsonde {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class ProcNetTest : public testing::Test {
 protected:
  const std::vector<HostValue>& values() { return list_.finish(); }

  ValueList list_;
};

HostValue named(std::string name, std::uint64_t value) {
  return {std::move(name), "", value};
}

TEST_F(ProcNetTest, SnmpPairsNamesWithValues) {
  add_snmp("Tcp: InSegs RetransSegs\nTcp: 5 6\nUdp: RcvbufErrors\nUdp: 7\n", "snmp", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp.Tcp.InSegs", 5), named("snmp.Tcp.RetransSegs", 6),
                                    named("snmp.Udp.RcvbufErrors", 7)));
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, SnmpLeavesOutWhatIsBelowZero) {
  add_snmp("Tcp: MaxConn InSegs\nTcp: -1 5\n", "snmp", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp.Tcp.InSegs", 5)));
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, SnmpHoldsTheLargestNumberAndNoLargerOne) {
  add_snmp("Ip: A B\nIp: 18446744073709551615 18446744073709551616\n", "snmp", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp.Ip.A", UINT64_MAX)));
  EXPECT_EQ(list_.unreadable(), 1U);
}

TEST_F(ProcNetTest, SnmpWithFewerValuesThanNamesKeepsThosePaired) {
  add_snmp("Tcp: A B C\nTcp: 1 2\nUdp: A\nUdp: 3\n", "snmp", list_);
  EXPECT_THAT(values(),
              ElementsAre(named("snmp.Tcp.A", 1), named("snmp.Tcp.B", 2), named("snmp.Udp.A", 3)));
  EXPECT_EQ(list_.unreadable(), 1U);
}

TEST_F(ProcNetTest, SnmpWithMoreValuesThanNamesIsCounted) {
  add_snmp("Tcp: A\nTcp: 1 2\n", "snmp", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp.Tcp.A", 1)));
  EXPECT_EQ(list_.unreadable(), 1U);
}

TEST_F(ProcNetTest, SnmpFindsItsWayBehindGarbage) {
  add_snmp("\x01\xff rubbish\nTcp: A\nTcp: x1\nIp: B\nUdp: C\nUdp: 4\n", "snmp", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp.Udp.C", 4)));
  EXPECT_EQ(list_.unreadable(), 3U);  // rubbish, x1, and Ip without its values
}

TEST_F(ProcNetTest, SnmpDoesNotBelieveALineThatWasCutOff) {
  add_snmp("Tcp: A\nTcp: 1\nUdp: B\nUdp: 12", "snmp", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp.Tcp.A", 1)));
  EXPECT_GE(list_.unreadable(), 1U);
}

TEST_F(ProcNetTest, CpuTimesAreMillisecondsOfEachCpu) {
  add_cpu_times(
      "cpu  8 8 8 8 8 8 8 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu12 1 1 1 1 1 30 40\nintr 5 6\n", 100,
      list_);
  EXPECT_THAT(values(), ElementsAre(HostValue{"cpu.irq_ms", "cpu0", 60},
                                    HostValue{"cpu.softirq_ms", "cpu0", 70},
                                    HostValue{"cpu.irq_ms", "cpu12", 300},
                                    HostValue{"cpu.softirq_ms", "cpu12", 400}));
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, CpuTimesHaveTheTicksOfTheHost) {
  add_cpu_times("cpu0 0 0 0 0 0 250 1000\n", 250, list_);
  EXPECT_THAT(values(), ElementsAre(HostValue{"cpu.irq_ms", "cpu0", 1000},
                                    HostValue{"cpu.softirq_ms", "cpu0", 4000}));
}

TEST_F(ProcNetTest, CpuTimesThatMakeNoSenseAreCounted) {
  add_cpu_times(
      "cpu0 1 2 3 4 5 6\ncpu1 1 2 3 4 5 x 7\ncpu2 0 0 0 0 0 0 18446744073709551615\ncpu3 0 0", 100,
      list_);
  EXPECT_THAT(values(), IsEmpty());
  EXPECT_EQ(list_.unreadable(), 4U);
}

TEST_F(ProcNetTest, AnEmptyTextSaysNothing) {
  add_cpu_times("", 100, list_);
  add_snmp("", "snmp", list_);
  add_snmp6("", list_);
  add_softnet("", list_);
  add_sockstat("", list_);
  add_meminfo("", list_);
  EXPECT_THAT(values(), IsEmpty());
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, Snmp6SplitsTheProtocolOffAndLeavesOutTypesAndUdpLite) {
  add_snmp6(
      "Ip6InReceives                   \t10\nIcmp6InErrors \t1\nIcmp6OutType135 \t6\n"
      "Udp6RcvbufErrors \t3\nUdpLite6InErrors \t9\n",
      list_);
  EXPECT_THAT(values(),
              ElementsAre(named("snmp6.Ip6.InReceives", 10), named("snmp6.Icmp6.InErrors", 1),
                          named("snmp6.Udp6.RcvbufErrors", 3)));
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, Snmp6CountsGarbage) {
  add_snmp6("Ip6InReceives\nUdp6InErrors 1x\nUdp6InErrors 2\nUdp6NoPorts 3", list_);
  EXPECT_THAT(values(), ElementsAre(named("snmp6.Udp6.InErrors", 2)));
  EXPECT_EQ(list_.unreadable(), 3U);
}

TEST_F(ProcNetTest, SoftnetTakesTheCpuFromItsColumn) {
  add_softnet("3c1ea744 00000001 00000012 0 0 0 0 0 0 00000004 00000005 00000006 0000000b 0 0\n",
              list_);
  EXPECT_THAT(values(), ElementsAre(HostValue{"softnet.processed", "cpu11", 0x3c1ea744},
                                    HostValue{"softnet.dropped", "cpu11", 1},
                                    HostValue{"softnet.squeezed", "cpu11", 0x12},
                                    HostValue{"softnet.received_rps", "cpu11", 4},
                                    HostValue{"softnet.flow_limit", "cpu11", 5},
                                    HostValue{"softnet.backlog", "cpu11", 6}));
}

TEST_F(ProcNetTest, SoftnetOfOlderKernelsIsNumbered) {
  add_softnet("1 0 0 0 0 0 0 0 0 0 0\n2 0 0 0 0 0 0 0 0 0 0\n", list_);
  EXPECT_THAT(values(), Contains(HostValue{"softnet.processed", "cpu1", 2}));
  EXPECT_EQ(values().size(), 10U);
}

TEST_F(ProcNetTest, SoftnetPassesOverRowsThatMakeNoSense) {
  add_softnet("1 2\nzz 0 0\n1ffffffff 0 0\n7 0 0\nffffffff 0", list_);
  EXPECT_THAT(values(), ElementsAre(HostValue{"softnet.processed", "cpu3", 7},
                                    HostValue{"softnet.dropped", "cpu3", 0},
                                    HostValue{"softnet.squeezed", "cpu3", 0}));
  EXPECT_EQ(list_.unreadable(), 4U);
}

TEST_F(ProcNetTest, SockstatIsNamedByProtocol) {
  add_sockstat("sockets: used 12\nTCP: inuse 1 orphan 2\nTCP6: inuse 3\n", list_);
  EXPECT_THAT(values(),
              ElementsAre(named("sockstat.sockets.used", 12), named("sockstat.tcp.inuse", 1),
                          named("sockstat.tcp.orphan", 2), named("sockstat.tcp6.inuse", 3)));
}

TEST_F(ProcNetTest, SockstatKeepsWhatStandsBeforeGarbage) {
  add_sockstat("TCP: inuse 1 orphan\nnothing\nUDP: inuse x mem 2\nRAW: inuse 4\n", list_);
  EXPECT_THAT(values(),
              ElementsAre(named("sockstat.tcp.inuse", 1), named("sockstat.raw.inuse", 4)));
  EXPECT_EQ(list_.unreadable(), 3U);
}

TEST_F(ProcNetTest, MemoryIsInBytes) {
  add_meminfo("MemTotal: 2048 kB\nMemFree: 5 kB\nMemAvailable: 1 kB\n", list_);
  EXPECT_THAT(values(),
              ElementsAre(named("memory.total", 2 << 20), named("memory.available", 1024)));
}

TEST_F(ProcNetTest, MemoryInAnotherUnitOrTooMuchOfItIsNotBelieved) {
  add_meminfo("MemTotal: 2048 MB\nMemAvailable: 18446744073709551615 kB\n", list_);
  EXPECT_THAT(values(), IsEmpty());
  EXPECT_EQ(list_.unreadable(), 2U);
}

constexpr std::array kColumns = {StatColumn{.column = "entries", .same_in_each_row = true},
                                 StatColumn{.column = "drop"}, StatColumn{.column = "missing"}};

TEST_F(ProcNetTest, StatSumsRowsButForWhatIsTheSameInEach) {
  add_stat("entries  found drop extra\n00000010 1 0000000a 2\n00000010 1 00000003 2 9\n", "x.",
           kColumns, list_);
  EXPECT_THAT(values(), ElementsAre(named("x.entries", 16), named("x.drop", 13)));
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, StatWithOneBadRowHasNoSum) {
  for (const char* bad : {"1 2", "1 2 zz", "", "1 2 3\n4"}) {
    list_.restart();
    add_stat(std::string("entries found drop\n1 2 3\n") + bad + (*bad == '1' ? "\n4 5" : "\n"),
             "x.", kColumns, list_);
    EXPECT_THAT(values(), IsEmpty()) << bad;
    EXPECT_EQ(list_.unreadable(), 1U) << bad;
  }
}

TEST_F(ProcNetTest, StatWithoutRowsIsCounted) {
  add_stat("entries drop\n", "x.", kColumns, list_);
  EXPECT_THAT(values(), IsEmpty());
  EXPECT_EQ(list_.unreadable(), 1U);
}

const std::vector<DeviceIrq> kIrqs = {{27, "eth0"}, {30, "eth1"}};

TEST_F(ProcNetTest, InterruptsOfDevicesAreCountedPerCpu) {
  add_interrupts(
      "           CPU0       CPU3       \n  5:  1 2 IO-APIC 5-edge ACPI\n 27:  10  20 PCI-MSI "
      "eth0\n"
      " 30: 1 0 x\nNMI: 1 0 Non-maskable interrupts\nERR: 0\n",
      kIrqs, list_);
  EXPECT_THAT(values(), ElementsAre(HostValue{"irq.count", "eth0/27/cpu0", 10},
                                    HostValue{"irq.count", "eth0/27/cpu3", 20},
                                    HostValue{"irq.count", "eth1/30/cpu0", 1},
                                    HostValue{"irq.count", "eth1/30/cpu3", 0}));
  EXPECT_EQ(list_.unreadable(), 0U);
}

TEST_F(ProcNetTest, AnInterruptWithACountMissingIsLeftOut) {
  add_interrupts("CPU0 CPU1\n 27: 10 PCI-MSI eth0\n 30: 4 5\n 27: 1 2", kIrqs, list_);
  EXPECT_THAT(values(), ElementsAre(HostValue{"irq.count", "eth1/30/cpu0", 4},
                                    HostValue{"irq.count", "eth1/30/cpu1", 5}));
  EXPECT_EQ(list_.unreadable(), 2U);
}

TEST_F(ProcNetTest, InterruptsWithoutAHeaderAreCounted) {
  for (const char* text : {"", "27: 1 2\n", "CPU0 CPUx\n27: 1 2\n", "\n"}) {
    list_.restart();
    add_interrupts(text, kIrqs, list_);
    EXPECT_THAT(values(), IsEmpty()) << text;
    EXPECT_EQ(list_.unreadable(), 1U) << text;
  }
}

TEST_F(ProcNetTest, AListIsWrittenOverWithoutRests) {
  add_sockstat("TCP: inuse 1 orphan 2\n", list_);
  EXPECT_EQ(values().size(), 2U);
  list_.restart();
  add_sockstat("UDP: inuse 7\n", list_);
  EXPECT_THAT(values(), ElementsAre(named("sockstat.udp.inuse", 7)));
}

}  // namespace
}  // namespace netsonde
