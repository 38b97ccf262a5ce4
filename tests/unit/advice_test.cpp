// SPDX-License-Identifier: Apache-2.0
#include "user/model/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

MeasuredArm faster(std::string factor, std::string baseline, std::string arm) {
  return {.factor = std::move(factor),
          .baseline = std::move(baseline),
          .arm = std::move(arm),
          .metric = "total_us",
          .blocks = 30,
          .baseline_value = 100'000,
          .arm_value = 80'000,
          .ratio = 0.8,
          .interval = {.low = 0.78, .high = 0.82},
          .verdict = Verdict::Better};
}

ProbedEndpoint endpoint(std::vector<MeasuredArm> comparisons = {}) {
  ProbedEndpoint made;
  made.target = "https://example.test/";
  made.comparisons = std::move(comparisons);
  return made;
}

std::vector<std::string_view> rules_of(const std::vector<Recommendation>& advice) {
  std::vector<std::string_view> rules;
  for (const Recommendation& a : advice) rules.push_back(a.rule);
  return rules;
}

ProbedAddress answering(const char* address, double ttfb_us, std::uint64_t attempts = 50) {
  ProbedAddress made;
  made.address = *parse_address(address);
  made.attempts = attempts;
  made.ttfb_us = ttfb_us;
  return made;
}

TEST(AdviceTest, NothingIsRecommendedWithoutAMeasurement) {
  EXPECT_THAT(advise(endpoint(), EndpointUse{.opened = 10'000, .seconds = 60}), IsEmpty());
}

TEST(AdviceTest, OnlyABetterArmIsRecommended) {
  for (const Verdict verdict : {Verdict::Worse, Verdict::Equivalent, Verdict::Inconclusive}) {
    MeasuredArm c = faster("reuse", "new", "kept");
    c.verdict = verdict;
    EXPECT_THAT(advise(endpoint({c}), std::nullopt), IsEmpty());
  }
}

TEST(AdviceTest, EachFactorHasItsRule) {
  const std::vector<std::pair<MeasuredArm, std::string_view>> cases = {
      {faster("reuse", "new", "kept"), "keep-alive"},
      {faster("http", "1.1", "2"), "http2"},
      {faster("http", "1.1", "3"), "http3"},
      {faster("multiplex", "10 connections", "1 connection"), "multiplexing"},
      {faster("batch", "10 small", "1 large"), "batching"},
      {faster("dns", "cold", "cached"), "dns-cache"},
      {faster("resolver", "192.0.2.1", "192.0.2.2"), "resolver"},
      {faster("tls", "full", "resumed"), "tls-resumption"},
      {faster("dscp", "0", "46"), "qos-dscp"},
      {faster("nodelay", "off", "on"), "nodelay"}};
  for (const auto& [comparison, rule] : cases)
    EXPECT_THAT(rules_of(advise(endpoint({comparison}), std::nullopt)), ElementsAre(rule));
}

TEST(AdviceTest, WhatIsSavedIsTheIntervalOfTheRatioOfTheBaseline) {
  const auto advice = advise(endpoint({faster("reuse", "new", "kept")}), std::nullopt);
  ASSERT_EQ(advice.size(), 1U);
  ASSERT_TRUE(advice[0].saves_us);
  EXPECT_NEAR(advice[0].saves_us->low, 18'000, 1);
  EXPECT_NEAR(advice[0].saves_us->high, 22'000, 1);
  EXPECT_THAT(advice[0].what, HasSubstr("18.0ms to 22.0ms"));
  EXPECT_THAT(advice[0].evidence[0], HasSubstr("ratio 0.800 [0.780..0.820] in 30 blocks"));
  EXPECT_FALSE(advice[0].saves_us_per_minute);
}

TEST(AdviceTest, ProductionsNewConnectionsMultiplyWhatIsSaved) {
  const auto advice = advise(endpoint({faster("reuse", "new", "kept")}),
                             EndpointUse{.opened = 620, .connections = 700, .seconds = 30});
  ASSERT_EQ(advice.size(), 1U);
  ASSERT_TRUE(advice[0].saves_us_per_minute);
  EXPECT_NEAR(advice[0].saves_us_per_minute->low, 18'000.0 * 1240, 10);
  EXPECT_NEAR(advice[0].saves_us_per_minute->high, 22'000.0 * 1240, 10);
  EXPECT_THAT(advice[0].evidence,
              testing::Contains(HasSubstr("620 new connections there in 30 s")));
}

TEST(AdviceTest, WhereNobodyConnectsNothingIsSavedPerMinute) {
  const auto advice = advise(endpoint({faster("reuse", "new", "kept")}),
                             EndpointUse{.opened = 0, .connections = 3, .seconds = 30});
  ASSERT_EQ(advice.size(), 1U);
  EXPECT_FALSE(advice[0].saves_us_per_minute);
}

TEST(AdviceTest, WhatSavesMostComesFirst) {
  MeasuredArm less = faster("dns", "cold", "cached");
  less.baseline_value = 1'000;
  EXPECT_THAT(rules_of(advise(endpoint({less, faster("tls", "full", "resumed")}), std::nullopt)),
              ElementsAre("tls-resumption", "dns-cache"));
}

TEST(AdviceTest, CompressionThatCostsTimeIsNotRecommended) {
  MeasuredArm bytes = faster("encoding", "identity", "br");
  bytes.metric = "wire_bytes";
  EXPECT_THAT(rules_of(advise(endpoint({bytes}), std::nullopt)), ElementsAre("compression"));
  MeasuredArm slower = faster("encoding", "identity", "br");
  slower.verdict = Verdict::Worse;
  EXPECT_THAT(advise(endpoint({bytes, slower}), std::nullopt), IsEmpty());
}

TEST(AdviceTest, ACacheThatMissesOftenIsNamed) {
  ProbedEndpoint e = endpoint();
  e.cdn_signs = {"via: 1.1 varnish"};
  e.answers = e.cache_told = 100;
  e.cache_hits = 40;
  EXPECT_THAT(rules_of(advise(e, std::nullopt)), ElementsAre("cdn-misses"));
  e.cache_hits = 95;
  EXPECT_THAT(advise(e, std::nullopt), IsEmpty());
  e.cache_hits = 40;
  e.cdn_signs.clear();
  EXPECT_THAT(advise(e, std::nullopt), IsEmpty());
}

TEST(AdviceTest, AFarEdgeIsNamedAndANearOneIsNot) {
  ProbedEndpoint e = endpoint();
  e.cdn_signs = {"x-cache"};
  e.answers = e.cache_told = e.cache_hits = 50;
  e.addresses = {answering("192.0.2.1", 100'000)};
  e.addresses[0].syn_rtt_us = 90'000;
  EXPECT_THAT(rules_of(advise(e, std::nullopt)), ElementsAre("cdn-far-edge"));
  e.addresses[0].syn_rtt_us = 5'000;
  EXPECT_THAT(advise(e, std::nullopt), IsEmpty());
}

TEST(AdviceTest, UnevenAddressesGetWeightsThatWouldEqualiseThem) {
  ProbedEndpoint e = endpoint();
  e.addresses = {answering("192.0.2.1", 10'000), answering("192.0.2.2", 30'000)};
  const auto advice = advise(e, std::nullopt);
  ASSERT_THAT(rules_of(advice), ElementsAre("load-balancing"));
  EXPECT_THAT(advice[0].how, HasSubstr("192.0.2.1 75%, 192.0.2.2 25%"));
  EXPECT_FALSE(advice[0].saves_us) << "no experiment told";
}

TEST(AdviceTest, FewProbesTellNothingOfAddresses) {
  ProbedEndpoint e = endpoint();
  e.addresses = {answering("192.0.2.1", 10'000, 5), answering("192.0.2.2", 30'000, 5)};
  EXPECT_THAT(advise(e, std::nullopt), IsEmpty());
}

TEST(AdviceTest, FailuresInARowAskForABreakerAndScatteredOnesDoNot) {
  ProbedEndpoint e = endpoint();
  e.attempts = 100;
  e.failures = 8;
  e.failures_by_kind = {{"connect-refused", 8}};
  e.longest_failing = 8;
  const auto advice = advise(e, std::nullopt);
  ASSERT_THAT(rules_of(advice), ElementsAre("circuit-breaker"));
  EXPECT_THAT(advice[0].evidence[0], HasSubstr("connect-refused 8"));
  e.longest_failing = 2;
  EXPECT_THAT(advise(e, std::nullopt), IsEmpty());
}

TEST(AdviceTest, ListenersThatShareAPortUnevenlyAreNamed) {
  const std::vector<ListenerUse> uneven = {{.name = "a", .port = 80, .accepted = 190},
                                           {.name = "b", .port = 80, .accepted = 10},
                                           {.name = "c", .port = 81, .accepted = 500}};
  const auto advice = advise_listeners(uneven);
  ASSERT_THAT(rules_of(advice), ElementsAre("listener-imbalance"));
  EXPECT_EQ(advice[0].target, "port 80");
  EXPECT_THAT(advice[0].evidence, testing::Contains("a: 190 accepted"));
}

TEST(AdviceTest, ListenersThatShareEvenlyOrHadLittleToDoAreNotNamed) {
  EXPECT_THAT(advise_listeners({{.name = "a", .port = 80, .accepted = 110},
                                {.name = "b", .port = 80, .accepted = 90}}),
              IsEmpty());
  EXPECT_THAT(advise_listeners({{.name = "a", .port = 80, .accepted = 9},
                                {.name = "b", .port = 80, .accepted = 0}}),
              IsEmpty());
}

}  // namespace
}  // namespace netsonde
