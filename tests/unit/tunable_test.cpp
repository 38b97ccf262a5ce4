// SPDX-License-Identifier: Apache-2.0
#include "tuner/tunable.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <set>
#include <stdexcept>
#include <utility>

#include "tuner/qdisc_kind.h"

namespace netsonde {
namespace {

using namespace std::string_literals;

const Tunable& tunable(std::string_view key) {
  const Tunable* found = find_tunable(key);
  if (!found) throw std::out_of_range("not in the catalogue: " + std::string(key));
  return *found;
}

// Why the value may not be written; empty when it may.
std::string refusal(const Tunable& row, std::string_view value) {
  const auto checked = check_value(row, value);
  return checked ? "" : checked.error().message();
}

std::string refusal(std::string_view key, std::string_view value) {
  return refusal(tunable(key), value);
}

Tunable of_shape(TunableShape shape) {
  return {.key = "net.test",
          .shape = shape,
          .floor = std::numeric_limits<std::int64_t>::min(),
          .ceiling = std::numeric_limits<std::int64_t>::max()};
}

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
    words += " " + std::string(kind.name);
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

TEST(NormalValueTest, BlanksBecomeOneSpaceAndTheEndsGo) {
  EXPECT_EQ(normal_value("4096\t131072\t6291456\n"), "4096 131072 6291456");
  EXPECT_EQ(normal_value("  reno \t  cubic "), "reno cubic");
  EXPECT_EQ(normal_value("bbr"), "bbr");
  EXPECT_EQ(normal_value(" \t\n"), "");
  EXPECT_EQ(normal_value(""), "");
}

TEST(NumbersOfTest, ThereAreAsManyAsTheShapeHas) {
  using Numbers = std::vector<std::int64_t>;
  EXPECT_EQ(numbers_of(of_shape(TunableShape::Number), "-31\n").value(), Numbers({-31}));
  EXPECT_EQ(numbers_of(of_shape(TunableShape::Range), "32768\t60999").value(),
            Numbers({32768, 60999}));
  EXPECT_EQ(numbers_of(of_shape(TunableShape::Triple), " 1  2 3 ").value(), Numbers({1, 2, 3}));
}

TEST(NumbersOfTest, AnotherCountIsRefused) {
  for (const std::string_view value : {"", " ", "1 2"})
    EXPECT_FALSE(numbers_of(of_shape(TunableShape::Number), value)) << value;
  for (const std::string_view value : {"1", "1 2 3"})
    EXPECT_FALSE(numbers_of(of_shape(TunableShape::Range), value)) << value;
  EXPECT_EQ(numbers_of(tunable("net.ipv4.tcp_rmem"), "4096 87380").error().message(),
            "net.ipv4.tcp_rmem: '4096 87380' is not 3 numbers");
}

TEST(NumbersOfTest, WordsAndMasksHaveNone) {
  for (const TunableShape shape :
       {TunableShape::Word, TunableShape::Words, TunableShape::Mask, TunableShape::Masks}) {
    EXPECT_FALSE(numbers_of(of_shape(shape), ""));
    EXPECT_FALSE(numbers_of(of_shape(shape), "1"));
  }
}

TEST(NumbersOfTest, WhatTheKernelWouldNotPrintSoIsNoNumber) {
  for (const std::string_view value : {"abc", "+1", "0x10", "010", "-0", "00", "1.0", "1,2", "1e3",
                                       "12x", "-", "--1", "\xff", "1\v2", "1;"})
    EXPECT_FALSE(numbers_of(of_shape(TunableShape::Number), value)) << value;
}

TEST(NumbersOfTest, MoreThan64BitsAreRefused) {
  const Tunable number = of_shape(TunableShape::Number);
  EXPECT_EQ(numbers_of(number, "9223372036854775807").value()[0],
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(numbers_of(number, "-9223372036854775808").value()[0],
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(numbers_of(number, "9223372036854775808").error().message(),
            "net.test: 9223372036854775808 does not fit into 64 bits");
  EXPECT_FALSE(numbers_of(number, "-9223372036854775809"));
  EXPECT_FALSE(numbers_of(number, std::string(200, '9')));
}

TEST(CheckValueTest, ABoundIsNamedAndIsInside) {
  EXPECT_EQ(refusal("net.core.somaxconn", "70000"), "net.core.somaxconn: 70000 is above 65535");
  EXPECT_EQ(refusal("net.core.somaxconn", "0"), "net.core.somaxconn: 0 is below 1");
  EXPECT_EQ(refusal("net.core.somaxconn", "65535"), "");
  EXPECT_EQ(refusal("net.core.somaxconn", "128"), "");
}

TEST(CheckValueTest, BoundsHoldForEachNumber) {
  EXPECT_EQ(refusal("net.ipv4.tcp_rmem", "4095 87380 6291456"),
            "net.ipv4.tcp_rmem: 4095 is below 4096");
  EXPECT_EQ(refusal("net.ipv4.tcp_rmem", "4096 87380 2147483648"),
            "net.ipv4.tcp_rmem: 2147483648 is above 2147483647");
}

TEST(CheckValueTest, ATripleDoesNotFall) {
  EXPECT_EQ(refusal("net.ipv4.tcp_wmem", "4096 16384 8192"),
            "net.ipv4.tcp_wmem: 16384 is above 8192, which follows it");
  EXPECT_EQ(refusal("net.ipv4.tcp_wmem", "16384 4096 65536"),
            "net.ipv4.tcp_wmem: 16384 is above 4096, which follows it");
  EXPECT_EQ(refusal("net.ipv4.tcp_wmem", "4096 4096 4096"), "");
}

TEST(CheckValueTest, ARangeRisesAndIsNotNarrow) {
  EXPECT_EQ(refusal("net.ipv4.ip_local_port_range", "60999 32768"),
            "net.ipv4.ip_local_port_range: 60999 is above 32768, which follows it");
  EXPECT_EQ(refusal("net.ipv4.ip_local_port_range", "5000 5254"),
            "net.ipv4.ip_local_port_range: 5000 to 5254 are fewer than 256");
  EXPECT_EQ(refusal("net.ipv4.ip_local_port_range", "5000 5255"), "");
}

TEST(CheckValueTest, TabsAndBlanksDoNoHarm) {
  EXPECT_EQ(refusal("net.ipv4.tcp_rmem", " 4096\t131072   6291456 "), "");
  EXPECT_EQ(refusal("net.ipv4.tcp_congestion_control", " bbr\t"), "");
}

TEST(CheckValueTest, AWordIsOneNameThatTheKernelCouldHave) {
  const std::string_view key = "net.ipv4.tcp_congestion_control";
  for (const std::string_view value : {"cubic", "bbr", "bpf_cubic", "a-b.c", "ABCDEFGHIJKLMN9"})
    EXPECT_EQ(refusal(key, value), "");
  for (const std::string_view value :
       {"", " ", "abcdefghijklmnop", "bbr;reboot", "../bbr", "b\xc3\xa4r", "bbr=1", "\xff", "$bbr"})
    EXPECT_NE(refusal(key, value), "") << value;
  EXPECT_EQ(refusal(key, "reno cubic"), std::string(key) + ": reno cubic is more than one name");
}

TEST(CheckValueTest, WordsAreOneOrMoreNames) {
  const std::string_view key = "net.ipv4.tcp_allowed_congestion_control";
  EXPECT_EQ(refusal(key, "reno"), "");
  EXPECT_EQ(refusal(key, "reno cubic bbr"), "");
  EXPECT_EQ(refusal(key, " "), std::string(key) + ": a name is missing");
  EXPECT_EQ(refusal(key, "reno abcdefghijklmnop"),
            std::string(key) + ": abcdefghijklmnop is longer than 15 characters");
  EXPECT_NE(refusal(key, "reno cu/bic"), "");
}

TEST(CheckValueTest, AMaskIsHexadecimalWithCommas) {
  const std::string_view key = "net.core.flow_limit_cpu_bitmap";
  for (const std::string_view value : {"0", "ff", "FFffffff,00000000", "deadbeef"})
    EXPECT_EQ(refusal(key, value), "");
  for (const std::string_view value : {"", ",", "0x1", "g", "1 2", "-1"})
    EXPECT_NE(refusal(key, value), "") << value;
}

TEST(CheckValueTest, MasksAreThoseThatTheKernelWouldRead) {
  const std::string_view key = "device.rps_cpus";
  for (const std::string_view value : {"0", "3 f", "FFffffff,00000000", "1,2 3"})
    EXPECT_EQ(refusal(key, value), "");
  for (const std::string_view value :
       {"", " ", ",", "1,", ",1", "1,,2", "0x1", "g", "123456789", "-1"})
    EXPECT_NE(refusal(key, value), "") << value;
  EXPECT_EQ(refusal(key, std::string(65'536, 'f')).find("too long"), std::string::npos);
  EXPECT_NE(refusal(key, std::string(65'537, ' ')).find("too long"), std::string::npos);
}

TEST(CheckValueTest, WhereOnlySomeWordsAreKnownOthersAreRefused) {
  EXPECT_EQ(refusal("device.qdisc", "fq_codel"), "");
  for (const std::string_view value : {"mq", "noqueue", "fq 8001:", "fq fq_codel", "", "htb", "FQ"})
    EXPECT_NE(refusal("device.qdisc", value), "") << value;
}

TEST(NormalValueTest, AMaskHasOneForm) {
  const Tunable& masks = *find_tunable("device.rps_cpus");
  EXPECT_EQ(normal_value(masks, " 0003\tF "), "3 f");
  EXPECT_EQ(normal_value(masks, "00000000,00000000"), "0");
  EXPECT_EQ(normal_value(masks, "0001,2"), "1,00000002");
  EXPECT_EQ(normal_value(masks, "00000000,80000000 00ff,00000000,1"),
            "80000000 ff,00000000,00000001");
  EXPECT_EQ(normal_value(masks, "1,"), "1,") << "what is none stays for the check to refuse";
  EXPECT_EQ(normal_value(*find_tunable("net.core.somaxconn"), " 007 "), "007");
}

TEST(CatalogueTest, MasksAreAsUsualWhenEachIs) {
  const Tunable& masks = *find_tunable("device.rps_cpus");
  EXPECT_TRUE(is_standard(masks, "0"));
  EXPECT_TRUE(is_standard(masks, "0 0 0"));
  EXPECT_FALSE(is_standard(masks, "0 1 0"));
  EXPECT_TRUE(is_standard(*find_tunable("device.txqueuelen"), "1000"));
  EXPECT_FALSE(is_standard(*find_tunable("net.core.rmem_max"), "")) << "its own is not known";
}

TEST(CheckValueTest, NoShapeTakesMoreThan256Characters) {
  EXPECT_EQ(refusal("net.core.flow_limit_cpu_bitmap", std::string(256, 'f')), "");
  EXPECT_EQ(refusal("net.core.flow_limit_cpu_bitmap", std::string(257, 'f')),
            "net.core.flow_limit_cpu_bitmap: a value of 257 characters is too long, "
            "at most 256 are taken");
  EXPECT_NE(refusal("net.core.somaxconn", "128" + std::string(1'000'000, ' ')), "");
}

TEST(CheckValueTest, ControlCharactersAreRefusedAndShownEscaped) {
  for (const TunableShape shape : {TunableShape::Number, TunableShape::Range, TunableShape::Triple,
                                   TunableShape::Word, TunableShape::Words, TunableShape::Mask})
    for (const std::string& value : {"1\n2"s, "1\n"s, "1\0"s, "\x1b[2J"s, "1\r"s, "1\x7f"s})
      EXPECT_NE(refusal(of_shape(shape), value).find("control"), std::string::npos);
  EXPECT_EQ(refusal("net.core.somaxconn", "1\x1b[2J"),
            "net.core.somaxconn: 1\\x1b[2J has control characters");
}

TEST(CheckValueTest, NothingCrashesIt) {
  std::vector<std::string> values = {std::string(1, '\0'), "\xc3", "-", ",", " ", "\t\t"};
  for (int byte = 0; byte < 256; ++byte) values.emplace_back(3, static_cast<char>(byte));
  for (const Tunable& row : tunables())
    for (const std::string& value : values)
      if (const std::string why = refusal(row, value); !why.empty()) {
        EXPECT_TRUE(why.starts_with(row.key)) << why;
      }
}

}  // namespace
}  // namespace netsonde
