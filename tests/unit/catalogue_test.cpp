// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

#include "tests/unit/tunable_fixture.h"
#include "tuner/qdisc_kind.h"

namespace netsonde {
namespace {

TEST(CatalogueTest, EveryKeyIsFoundByItsName) {
  for (const Tunable& row : tunables()) EXPECT_EQ(find_tunable(row.key), &row) << row.key;
}

TEST(CatalogueTest, WhatIsNotInItIsNotFound) {
  for (const std::string_view key :
       {"", "a", "net.core.somaxcon", "net.core.somaxconn2", "net/core/somaxconn",
        "net.core.SOMAXCONN", "kernel.core_pattern", "zzz", "net.core.somaxconn\n"})
    EXPECT_EQ(find_tunable(key), nullptr) << key;
}

// Those of sysctls become paths below /proc/sys.
TEST(CatalogueTest, KeysAreWordsOfTheNetworkWithSingleDots) {
  for (const Tunable& row : tunables()) {
    EXPECT_EQ(row.key.starts_with("net."), is_sysctl(row)) << row.key;
    EXPECT_EQ(row.key.find(".."), row.key.npos) << row.key;
    EXPECT_EQ(row.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_."), row.key.npos)
        << row.key;
  }
}

TEST(CatalogueTest, EverySettingThatAFindingNamesIsInIt) {
  for (const std::string_view key : {"net.core.default_qdisc",
                                     "net.core.netdev_budget",
                                     "net.core.netdev_budget_usecs",
                                     "net.core.netdev_max_backlog",
                                     "net.core.rmem_default",
                                     "net.core.rmem_max",
                                     "net.core.somaxconn",
                                     "net.ipv4.ip_local_port_range",
                                     "net.ipv4.neigh.default.gc_thresh3",
                                     "net.ipv4.tcp_base_mss",
                                     "net.ipv4.tcp_congestion_control",
                                     "net.ipv4.tcp_early_retrans",
                                     "net.ipv4.tcp_ecn",
                                     "net.ipv4.tcp_fastopen",
                                     "net.ipv4.tcp_frto",
                                     "net.ipv4.tcp_keepalive_intvl",
                                     "net.ipv4.tcp_keepalive_time",
                                     "net.ipv4.tcp_max_orphans",
                                     "net.ipv4.tcp_max_syn_backlog",
                                     "net.ipv4.tcp_max_tw_buckets",
                                     "net.ipv4.tcp_mem",
                                     "net.ipv4.tcp_mtu_probing",
                                     "net.ipv4.tcp_recovery",
                                     "net.ipv4.tcp_reordering",
                                     "net.ipv4.tcp_retries2",
                                     "net.ipv4.tcp_rmem",
                                     "net.ipv4.tcp_rto_min_us",
                                     "net.ipv4.tcp_slow_start_after_idle",
                                     "net.ipv4.tcp_syn_retries",
                                     "net.ipv4.tcp_synack_retries",
                                     "net.ipv4.tcp_timestamps",
                                     "net.ipv4.tcp_tw_reuse",
                                     "net.ipv4.tcp_window_scaling",
                                     "net.ipv4.tcp_wmem",
                                     "net.ipv6.neigh.default.gc_thresh3",
                                     "net.netfilter.nf_conntrack_max"})
    EXPECT_NE(find_tunable(key), nullptr) << key;
}

TEST(CatalogueTest, MeaningAndRiskAreShortAndBeginSmall) {
  for (const Tunable& row : tunables()) {
    for (const std::string_view text : {row.meaning, row.risk}) {
      ASSERT_FALSE(text.empty()) << row.key;
      EXPECT_LE(text.size(), 90U) << row.key;
      EXPECT_FALSE(text.ends_with('.')) << row.key;
      // "IPv4 neighbours" may.
      EXPECT_TRUE(std::islower(text[0]) || std::isdigit(text[0]) || text.starts_with("IPv"))
          << row.key;
    }
  }
}

TEST(CatalogueTest, EveryStandardValueMayBeWritten) {
  for (const Tunable& row : tunables())
    EXPECT_TRUE(row.standard.empty() || check_value(row, row.standard)) << row.key;
}

TEST(CatalogueTest, NumbersHaveBoundsAndNamesHaveNone) {
  for (const Tunable& row : tunables())
    EXPECT_EQ(row.floor < row.ceiling,
              row.shape != TunableShape::Word && row.shape != TunableShape::Words &&
                  row.shape != TunableShape::Mask && row.shape != TunableShape::Masks)
        << row.key;
}

TEST(CatalogueTest, TheDisciplinesThatMayBeSetUpHaveHandlesOfTheirOwn) {
  std::string words(kDefaultQdisc);
  std::set<std::uint32_t> handles;
  for (const QdiscKind& kind : kQdiscKinds) {
    words += " " + std::string(kind.name) + (kind.shapes ? ":RATE" : "");
    EXPECT_EQ(kind.handle & 0xffff, 0U) << kind.name;
    EXPECT_LT(kind.handle, 0x8000'0000) << "the kernel gives out those above by itself";
    EXPECT_TRUE(handles.insert(kind.handle).second) << kind.name;
  }
  EXPECT_EQ(find_tunable("device.qdisc")->words, words);
}

// Of 6.18: other namespaces do not have these, or cannot write them.
TEST(CatalogueTest, WhatTheKernelHasOnceIsOfTheHost) {
  std::vector<std::string_view> keys;
  for (const Tunable& row : tunables())
    if (row.scope == ScopeKind::Host) keys.push_back(row.key);
  const std::vector<std::string_view> expected = {"net.core.busy_poll",
                                                  "net.core.busy_read",
                                                  "net.core.default_qdisc",
                                                  "net.core.flow_limit_cpu_bitmap",
                                                  "net.core.netdev_budget",
                                                  "net.core.netdev_budget_usecs",
                                                  "net.core.netdev_max_backlog",
                                                  "net.core.rmem_default",
                                                  "net.core.rmem_max",
                                                  "net.core.rps_sock_flow_entries",
                                                  "net.core.wmem_default",
                                                  "net.core.wmem_max",
                                                  "net.ipv4.neigh.default.gc_thresh1",
                                                  "net.ipv4.neigh.default.gc_thresh2",
                                                  "net.ipv4.neigh.default.gc_thresh3",
                                                  "net.ipv4.tcp_allowed_congestion_control",
                                                  "net.ipv4.tcp_max_orphans",
                                                  "net.ipv4.tcp_mem",
                                                  "net.ipv4.udp_mem",
                                                  "net.ipv6.neigh.default.gc_thresh1",
                                                  "net.ipv6.neigh.default.gc_thresh2",
                                                  "net.ipv6.neigh.default.gc_thresh3",
                                                  "net.netfilter.nf_conntrack_max"};
  EXPECT_EQ(keys, expected);
}

TEST(CatalogueTest, TheClassicServerSetMayBeWritten) {
  const std::pair<std::string_view, std::string_view> settings[] = {
      {"net.core.rmem_max", "134217728"},
      {"net.core.wmem_max", "134217728"},
      {"net.core.rmem_default", "262144"},
      {"net.core.wmem_default", "262144"},
      {"net.ipv4.tcp_window_scaling", "1"},
      {"net.ipv4.tcp_rmem", "4096 87380 134217728"},
      {"net.ipv4.tcp_wmem", "4096 65536 134217728"},
      {"net.ipv4.tcp_congestion_control", "bbr"},
      {"net.ipv4.tcp_slow_start_after_idle", "0"},
      {"net.core.somaxconn", "65535"},
      {"net.core.netdev_max_backlog", "5000"},
      {"net.ipv4.tcp_max_syn_backlog", "8192"},
      {"net.ipv4.tcp_keepalive_time", "600"},
      {"net.ipv4.tcp_keepalive_intvl", "60"},
      {"net.ipv4.tcp_keepalive_probes", "3"},
      {"net.ipv4.tcp_recovery", "1"},
      {"net.ipv4.tcp_frto", "2"}};
  for (const auto& [key, value] : settings) EXPECT_EQ(refusal(key, value), "");
}

TEST(CatalogueTest, WhatManyAdministratorsWriteMayBeWritten) {
  const std::pair<std::string_view, std::string_view> settings[] = {
      {"net.core.rmem_max", "2147483647"},
      {"net.core.rmem_default", "31457280"},
      {"net.core.optmem_max", "25165824"},
      {"net.core.netdev_max_backlog", "250000"},
      {"net.core.netdev_budget", "50000"},
      {"net.core.default_qdisc", "fq_codel"},
      {"net.ipv4.ip_local_port_range", "1024 65535"},
      {"net.ipv4.neigh.default.gc_thresh1", "0"},
      {"net.ipv4.tcp_adv_win_scale", "-2"},
      {"net.ipv4.tcp_fastopen", "1027"},
      {"net.ipv4.tcp_fin_timeout", "10"},
      {"net.ipv4.tcp_max_orphans", "3276800"},
      {"net.ipv4.tcp_max_syn_backlog", "3240000"},
      {"net.ipv4.tcp_max_tw_buckets", "5000"},
      {"net.ipv4.tcp_max_tw_buckets", "2000000"},
      {"net.ipv4.tcp_notsent_lowat", "16384"},
      {"net.ipv4.tcp_reordering", "127"},
      {"net.ipv4.tcp_retries2", "5"},
      {"net.ipv4.tcp_rmem", "4096 87380 2147483647"},
      {"net.ipv6.route.max_size", "2147483647"},
      {"net.netfilter.nf_conntrack_max", "1048576"}};
  for (const auto& [key, value] : settings) EXPECT_EQ(refusal(key, value), "");
}

TEST(CatalogueTest, WhatWouldTakeTheNetworkFromAHostIsRefused) {
  const std::pair<std::string_view, std::string_view> settings[] = {
      {"net.core.somaxconn", "0"},
      {"net.core.rmem_max", "4095"},
      {"net.ipv4.ip_local_port_range", "5000 5000"},
      {"net.ipv4.neigh.default.gc_thresh3", "0"},
      {"net.ipv4.tcp_adv_win_scale", "-31"},
      {"net.ipv4.tcp_mem", "1 1 1"},
      {"net.ipv4.tcp_mem", "94500000 915000000 927000000"},
      {"net.ipv4.tcp_notsent_lowat", "0"},
      {"net.ipv4.tcp_retries2", "0"},
      {"net.ipv4.tcp_rmem", "1 1 1"},
      {"net.ipv4.tcp_syn_retries", "127"},
      {"net.ipv4.tcp_wmem", "4096 16384 1"},
      {"net.netfilter.nf_conntrack_max", "0"}};
  for (const auto& [key, value] : settings) EXPECT_NE(refusal(key, value), "") << key;
}

TEST(CatalogueTest, SynCookiesAreNeverTurnedOff) {
  EXPECT_EQ(refusal("net.ipv4.tcp_syncookies", "0"), "net.ipv4.tcp_syncookies: 0 is below 1");
  EXPECT_EQ(refusal("net.ipv4.tcp_syncookies", "1"), "");
}

TEST(CatalogueTest, MasksAreAsUsualWhenEachIs) {
  const Tunable& masks = *find_tunable("device.rps_cpus");
  EXPECT_TRUE(is_standard(masks, "0"));
  EXPECT_TRUE(is_standard(masks, "0 0 0"));
  EXPECT_FALSE(is_standard(masks, "0 1 0"));
  EXPECT_TRUE(is_standard(*find_tunable("device.txqueuelen"), "1000"));
  EXPECT_FALSE(is_standard(*find_tunable("net.core.rmem_max"), "")) << "its own is not known";
}

}  // namespace
}  // namespace netsonde
