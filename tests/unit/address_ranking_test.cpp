// SPDX-License-Identifier: Apache-2.0
#include "user/model/address_ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netsonde {
namespace {

using std::chrono::milliseconds;
using testing::Eq;
using testing::Optional;

const Address kSix = *parse_address("2001:db8::1");
const Address kOtherSix = *parse_address("2001:db8::2");
const Address kFour = *parse_address("192.0.2.1");

std::optional<std::size_t> raced(const std::vector<Address>& addresses,
                                 const std::vector<std::optional<Nanos>>& connect) {
  return raced_choice(addresses, connect);
}

TEST(RacedChoiceTest, TheFirstAddressWinsThoughTheSecondIsFaster) {
  EXPECT_THAT(raced({kSix, kFour}, {milliseconds(240), milliseconds(5)}), Optional(0U));
}

TEST(RacedChoiceTest, ASlowFirstAddressIsOvertakenAfterTheAttemptDelay) {
  EXPECT_THAT(raced({kSix, kFour}, {milliseconds(300), milliseconds(5)}), Optional(1U));
  EXPECT_THAT(raced({kSix, kFour}, {milliseconds(254), milliseconds(5)}), Optional(0U));
}

TEST(RacedChoiceTest, ADeadAddressLosesToAnyOther) {
  EXPECT_THAT(raced({kSix, kFour}, {std::nullopt, milliseconds(900)}), Optional(1U));
}

TEST(RacedChoiceTest, FamiliesTakeTurns) {
  EXPECT_THAT(raced({kSix, kOtherSix, kFour}, {std::nullopt, milliseconds(10), milliseconds(10)}),
              Optional(2U));
}

TEST(RacedChoiceTest, WhereAllFailNoneIsChosen) {
  EXPECT_THAT(raced({kSix, kFour}, {std::nullopt, std::nullopt}), Eq(std::nullopt));
  EXPECT_THAT(raced({}, {}), Eq(std::nullopt));
}

Attempt attempt(std::optional<Nanos> connect, std::optional<Nanos> ttfb) {
  Attempt made;
  made.times.connect = connect;
  made.times.ttfb = ttfb;
  if (!connect) made.failure = Failure{};
  return made;
}

RankedAddress ranked(const Address& address, const std::vector<Attempt>& attempts) {
  RankedAddress made;
  made.address = address;
  for (const Attempt& a : attempts) made.summary.add(a);
  return made;
}

TEST(AddressRankingTest, FewerFailuresComeBeforeSpeed) {
  std::vector<RankedAddress> addresses = {
      ranked(kSix, {attempt(milliseconds(1), milliseconds(1)), attempt({}, {})}),
      ranked(kFour, {attempt(milliseconds(9), milliseconds(9))})};
  rank(addresses);
  EXPECT_EQ(addresses[0].address, kFour);
}

TEST(AddressRankingTest, OfEchoesTheFastestIsFirst) {
  Attempt slow, fast;
  slow.echo = milliseconds(2);
  fast.echo = milliseconds(1);
  std::vector<RankedAddress> addresses = {ranked(kSix, {slow}), ranked(kFour, {fast})};
  rank(addresses);
  EXPECT_EQ(addresses[0].address, kFour);
}

TEST(AddressRankingTest, AmongThoseThatWorkTheFirstByteDecides) {
  std::vector<RankedAddress> addresses = {
      ranked(kSix, {attempt(milliseconds(1), milliseconds(30))}),
      ranked(kFour, {attempt(milliseconds(9), milliseconds(20))})};
  rank(addresses);
  EXPECT_EQ(addresses[0].address, kFour);
  EXPECT_FALSE(addresses[0].chosen);
  EXPECT_TRUE(addresses[1].chosen) << "a client takes what is connected first";
}

}  // namespace
}  // namespace netsonde
