// SPDX-License-Identifier: Apache-2.0
#include "tuner/scope_name.h"

#include <gtest/gtest.h>

#include <string>

#include "tuner/plan_json.h"

namespace netsonde {
namespace {

using namespace std::string_literals;

bool is_good(ScopeKind kind, std::string_view name) {
  return static_cast<bool>(check_scope_name(kind, name));
}

TEST(ScopeNameTest, ADeviceHasANameThatTheKernelGivesAndAPathTakes) {
  for (const std::string_view name :
       {"eth0", "lo", "a", "...", "br-1a2b3c", "eth0.100", "a=b", "$(reboot)", "fifteen-letters"})
    EXPECT_TRUE(is_good(ScopeKind::Device, name)) << name;
  for (const std::string& name : {""s, "."s, ".."s, "../.."s, "a/b"s, "/"s, "a b"s, "a\tb"s, "a\n"s,
                                  "a\0b"s, "a:1"s, "sixteen-letters."s, "\xc3\xa4"s, "\x7f"s})
    EXPECT_FALSE(is_good(ScopeKind::Device, name)) << name;
}

TEST(ScopeNameTest, ARouteIsItsDestinationInOneForm) {
  for (const std::string_view name : {"default", "::/0", "10.0.0.0/8", "2001:db8::1/128"})
    EXPECT_TRUE(is_good(ScopeKind::Route, name)) << name;
  for (const std::string_view name : {"", "0.0.0.0/0", "10.0.0.0", "10.1.0.0/8", "010.0.0.0/8",
                                      "2001:DB8::/32", "10.0.0.0/8 via 10.0.0.1", "eth0"})
    EXPECT_FALSE(is_good(ScopeKind::Route, name)) << name;
}

TEST(ScopeNameTest, ANamespaceIsANumberAndTheHostHasNoName) {
  EXPECT_TRUE(is_good(ScopeKind::Namespace, "4026531840"));
  for (const std::string_view name : {"", "04", "-4", "4a"})
    EXPECT_FALSE(is_good(ScopeKind::Namespace, name)) << name;
  EXPECT_TRUE(is_good(ScopeKind::Host, ""));
  EXPECT_FALSE(is_good(ScopeKind::Host, "host"));
}

std::string plan_for(const std::string& key, const std::string& scope, const std::string& value) {
  return R"({"schema": 1, "time_ns": 1, "host": "h", "boot": "b", "goal": "", "considered": [],
             "proposals": [{"key": ")" +
         key + R"(", "scope": )" + scope + R"(, "from": ")" + value + R"(", "to": ")" + value +
         R"(", "evidence": []}]})";
}

TEST(ScopeNameTest, APlanNamesDevicesAndRoutes) {
  const auto device = plan_from(plan_for(
      "device.rps_cpus", R"({"kind": "device", "name": "eth0", "cookie": 7, "netns": 9})", "03 F"));
  ASSERT_TRUE(device) << device.error().message();
  const Proposal& proposal = device.value().proposals.at(0);
  EXPECT_EQ(proposal.scope,
            (ChangeScope{.kind = ScopeKind::Device, .name = "eth0", .cookie = 7, .netns = 9}));
  EXPECT_EQ(proposal.to, "3 f");
  EXPECT_TRUE(plan_from(plan_for(
      "route.initcwnd", R"({"kind": "route", "name": "default", "cookie": 7, "netns": 9})", "20")));
}

TEST(ScopeNameTest, AHostilePlanIsRefused) {
  for (const char* scope : {R"({"kind": "device", "name": "../../x", "cookie": 7, "netns": 9})",
                            R"({"kind": "device", "name": "eth0", "cookie": 7})",
                            R"({"kind": "device", "name": "eth0", "netns": 9})",
                            R"({"kind": "device", "name": ["eth0"], "cookie": 7, "netns": 9})",
                            R"({"kind": "device", "name": "eth0", "cookie": -7, "netns": 9})",
                            R"({"kind": "netns", "name": "9", "cookie": 7})",
                            R"({"kind": "route", "name": "default", "cookie": 7, "netns": 9})",
                            R"({"kind": "host", "name": ""})"})
    EXPECT_FALSE(plan_from(plan_for("device.txqueuelen", scope, "2000"))) << scope;
  const char* const eth0 = R"({"kind": "device", "name": "eth0", "cookie": 7, "netns": 9})";
  EXPECT_FALSE(plan_from(plan_for("device.txqueuelen", eth0, "0")));
  EXPECT_FALSE(plan_from(plan_for("device.qdisc", eth0, "htb")));
  EXPECT_FALSE(plan_from(plan_for("device.rps_cpus", eth0, "1 $(reboot)")));
  EXPECT_FALSE(plan_from(
      plan_for("route.initcwnd",
               R"({"kind": "route", "name": "10.1.0.0/8", "cookie": 7, "netns": 9})", "20")));
}

ChangeScope device_scope(const char* name, std::uint32_t index = 0, const char* address = "") {
  return {.kind = ScopeKind::Device,
          .name = name,
          .cookie = 7,
          .netns = 9,
          .index = index,
          .address = address};
}

TEST(DeviceScopeTest, ItIsTheSameUnderAnotherName) {
  EXPECT_EQ(device_scope("eth0", 2, "02:01"), device_scope("wan0", 2, "02:01"));
  EXPECT_EQ(device_scope("eth0", 2, "02:01"), device_scope("eth0", 2, "02:02"));
  EXPECT_NE(device_scope("eth0", 2, "02:01"), device_scope("eth0", 3, "02:01"));
  EXPECT_NE(device_scope("eth0", 2), device_scope("wan0", 2));
}

TEST(DeviceScopeTest, WithoutAnIndexItIsWhoHasTheName) {
  EXPECT_EQ(device_scope("eth0"), device_scope("eth0", 2));
  EXPECT_TRUE(device_scope("eth0").is_device("eth0", 5, "02:01"));
  EXPECT_FALSE(device_scope("eth0").is_device("wan0", 5, "02:01"));
}

TEST(DeviceScopeTest, AnIndexThatAnotherOneHasNamesNobody) {
  EXPECT_TRUE(device_scope("eth0", 2, "02:01").is_device("wan0", 2, "02:01"));
  EXPECT_FALSE(device_scope("eth0", 2, "02:01").is_device("wan0", 2, "02:02"));
  EXPECT_FALSE(device_scope("eth0", 2).is_device("wan0", 2, ""));
}

TEST(DeviceScopeTest, APlanKeepsWhichOneItIs) {
  const ChangeScope scope = device_scope("eth0", 2, "02:01");
  const auto plan = plan_from(plan_for("device.rps_cpus", to_json(scope).dump(), "3"));
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan.value().proposals[0].scope.index, 2U);
  EXPECT_EQ(plan.value().proposals[0].scope.address, "02:01");
}

}  // namespace
}  // namespace netsonde
