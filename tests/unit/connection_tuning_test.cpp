// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/tuner_fixture.h"
#include "tuner/by_hand.h"
#include "tuner/catalogue_connection.h"
#include "tuner/ledger.h"
#include "tuner/plan_json.h"
#include "tuner/profile.h"
#include "user/connection_settings.h"

namespace netsonde {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kCongestion{kConnectionCongestion};
const std::string kPacing{kConnectionPacing};

Proposal of_connection(const std::string& cookie, const std::string& to = "bbr") {
  return {
      .key = kCongestion,
      .scope = {.kind = ScopeKind::Connection, .name = cookie, .cookie = 7, .netns = 4026531840},
      .from = "cubic",
      .to = to,
      .evidence = {{.field = "local", .value = "10.0.0.1:4000"},
                   {.field = "remote", .value = "10.0.0.2:443"}}};
}

Plan plan_of(std::vector<Proposal> proposals) {
  return {.host = "h", .boot = "one", .goal = "asked for", .proposals = std::move(proposals)};
}

// Why the plan is refused; empty when it is read.
std::string refusal(const Plan& plan) {
  const auto read = plan_from(to_json(plan).dump());
  return read ? "" : read.error().message();
}

TEST(ConnectionPlanTest, IsReadAsItWasWritten) {
  const auto read = plan_from(to_json(plan_of({of_connection("12")})).dump());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read.value().proposals.at(0).scope, of_connection("12").scope);
}

TEST(ConnectionPlanTest, TheNameOfAConnectionIsAPlainCookie) {
  EXPECT_EQ(refusal(plan_of({of_connection("18446744073709551615")})), "");
  for (const std::string name :
       {"", "0", "07", "+7", "-7", " 7", "7 ", "0x7", "7a", "../7", "7\n", "18446744073709551616"})
    EXPECT_THAT(refusal(plan_of({of_connection(name)})), HasSubstr("is no connection")) << name;
}

TEST(ConnectionPlanTest, ValuesAreWithinTheirBounds) {
  Proposal pacing = of_connection("12");
  pacing.key = kPacing;
  pacing.from = "4294967295";
  pacing.to = "10000";
  EXPECT_EQ(refusal(plan_of({pacing})), "");
  for (const char* value : {"0", "9999", "4294967296", "-1", "fast"}) {
    pacing.to = value;
    EXPECT_NE(refusal(plan_of({pacing})), "") << value;
  }
  EXPECT_NE(refusal(plan_of({of_connection("12", "bbr cubic")})), "");
  EXPECT_NE(refusal(plan_of({of_connection("12", "a_name_of_16_long")})), "");
}

TEST(ConnectionPlanTest, TheSettingOfAConnectionIsOfNoNamespace) {
  Proposal proposal = of_connection("12");
  proposal.scope.kind = ScopeKind::Namespace;
  EXPECT_THAT(refusal(plan_of({proposal})), HasSubstr("is of a connection"));
}

TEST(ConnectionPlanTest, AConnectionIsToldByItsEnds) {
  Proposal proposal = of_connection("12");
  EXPECT_EQ(where_text(proposal), "connection 10.0.0.1:4000 > 10.0.0.2:443 in netns 4026531840");
  proposal.evidence.push_back({.field = "process", .value = "a\x1b[1]"});
  EXPECT_EQ(where_text(proposal),
            "connection 10.0.0.1:4000 > 10.0.0.2:443 (a\\x1b[1]) in netns 4026531840");
  proposal.evidence.clear();
  EXPECT_EQ(where_text(proposal), "connection 12 in netns 4026531840");
}

TEST(ConnectionPlanTest, ProfilesHaveNoSettingsOfConnections) {
  const auto read = profile_from(
      "summary = \"s\"\n[[setting]]\nkey = \"" + kPacing + "\"\nvalue = 100000\nwhy = \"w\"\n", "x",
      "/etc/x.toml");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("is of a connection"));
}

TEST(ConnectionValueTest, NoLimitIsThatOf32Bits) {
  opt_values values{};
  values.max_pacing_rate = ~0ULL;
  EXPECT_EQ(value_of(kConnectionPacing, values).value(), "4294967295");
  values.max_pacing_rate = 125'000'000;
  EXPECT_EQ(value_of(kConnectionPacing, values).value(), "125000000");
}

// The kernel would take it for no limit; above it, the catalogue refuses.
TEST(ConnectionValueTest, ALimitThatLooksLikeNoneIsNone) {
  opt_values values{};
  values.max_pacing_rate = 0xffff'ffff;
  EXPECT_FALSE(value_of(kConnectionPacing, values));
  values.max_pacing_rate = 0x1'0000'0000;
  EXPECT_FALSE(
      check_value(*find_tunable(kConnectionPacing), value_of(kConnectionPacing, values).value()));
}

class ConnectionChangeTest : public testing::Test {
 protected:
  ConnectionChangeTest() {
    for (const char* cookie : {"1", "2"}) value(cookie) = "cubic";
  }

  std::string& value(const std::string& cookie) {
    return host.kernel.values[{cookie, kCongestion}];
  }
  void close(const std::string& cookie) { host.kernel.values.erase({cookie, kCongestion}); }
  Result<> apply() {
    Result<> applied;
    host.run([&](ChangeEngine& engine, Ledger&) {
      const auto set = engine.begin(plan_of({of_connection("1"), of_connection("2")}), 100, kNow);
      applied = set ? engine.write(set.value(), kNow) : Result<>(set.error());
    });
    return applied;
  }
  void roll_back(std::uint64_t set) {
    host.run(
        [&](ChangeEngine& engine, Ledger&) { EXPECT_TRUE(engine.roll_back(set, "asked", kNow)); });
  }
  std::vector<ChangeState> states() {
    std::vector<ChangeState> all;
    for (const Change& change : host.ledger().sets().back().changes) all.push_back(change.state);
    return all;
  }

  TunedHost host;
};

TEST_F(ConnectionChangeTest, OneThatHasClosedBeforeDoesNotKeepTheOthersFromBeingChanged) {
  close("1");
  ASSERT_TRUE(apply());
  EXPECT_THAT(states(), ElementsAre(ChangeState::Vanished, ChangeState::Written));
  EXPECT_EQ(value("2"), "bbr");
}

TEST_F(ConnectionChangeTest, WhereAllHaveClosedNothingIsBegun) {
  close("1");
  close("2");
  EXPECT_FALSE(apply());
  EXPECT_TRUE(host.ledger().sets().empty());
}

TEST_F(ConnectionChangeTest, OneThatClosesWhileItIsWrittenIsGone) {
  host.kernel.refuses = [this](std::string_view, std::string_view) -> std::string {
    if (!host.kernel.values.contains({"1", kCongestion})) return {};
    close("1");
    return "it has closed";
  };
  ASSERT_TRUE(apply());
  EXPECT_THAT(states(), ElementsAre(ChangeState::Vanished, ChangeState::Written));
}

TEST_F(ConnectionChangeTest, OneThatClosesWhileItIsUndoneIsNotStuck) {
  ASSERT_TRUE(apply());
  host.kernel.refuses = [this](std::string_view, std::string_view) -> std::string {
    if (!host.kernel.values.contains({"2", kCongestion})) return {};
    close("2");
    return "it has closed";
  };
  roll_back(1);
  EXPECT_THAT(states(), ElementsAre(ChangeState::Restored, ChangeState::Vanished));
  EXPECT_EQ(host.ledger().sets().at(0).state, SetState::RolledBack);
  EXPECT_EQ(value("1"), "cubic");
}

TEST_F(ConnectionChangeTest, OneThatIsRefusedUndoesAll) {
  host.kernel.refuses = [this](std::string_view, std::string_view to) -> std::string {
    return to == "bbr" && value("1") == "bbr" ? "Device or resource busy" : "";
  };
  EXPECT_FALSE(apply());
  EXPECT_EQ(value("1"), "cubic");
  EXPECT_EQ(value("2"), "cubic");
}

TEST_F(ConnectionChangeTest, WhatCannotBeUndoneEndsWithTheConnection) {
  ASSERT_TRUE(apply());
  host.kernel.refuses = [](std::string_view, std::string_view) { return "Input/output error"; };
  roll_back(1);
  EXPECT_THAT(by_hand(host.ledger().sets().at(0)),
              ElementsAre(HasSubstr("was cubic; it ends with the connection 10.0.0.1:4000 > "),
                          HasSubstr("connection.congestion_control: was cubic")));
}

TEST_F(ConnectionChangeTest, TheCookieOfAnotherBootIsAnotherConnection) {
  ASSERT_TRUE(apply());
  value("1") = "reno";
  roll_back(1);
  const ChangeScope scope = of_connection("1").scope;
  EXPECT_TRUE(host.ledger().is_foreign(kCongestion, scope, "one"));
  EXPECT_FALSE(host.ledger().is_foreign(kCongestion, scope, "two"));
  EXPECT_FALSE(host.ledger().is_foreign(kCongestion, of_connection("2").scope, "one"));
}

}  // namespace
}  // namespace netsonde
