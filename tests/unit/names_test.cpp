// SPDX-License-Identifier: Apache-2.0
#include "user/model/names.h"

#include <gtest/gtest.h>

#include <string>

namespace netsonde {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

TEST(NamesTest, ReasonsGoByName) {
  Names names;
  names.set_drop_reasons({{2, "NOT_SPECIFIED"}});
  names.set_reset_reasons({{3, "TCP_STATE"}});
  EXPECT_EQ(names.drop_reason(2), "NOT_SPECIFIED");
  EXPECT_EQ(names.reset_reason(3), "TCP_STATE");
}

TEST(NamesTest, ReasonsWithoutANameGoByNumber) {
  EXPECT_EQ(Names().drop_reason(17), "#17");
  EXPECT_EQ(Names().reset_reason(17), "#17");
}

TEST(NamesTest, AnUnknownSymbolOrCgroupIsEmpty) {
  EXPECT_EQ(Names().symbol(0xffffffff81000000), "");
  EXPECT_EQ(Names().cgroup(1), "");
}

TEST(NamesTest, RemembersSymbols) {
  Names names;
  names.learn_symbol(1, [](std::uint64_t) { return "tcp_v4_rcv"; });
  EXPECT_EQ(names.symbol(1), "tcp_v4_rcv");
}

TEST(NamesTest, AsksForACgroupOnce) {
  Names names;
  int asked = 0;
  const auto resolve = [&asked](std::uint64_t) { return ++asked == 1 ? "/first" : "/second"; };
  names.learn_cgroup(7, resolve);
  names.learn_cgroup(7, resolve);
  EXPECT_EQ(names.cgroup(7), "/first");
  EXPECT_EQ(asked, 1);
}

TEST(NamesTest, AsksForACgroupOnceThoughItIsGone) {
  Names names;
  int asked = 0;
  const auto resolve = [&asked](std::uint64_t) { return ++asked, std::string(); };
  names.learn_cgroup(7, resolve);
  names.learn_cgroup(7, resolve);
  EXPECT_EQ(asked, 1);
}

TEST(NamesTest, NoCgroupHasNoName) {
  Names names;
  names.learn_cgroup(0, [](std::uint64_t) { return "/zero"; });
  EXPECT_EQ(names.cgroup(0), "");
}

TEST(ContainerTest, IsFoundInThePathsOfEveryRuntime) {
  for (const std::string& path : {
           "/docker/" + kId,
           "/system.slice/docker-" + kId + ".scope",
           "/machine.slice/libpod-" + kId + ".scope/container",
           "/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + kId + ".scope",
           "/kubepods/besteffort/pod0f5c3a1e-7d0b-4a7e-8f0e-000000000000/" + kId,
           "/crio-" + kId + ".scope",
       })
    EXPECT_EQ(container_of(path), "0123456789ab") << path;
}

TEST(ContainerTest, IsFoundNowhereElse) {
  for (const std::string& path : {
           std::string(),
           std::string("/"),
           std::string("/system.slice/nginx.service"),
           std::string("/user.slice/user-1000.slice/session-3.scope"),
           "/docker/" + kId.substr(1),
           "/docker/a" + kId,
           "/docker/" + kId.substr(0, 63) + "X",
       })
    EXPECT_EQ(container_of(path), "") << path;
}

TEST(ContainerTest, IsTheOuterOneWhereTheyAreNested) {
  const std::string inner(64, 'f');
  EXPECT_EQ(container_of("/docker/" + kId + "/docker/" + inner), "0123456789ab");
}

TEST(BenignDropTest, EveryRowSaysWhy) {
  for (const char* reason :
       {"QUEUE_PURGE", "SOCKET_CLOSE", "TCP_OFOMERGE", "TCP_OLD_DATA", "TCP_OLD_ACK", "TCP_RESET",
        "TCP_FLAGS", "OTHERHOST", "UNICAST_IN_L2_MULTICAST", "UNHANDLED_PROTO", "SOCKET_FILTER",
        "TAP_FILTER", "TAP_TXFILTER", "UNIX_DISCONNECT", "UNIX_SKIP_OOB", "TCP_CLOSE"}) {
    const BenignDrop* row = benign_drop(reason, "wherever");
    ASSERT_NE(row, nullptr) << reason;
    EXPECT_FALSE(row->why.empty()) << reason;
  }
}

TEST(BenignDropTest, SomeReasonsAreBenignInSomePlacesAlone) {
  for (const char* location :
       {"tcp_v4_rcv", "tcp_v6_rcv", "ip6_mc_input", "sk_stream_kill_queues", "inet_sock_destruct",
        "tcp_rcv_state_process", "unix_release_sock", "netlink_broadcast_filtered"}) {
    const BenignDrop* row = benign_drop("NOT_SPECIFIED", location);
    ASSERT_NE(row, nullptr) << location;
    EXPECT_FALSE(row->why.empty()) << location;
  }
  EXPECT_EQ(benign_drop("NOT_SPECIFIED", "nf_hook_slow"), nullptr);
  EXPECT_EQ(benign_drop("NOT_SPECIFIED", ""), nullptr);
}

TEST(BenignDropTest, ASegmentForNobodyIsBenignWhereAResetTellsSo) {
  EXPECT_NE(benign_drop("NO_SOCKET", "tcp_v4_rcv"), nullptr);
  EXPECT_EQ(benign_drop("NO_SOCKET", "__udp4_lib_rcv"), nullptr);
}

TEST(BenignDropTest, WhatHurtsIsNotInTheTable) {
  for (const char* reason : {"NETFILTER_DROP", "SOCKET_RCVBUFF", "TCP_CSUM", "SOCKET_BACKLOG",
                             "NOMEM", "QDISC_DROP", "CPU_BACKLOG", "#17", ""})
    EXPECT_EQ(benign_drop(reason, "tcp_v4_rcv"), nullptr) << reason;
}

TEST(BenignDropTest, TheKernelMayOnlyCountWhatIsBenignEverywhere) {
  EXPECT_TRUE(always_benign("TCP_OLD_DATA"));
  EXPECT_FALSE(always_benign("NOT_SPECIFIED"));
  EXPECT_FALSE(always_benign("NETFILTER_DROP"));
}

}  // namespace
}  // namespace netsonde
