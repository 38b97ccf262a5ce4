// SPDX-License-Identifier: Apache-2.0
#include "tuner/by_hand.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

std::string line_for(const std::string& key, const std::string& name, const std::string& from,
                     const std::string& to) {
  ChangeSet set;
  set.changes.push_back(
      {.proposal = {.key = key,
                    .scope = {.kind = find_tunable(key)->scope, .name = name, .netns = 9},
                    .from = from,
                    .to = to},
       .state = ChangeState::Stuck});
  const std::vector<std::string> lines = by_hand(set);
  return lines.size() == 1 ? lines[0] : "";
}

// Without the words that enter the namespace.
std::string command_for(const std::string& key, const std::string& name, const std::string& from,
                        const std::string& to = "") {
  const std::string line = line_for(key, name, from, to);
  const std::string enter =
      "nsenter --net --target \"$(lsns -n -t net -o NS,PID | awk '$1 == 9 { print $2 }')\" ";
  EXPECT_TRUE(line.starts_with(enter)) << line;
  return line.substr(enter.size());
}

TEST(ByHandTest, OnlyWhatIsStuckIsTold) {
  ChangeSet set;
  set.changes.push_back({.proposal = {.key = "net.core.netdev_budget", .from = "300"}});
  EXPECT_TRUE(by_hand(set).empty());
}

TEST(ByHandTest, ADisciplineGoesOrComesBackAsOurs) {
  EXPECT_EQ(command_for("device.qdisc", "eth0", "default"), "tc qdisc del dev eth0 root");
  EXPECT_EQ(command_for("device.qdisc", "eth0", "fq_codel"),
            "tc qdisc replace dev eth0 root handle 6e74: fq_codel");
  EXPECT_EQ(command_for("device.qdisc", "eth0", "tbf:80000000bit"),
            "tc qdisc replace dev eth0 root handle 6e79: tbf rate 80000000bit burst 50000 limit "
            "500000");
  EXPECT_EQ(
      command_for("device.qdisc", "eth0", "htb:80Mbit"),
      "sh -c 'tc qdisc del dev eth0 root; tc qdisc add dev eth0 root handle 6e7a: htb default "
      "1 && tc class add dev eth0 parent 6e7a: classid 6e7a:1 htb rate 80000000bit burst 50000 "
      "cburst 50000 && tc qdisc add dev eth0 parent 6e7a:1 handle 6e7b: fq_codel'");
}

TEST(ByHandTest, AQueueHasItsLengthAgain) {
  EXPECT_EQ(command_for("device.txqueuelen", "eth0", "1000"),
            "ip link set dev eth0 txqueuelen 1000");
}

TEST(ByHandTest, FilesAreWrittenInTheSysfsOfTheNamespace) {
  EXPECT_EQ(command_for("device.rps_cpus", "eth0", "0 ff,00000000"),
            "unshare --mount sh -c 'mount -t sysfs sysfs /sys"
            " && echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus"
            " && echo ff,00000000 > /sys/class/net/eth0/queues/rx-1/rps_cpus'");
  EXPECT_EQ(command_for("device.threaded_napi", "eth0", "0"),
            "unshare --mount sh -c 'mount -t sysfs sysfs /sys"
            " && echo 0 > /sys/class/net/eth0/threaded'");
}

TEST(ByHandTest, ARouteKeepsAllElseThatItSays) {
  EXPECT_EQ(command_for("route.initcwnd", "10.0.0.0/8", "20", "0"),
            "sh -c 'ip -4 route change $(ip -4 -o route show table main exact 10.0.0.0/8"
            " | tr -d '\\''\\\\'\\'' | sed -E \""
            "s/ initcwnd( lock)? [^ ]*//; s/ (linkdown|dead)//g; 1s/ / initcwnd 20 /\")'");
}

TEST(ByHandTest, OfSeveralRoutesTheOneThatHasWhatWasWantedIsChanged) {
  EXPECT_EQ(command_for("route.congestion_control", "::/0", "default", "bbr"),
            "sh -c 'ip -6 route change $(ip -6 -o route show table main exact ::/0"
            " | grep -m 1 -E \" congctl( lock)? bbr( |$)\""
            " | tr -d '\\''\\\\'\\'' | sed -E \""
            "s/ congctl( lock)? [^ ]*//; s/ (linkdown|dead)//g\")'");
}

TEST(ByHandTest, ANameIsOneWordOfAShellWhateverItSays) {
  EXPECT_EQ(command_for("device.txqueuelen", "$(reboot)", "1000"),
            "ip link set dev '$(reboot)' txqueuelen 1000");
  EXPECT_EQ(command_for("device.qdisc", "a';b", "default"), "tc qdisc del dev 'a'\\'';b' root");
}

}  // namespace
}  // namespace netsonde
