// SPDX-License-Identifier: Apache-2.0
#include "probes/dns_cache.h"

#include <gtest/gtest.h>

namespace netsonde {
namespace {

using std::chrono::seconds;

constexpr Time kNow = time_from_ns(1'000'000'000'000);

DnsMessage answer_of(std::uint32_t ttl_s, std::uint32_t other_ttl_s) {
  DnsMessage answer;
  for (const std::uint32_t ttl : {ttl_s, other_ttl_s}) {
    DnsRecord record;
    record.ttl_s = ttl;
    answer.answers.push_back(record);
  }
  return answer;
}

DnsMessage negative(std::uint16_t rcode, std::optional<std::uint32_t> ttl_s) {
  DnsMessage answer;
  answer.rcode = rcode;
  answer.negative_ttl_s = ttl_s;
  return answer;
}

TEST(DnsCache, KeepsAnAnswerForItsSmallestTtl) {
  DnsCache cache(10);
  cache.keep("a.test", DnsType::A, answer_of(60, 30), kNow);
  EXPECT_TRUE(cache.find("a.test", DnsType::A, kNow + seconds(29)));
  EXPECT_FALSE(cache.find("a.test", DnsType::A, kNow + seconds(30)));
  EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCache, GivesWhatIsLeftOfEachTtl) {
  DnsCache cache(10);
  cache.keep("a.test", DnsType::A, answer_of(60, 30), kNow);
  for (int i = 0; i < 2; ++i) {  // and not less each time
    const DnsMessage* found = cache.find("a.test", DnsType::A, kNow + seconds(20));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->answers[0].ttl_s, 40U);
    EXPECT_EQ(found->answers[1].ttl_s, 10U);
  }
}

TEST(DnsCache, NamesAreTheSameInAnyCaseButTypesAreNot) {
  DnsCache cache(10);
  cache.keep("A.Test", DnsType::A, answer_of(60, 60), kNow);
  EXPECT_TRUE(cache.find("a.tEST", DnsType::A, kNow));
  EXPECT_FALSE(cache.find("a.test", DnsType::AAAA, kNow));
}

TEST(DnsCache, NoSuchNameAndNoSuchRecordAreKeptForTheNegativeTtl) {
  DnsCache cache(10);
  cache.keep("gone.test", DnsType::A, negative(3, 20), kNow);
  cache.keep("bare.test", DnsType::A, negative(0, 20), kNow);
  for (const char* name : {"gone.test", "bare.test"}) {
    EXPECT_TRUE(cache.find(name, DnsType::A, kNow + seconds(19))) << name;
    EXPECT_FALSE(cache.find(name, DnsType::A, kNow + seconds(20))) << name;
  }
}

TEST(DnsCache, WhatNoServerAllowsToKeepIsNotKept) {
  DnsCache cache(10);
  DnsMessage cut = answer_of(60, 60);
  cut.truncated = true;
  cache.keep("cut.test", DnsType::A, cut, kNow);
  cache.keep("zero.test", DnsType::A, answer_of(60, 0), kNow);
  cache.keep("failed.test", DnsType::A, negative(2, 20), kNow);
  cache.keep("no-soa.test", DnsType::A, negative(3, std::nullopt), kNow);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(DnsCache, WhatWasNotUsedForLongestMakesRoom) {
  DnsCache cache(2);
  cache.keep("a", DnsType::A, answer_of(60, 60), kNow);
  cache.keep("b", DnsType::A, answer_of(60, 60), kNow);
  EXPECT_TRUE(cache.find("a", DnsType::A, kNow));
  cache.keep("c", DnsType::A, answer_of(60, 60), kNow);
  EXPECT_TRUE(cache.find("a", DnsType::A, kNow));
  EXPECT_FALSE(cache.find("b", DnsType::A, kNow));
  EXPECT_EQ(cache.counts().evicted, 1U);
  EXPECT_EQ(cache.counts().hits, 2U);
  EXPECT_EQ(cache.counts().misses, 1U);
}

TEST(DnsCache, ANewerAnswerReplacesTheOlder) {
  DnsCache cache(2);
  cache.keep("a", DnsType::A, answer_of(10, 10), kNow);
  cache.keep("a", DnsType::A, answer_of(60, 60), kNow);
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_TRUE(cache.find("a", DnsType::A, kNow + seconds(30)));
}

}  // namespace
}  // namespace netsonde
