// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "user/model/filter.h"
#include "user/model/filter_value.h"

namespace netsonde {
namespace {

KernelFilter kernel_part(std::string_view text) {
  const auto filter = Filter::parse(text);
  EXPECT_TRUE(filter) << text;
  if (!filter) return {};
  return filter.value().kernel_part(
      [](std::string_view path) { return path == "/known" ? 99 : 0; });
}

bool only_identity(std::string_view text) {
  return Filter::parse(text).value().only_identity();
}

// Kinds of fields.

TEST(FieldKindTest, IsKnownForEveryFieldOfTheCatalogue) {
  for (const Field& field : fields()) kind_of(field);  // asserts that a row shows it
  EXPECT_EQ(kind_of(*find_field("comm")), FieldKind::Text);
  EXPECT_EQ(kind_of(*find_field("end")), FieldKind::Text);
  EXPECT_EQ(kind_of(*find_field("container")), FieldKind::Text);
  EXPECT_EQ(kind_of(*find_field("pid")), FieldKind::Number);
  EXPECT_EQ(kind_of(*find_field("srtt")), FieldKind::Number);
  EXPECT_EQ(kind_of(*find_field("accept_queue")), FieldKind::Number);
  EXPECT_EQ(kind_of(*find_field("ecn")), FieldKind::Flag);
  EXPECT_EQ(kind_of(*find_field("remote")), FieldKind::Address);
  EXPECT_EQ(kind_of(*find_field("opened_at")), FieldKind::Time);
}

// What every event carries.

TEST(FilterIdentityTest, IsEnoughForWhatEveryEventCarries) {
  EXPECT_TRUE(only_identity(""));
  EXPECT_TRUE(
      only_identity("cookie = 1 and family = ipv4 and local = ::1 and remote in 10.0.0.0/8"));
  EXPECT_TRUE(only_identity("lport = 1 or rport = 2 or port = 3 or not (state = listen)"));
  EXPECT_TRUE(only_identity("direction = in and netns = 1 and pid = 1 and comm = x and uid = 0"));
  EXPECT_TRUE(only_identity("owner_source = exact and cgroup = /x and container = x and age > 1m"));
  EXPECT_TRUE(only_identity("opened_at > 2026-01-01T00:00:00Z"));
}

TEST(FilterIdentityTest, IsNotEnoughOnceOneFieldIsMeasured) {
  EXPECT_FALSE(only_identity("srtt > 5"));
  EXPECT_FALSE(only_identity("rport = 443 and (comm = x or not ecn)"));
}

// What the kernel decides.

TEST(FilterKernelPartTest, HoldsPortsAndIdentifiers) {
  const KernelFilter part =
      kernel_part("port = 1 and lport = 2 and rport = 3 and netns = 4 and pid = 5");
  EXPECT_TRUE(part.any);
  EXPECT_EQ(part.conditions.port, 1);
  EXPECT_EQ(part.conditions.local_port, 2);
  EXPECT_EQ(part.conditions.remote_port, 3);
  EXPECT_EQ(part.conditions.netns, 4U);
  EXPECT_EQ(part.conditions.pid, 5U);
}

TEST(FilterKernelPartTest, HoldsIpv4NetworksAsMappedOnes) {
  const KernelFilter part = kernel_part("remote in 10.1.2.3/8");
  EXPECT_TRUE(part.any);
  EXPECT_EQ(Address::from(part.conditions.remote), parse_address("10.0.0.0"));
  EXPECT_EQ(Address::from(part.conditions.remote_mask),
            parse_address("ffff:ffff:ffff:ffff:ffff:ffff:ff00:0"));
}

TEST(FilterKernelPartTest, HoldsIpv6Addresses) {
  const KernelFilter part = kernel_part("local = 2001:db8::1");
  EXPECT_TRUE(part.any);
  EXPECT_EQ(Address::from(part.conditions.local), parse_address("2001:db8::1"));
  EXPECT_EQ(Address::from(part.conditions.local_mask),
            parse_address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
}

TEST(FilterKernelPartTest, HoldsACgroupThatExists) {
  EXPECT_EQ(kernel_part("cgroup = /known").conditions.cgroup, 99U);
  EXPECT_TRUE(kernel_part("cgroup = /known").any);
}

TEST(FilterKernelPartTest, LeavesAnUnknownCgroupToUserSpace) {
  EXPECT_FALSE(kernel_part("cgroup = /unknown").any);
}

TEST(FilterKernelPartTest, LooksIntoParenthesesOfConjunctions) {
  const KernelFilter part = kernel_part("(rport = 443 and (pid = 5)) and srtt > 5");
  EXPECT_EQ(part.conditions.remote_port, 443);
  EXPECT_EQ(part.conditions.pid, 5U);
}

TEST(FilterKernelPartTest, KeepsTheFirstOfTwoConditionsOnOneThing) {
  const KernelFilter part =
      kernel_part("rport = 1 and rport = 2 and remote = ::1 and remote = ::2");
  EXPECT_EQ(part.conditions.remote_port, 1);
  EXPECT_EQ(Address::from(part.conditions.remote), parse_address("::1"));
}

TEST(FilterKernelPartTest, HoldsNothingOfAlternativesAndNegations) {
  for (const char* text : {"rport = 1 or lport = 2",
                           "not rport = 1",
                           "!(rport = 1 and pid = 2)",
                           "rport != 1",
                           "rport in 1, 2",
                           "rport not in 1",
                           "rport > 1",
                           "remote in 10.0.0.0/8, 192.168.0.0/16",
                           "remote != 10.0.0.0/8",
                           "cgroup ~ known",
                           "cgroup != /known",
                           "comm = x",
                           "srtt = 5",
                           "cookie = 5",
                           "uid = 5",
                           "rport",
                           "pid = null",
                           "remote = null",
                           "cgroup = null",
                           ""})
    EXPECT_FALSE(kernel_part(text).any) << text;
}

TEST(FilterKernelPartTest, HoldsNothingThatItsNumbersCannotSay) {
  for (const char* text :
       {"rport = 0", "rport = 65536", "rport = 65979", "pid = 0", "rport = 443.5",
        "pid = 4294967297", "netns = 4294967296", "remote in ::/0"})
    EXPECT_FALSE(kernel_part(text).any) << text;
}

TEST(FilterKernelPartTest, NeedsNoWayToFindCgroups) {
  EXPECT_FALSE(Filter::parse("cgroup = /known").value().kernel_part({}).any);
}

}  // namespace
}  // namespace netsonde
