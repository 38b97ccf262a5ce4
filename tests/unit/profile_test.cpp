// SPDX-License-Identifier: Apache-2.0
#include "tuner/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <stdexcept>

#include "tuner/plan_json.h"

namespace netsonde {
namespace {

using ::testing::IsEmpty;

const ChangeScope kOwn = {.kind = ScopeKind::Namespace, .name = "4026531840", .cookie = 1};
constexpr const char* kAvailable = "net.ipv4.tcp_available_congestion_control";

// A host with settings.
struct Host {
  std::map<std::string, std::string, std::less<>> values{};
  HostTraits traits{.memory_bytes = 64ULL << 30, .link_bits_per_s = 100'000'000'000};
  ChangeScope own = kOwn;

  ProfileInput input() const {
    return {.host = traits,
            .own = own,
            .value = [this](const ChangeScope& scope,
                            std::string_view key) -> std::optional<std::string> {
              const Tunable* tunable = find_tunable(key);
              const bool of_host = tunable && tunable->scope == ScopeKind::Host;
              const auto found = values.find(key);
              if (found == values.end() || scope != (of_host ? ChangeScope{} : own))
                return std::nullopt;
              return found->second;
            }};
  }
};

// As the profile of the setting alone changes it; in brackets: why it does not.
std::string outcome(const Host& host, const ProfileSetting& setting) {
  const Plan plan = plan_of({.name = "p", .settings = {setting}}, host.input());
  if (plan.proposals.size() + plan.considered.size() != 1) throw std::logic_error("one outcome");
  if (!plan.proposals.empty()) return plan.proposals[0].to;
  EXPECT_EQ(plan.considered[0].key, setting.key);
  return "(" + plan.considered[0].why_not + ")";
}

std::string outcome(const std::string& key, const std::string& now, const std::string& wanted,
                    bool may_lower = false) {
  return outcome(Host{.values = {{key, now}}},
                 {.key = key, .value = wanted, .may_lower = may_lower});
}

const Profile& own(const std::string& name) {
  static const std::vector<Profile> profiles = own_profiles();
  const auto found = std::ranges::find(profiles, name, &Profile::name);
  if (found == profiles.end()) throw std::out_of_range("no profile " + name);
  return *found;
}

// --- plans ---

TEST(ProfilePlanTest, AProposalTellsWhatItIsFrom) {
  const Host host{.values = {{"net.core.somaxconn", "4096"}}};
  const Plan plan =
      plan_of({.name = "mine",
               .settings = {{.key = "net.core.somaxconn", .value = "8192", .why = "bursts wait"}}},
              host.input());
  EXPECT_EQ(plan.goal, "profile mine");
  EXPECT_EQ(plan.time_ns, 0);
  EXPECT_THAT(plan.considered, IsEmpty());
  ASSERT_EQ(plan.proposals.size(), 1U);
  const Proposal& proposal = plan.proposals[0];
  EXPECT_EQ(proposal.key, "net.core.somaxconn");
  EXPECT_EQ(proposal.from, "4096");
  EXPECT_EQ(proposal.to, "8192");
  EXPECT_EQ(proposal.finding, "profile mine");
  EXPECT_EQ(proposal.expected, "bursts wait");
  EXPECT_EQ(proposal.risk, find_tunable("net.core.somaxconn")->risk);
  EXPECT_EQ(proposal.verify, "read back");
  EXPECT_THAT(proposal.evidence, IsEmpty());
}

TEST(ProfilePlanTest, AChangeHoldsWhereTheSettingDoes) {
  const Host host{.values = {{"net.core.somaxconn", "4096"}, {"net.core.rmem_max", "212992"}}};
  const Plan plan = plan_of({.name = "p",
                             .settings = {{.key = "net.core.somaxconn", .value = "8192"},
                                          {.key = "net.core.rmem_max", .value = "1048576"}}},
                            host.input());
  ASSERT_EQ(plan.proposals.size(), 2U);
  EXPECT_EQ(plan.proposals[0].scope, kOwn);
  EXPECT_EQ(plan.proposals[1].scope, ChangeScope{});
}

TEST(ProfilePlanTest, ANumberIsOnlyRaised) {
  EXPECT_EQ(outcome("net.core.somaxconn", "4096", "8192"), "8192");
  EXPECT_EQ(outcome("net.core.somaxconn", "9000", "8192"), "(9000 is there, which is more)");
  EXPECT_EQ(outcome("net.core.somaxconn", "8192", "8192"), "(is 8192 already)");
  EXPECT_EQ(outcome("net.core.somaxconn", "10000", "9999"), "(10000 is there, which is more)");
}

TEST(ProfilePlanTest, EachNumberOfThreeIsOnlyRaised) {
  const char* key = "net.ipv4.tcp_rmem";
  EXPECT_EQ(outcome(key, "4096 131072 6291456", "4096 87380 134217728"), "4096 131072 134217728");
  EXPECT_EQ(outcome(key, "8192 87380 6291456", "4096 131072 4194304"), "8192 131072 6291456");
  EXPECT_EQ(outcome(key, "8192 131072 6291456", "4096 87380 6291456"),
            "(8192 131072 6291456 is there, which is more)");
  EXPECT_EQ(outcome(key, "4096 87380 134217728", "4096 87380 134217728"),
            "(is 4096 87380 134217728 already)");
}

TEST(ProfilePlanTest, ARangeIsOnlyWidened) {
  const char* key = "net.ipv4.ip_local_port_range";
  EXPECT_EQ(outcome(key, "32768 60999", "16384 65535"), "16384 65535");
  EXPECT_EQ(outcome(key, "10240 60999", "16384 65535"), "10240 65535");
  EXPECT_EQ(outcome(key, "32768 65000", "16384 60999"), "16384 65000");
  EXPECT_EQ(outcome(key, "1024 65535", "16384 65535"), "(1024 65535 is there, which is wider)");
}

TEST(ProfilePlanTest, AChoiceIsMadeWhateverIsThere) {
  EXPECT_EQ(outcome("net.ipv4.tcp_keepalive_time", "7200", "600", true), "600");
  EXPECT_EQ(outcome("net.ipv4.tcp_keepalive_time", "300", "600", true), "600");
  EXPECT_EQ(outcome("net.ipv4.tcp_keepalive_time", "600", "600", true), "(is 600 already)");
  EXPECT_EQ(outcome("net.ipv4.tcp_rmem", "8192 16384 32768", "4096\t8192  16384", true),
            "4096 8192 16384");
}

TEST(ProfilePlanTest, AnotherNameIsNotHigher) {
  EXPECT_EQ(outcome("net.core.default_qdisc", "fq", "fq_codel", true), "fq_codel");
  EXPECT_EQ(outcome("net.core.default_qdisc", "fq", "fq_codel", false),
            "(net.core.default_qdisc: its values are not numbers)");
}

TEST(ProfilePlanTest, WhatIsNotThereIsNotAvailable) {
  EXPECT_EQ(outcome(Host{}, {.key = "net.core.somaxconn", .value = "8192"}),
            "(not available here)");
  const Plan plan = plan_of(
      {.name = "p", .settings = {{.key = "net.core.somaxconn", .value = "8192"}}}, {.own = kOwn});
  ASSERT_EQ(plan.considered.size(), 1U);
  EXPECT_EQ(plan.considered[0].why_not, "not available here");
}

TEST(ProfilePlanTest, NothingIsChangedInANamespaceThatIsNotKnown) {
  EXPECT_EQ(outcome(Host{.values = {{"net.core.somaxconn", "4096"}}, .own = {}},
                    {.key = "net.core.somaxconn", .value = "8192"}),
            "(which network namespace to change is not known)");
}

TEST(ProfilePlanTest, WhatCouldNotBeWrittenBackIsLeft) {
  EXPECT_EQ(outcome("net.ipv4.tcp_notsent_lowat", "1", "131072"),
            "(what is there could not be written back (net.ipv4.tcp_notsent_lowat: 1 is below "
            "4096))");
}

TEST(ProfilePlanTest, TheCatalogueHasTheLastWord) {
  EXPECT_EQ(outcome("kernel.core_pattern", "core", "x", true), "(is not in the catalogue)");
  for (const bool may_lower : {false, true})
    EXPECT_EQ(outcome("net.core.somaxconn", "4096", "70000", may_lower),
              "(net.core.somaxconn: 70000 is above 65535)");
}

TEST(ProfilePlanTest, OnlyACongestionControlThatIsAvailableIsChosen) {
  const ProfileSetting bbr{
      .key = "net.ipv4.tcp_congestion_control", .value = "bbr", .may_lower = true};
  Host host{.values = {{bbr.key, "cubic"}, {kAvailable, "reno bbr cubic"}}};
  EXPECT_EQ(outcome(host, bbr), "bbr");
  host.values[kAvailable] = "reno cubic bbr2\x1b bpf_bbr";
  EXPECT_EQ(outcome(host, bbr),
            "(this kernel has no bbr (available: reno cubic bbr2\\x1b bpf_bbr); a module? modprobe "
            "tcp_bbr)");
  host.values.erase(kAvailable);
  EXPECT_EQ(outcome(host, bbr), "(which congestion controls this kernel has is not known)");
  host.values[bbr.key] = "bbr";
  EXPECT_EQ(outcome(host, bbr), "(is bbr already)");
}

// --- conditions ---

std::string outcome_with(HostTraits traits, std::uint64_t memory, std::uint64_t link) {
  return outcome(Host{.values = {{"net.core.somaxconn", "4096"}}, .traits = traits},
                 {.key = "net.core.somaxconn",
                  .value = "8192",
                  .memory_at_least = memory,
                  .link_at_least = link});
}

constexpr std::uint64_t kGiB = 1 << 30, kGbit = 1'000'000'000;

TEST(ProfileConditionTest, MemoryIsAsMuchAsIsAskedFor) {
  EXPECT_EQ(outcome_with({.memory_bytes = 4 * kGiB}, 4 * kGiB, 0), "8192");
  EXPECT_EQ(outcome_with({.memory_bytes = 2 * kGiB}, 4 * kGiB, 0),
            "(memory 2.0GiB is less than 4.0GiB)");
  EXPECT_EQ(outcome_with({.memory_bytes = 4 * kGiB - 1}, 4 * kGiB, 0),
            "(memory 4294967295 is less than 4294967296)");
  EXPECT_EQ(outcome_with({}, 4 * kGiB, 0), "(memory unknown)");
}

TEST(ProfileConditionTest, TheLinkIsAsFastAsIsAskedFor) {
  EXPECT_EQ(outcome_with({.link_bits_per_s = 10 * kGbit}, 0, 10 * kGbit), "8192");
  EXPECT_EQ(outcome_with({.link_bits_per_s = kGbit}, 0, 10 * kGbit),
            "(link 1.0Gbit is less than 10.0Gbit)");
  EXPECT_EQ(outcome_with({}, 0, 10 * kGbit), "(link speed unknown)");
}

TEST(ProfileConditionTest, BothMustHold) {
  EXPECT_EQ(outcome_with({.memory_bytes = kGiB, .link_bits_per_s = kGbit}, kGiB, kGbit), "8192");
  EXPECT_NE(outcome_with({.memory_bytes = kGiB, .link_bits_per_s = 1}, kGiB, kGbit), "8192");
  EXPECT_NE(outcome_with({.memory_bytes = 1, .link_bits_per_s = kGbit}, kGiB, kGbit), "8192");
}

TEST(ProfileConditionTest, WithoutOneNothingNeedBeKnown) {
  EXPECT_EQ(outcome_with({}, 0, 0), "8192");
}

// --- those that came with netsonde ---

TEST(OwnProfilesTest, EverySettingMayBeWritten) {
  for (const Profile& profile : own_profiles()) {
    EXPECT_FALSE(profile.settings.empty()) << profile.name;
    for (const ProfileSetting& setting : profile.settings) {
      const Tunable* tunable = find_tunable(setting.key);
      ASSERT_NE(tunable, nullptr) << profile.name << ": " << setting.key;
      const auto checked = check_value(*tunable, setting.value);
      EXPECT_TRUE(checked) << profile.name << ": " << checked.error().message();
    }
  }
}

TEST(OwnProfilesTest, TextsAreShortAndBeginSmall) {
  for (const Profile& profile : own_profiles()) {
    EXPECT_LE(profile.summary.size(), 150U) << profile.name;
    EXPECT_TRUE(std::islower(profile.summary[0])) << profile.name;
    for (const ProfileSetting& setting : profile.settings) {
      EXPECT_LE(setting.why.size(), 110U) << profile.name << ": " << setting.key;
      EXPECT_TRUE(std::islower(setting.why[0])) << setting.why;
      EXPECT_FALSE(setting.why.ends_with('.')) << setting.why;
    }
  }
}

TEST(OwnProfilesTest, TheClassicOneIsTheClassicSet) {
  std::map<std::string, std::string> values;
  for (const ProfileSetting& setting : own("classic").settings)
    values[setting.key] = (setting.may_lower ? "=" : "") + setting.value;
  const std::map<std::string, std::string> expected = {
      {"net.core.rmem_max", "134217728"},
      {"net.core.wmem_max", "134217728"},
      {"net.core.rmem_default", "262144"},
      {"net.core.wmem_default", "262144"},
      {"net.ipv4.tcp_window_scaling", "1"},
      {"net.ipv4.tcp_rmem", "4096 87380 134217728"},
      {"net.ipv4.tcp_wmem", "4096 65536 134217728"},
      {"net.ipv4.tcp_congestion_control", "=bbr"},
      {"net.ipv4.tcp_slow_start_after_idle", "=0"},
      {"net.core.somaxconn", "65535"},
      {"net.core.netdev_max_backlog", "5000"},
      {"net.ipv4.tcp_max_syn_backlog", "8192"},
      {"net.ipv4.tcp_keepalive_time", "=600"},
      {"net.ipv4.tcp_keepalive_intvl", "=60"},
      {"net.ipv4.tcp_keepalive_probes", "=3"},
      {"net.ipv4.tcp_recovery", "=1"},
      {"net.ipv4.tcp_frto", "=2"}};
  EXPECT_EQ(values, expected);
}

TEST(OwnProfilesTest, BeyondTheClassicOneLargeBuffersNeedMemory) {
  for (const Profile& profile : own_profiles()) {
    if (profile.name == "classic") continue;
    for (const ProfileSetting& setting : profile.settings) {
      const Tunable& tunable = *find_tunable(setting.key);
      const auto numbers = numbers_of(tunable, setting.value);
      if (numbers && tunable.unit == "bytes" && numbers.value().back() >= 16 << 20) {
        EXPECT_GE(setting.memory_at_least, 32U * numbers.value().back()) << setting.key;
      }
    }
  }
}

// A host on which somebody has set every number as high as it goes.
TEST(OwnProfilesTest, WhatIsNoChoiceIsNeverLowered) {
  for (const Profile& profile : own_profiles())
    for (const ProfileSetting& setting : profile.settings) {
      const Tunable& tunable = *find_tunable(setting.key);
      if (setting.may_lower) continue;
      const std::string most = std::to_string(tunable.ceiling);
      const std::string now = tunable.shape == TunableShape::Triple ? most + " " + most + " " + most
                              : tunable.shape == TunableShape::Range ? "1024 65535"
                                                                     : most;
      EXPECT_TRUE(outcome(Host{.values = {{setting.key, now}}}, setting).starts_with("("))
          << setting.key;
    }
}

TEST(OwnProfilesTest, TheirPlansAreReadBack) {
  Host host{.values = {{kAvailable, "reno cubic bbr"}}};
  for (const Tunable& tunable : tunables()) {
    const std::string least = std::to_string(tunable.floor);
    host.values[std::string(tunable.key)] = tunable.shape == TunableShape::Triple
                                                ? least + " " + least + " " + least
                                            : tunable.shape == TunableShape::Range ? "32768 60999"
                                            : tunable.shape == TunableShape::Word  ? "reno"
                                                                                   : least;
  }
  for (const Profile& profile : own_profiles()) {
    const Plan plan = plan_of(profile, host.input());
    const auto read = plan_from(to_line(to_json(plan)));
    ASSERT_TRUE(read) << profile.name << ": " << read.error().message();
    EXPECT_EQ(read.value().proposals.size(), plan.proposals.size());
    EXPECT_GE(plan.proposals.size() + 1, profile.settings.size()) << profile.name;
  }
}

}  // namespace
}  // namespace netsonde
