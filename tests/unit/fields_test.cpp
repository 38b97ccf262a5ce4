// SPDX-License-Identifier: Apache-2.0
#include "user/model/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace netsonde {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kSecond = 1'000'000'000;

class FieldsTest : public ::testing::Test {
 protected:
  FieldsTest() {
    connection_.sampled = true;
    connection_.last.conn.direction = EV_OUT;
    connection_.last.conn.state = 1;
    connection_.last.min_rtt_us = ~0U;
  }

  Value value(std::string_view field) const { return find_field(field)->get(row()); }
  std::string shown(std::string_view field) const {
    return human(value(field), find_field(field)->unit);
  }
  Row row() const { return {connection_, names_, time_from_ns(100 * kSecond), -5}; }
  Row row_of(const Connection& connection) const { return {connection, names_, Time(), 0}; }
  ev_sample& sample() { return connection_.last; }

  Connection connection_;
  Names names_;
};

Value number(std::uint64_t value) {
  return value;
}

TEST(FieldTableTest, EveryFieldIsFoundByItsIdAndAlias) {
  for (const Field& field : fields()) {
    EXPECT_EQ(find_field(field.id), &field);
    EXPECT_TRUE(field.alias.empty() || find_field(field.alias) == &field) << field.id;
  }
}

TEST(FieldTableTest, EveryFieldHasAGetter) {
  for (const Field& field : fields()) EXPECT_NE(field.get, nullptr) << field.id;
}

TEST(FieldTableTest, AnUnknownOrEmptyNameIsNoField) {
  EXPECT_EQ(find_field("quux"), nullptr);
  EXPECT_EQ(find_field(""), nullptr);
}

TEST(FieldTableTest, EveryTitleFitsItsColumn) {
  for (const Field& field : fields())
    EXPECT_LE(field.title.size(), static_cast<std::size_t>(field.width)) << field.id;
}

std::string_view suffix_of(Unit unit) {
  switch (unit) {
    case Unit::Microseconds: return "_us";
    case Unit::Milliseconds: return "_ms";
    case Unit::Seconds: return "_s";
    case Unit::Bytes: return "_bytes";
    case Unit::BytesPerSecond: return "_bytes_per_s";
    case Unit::PerSecond: return "_per_s";
    case Unit::Percent: return "_percent";
    default: return "";
  }
}

TEST(FieldTableTest, IdsCarryTheirUnit) {
  for (const Field& field : fields())
    EXPECT_TRUE(field.id.ends_with(suffix_of(field.unit))) << field.id;
}

TEST(FieldTableTest, IdsAreLowerCaseWords) {
  for (const Field& field : fields())
    for (const char c : std::string(field.id) + std::string(field.alias))
      EXPECT_TRUE((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') << field.id;
}

TEST(NearestFieldTest, ForgivesAMistypedLetter) {
  EXPECT_EQ(nearest_field("srt"), "srtt");
  EXPECT_EQ(nearest_field("remote_adress"), "remote_address");
  EXPECT_EQ(nearest_field("cwmd"), "cwnd");
}

TEST(NearestFieldTest, IsEmptyWhenNothingIsNear) {
  EXPECT_EQ(nearest_field("quuxquux"), "");
  EXPECT_EQ(nearest_field(""), "");
  EXPECT_EQ(nearest_field(std::string(100'000, 'x')), "");
}

TEST(ParseFieldsTest, TakesIdsAndAliasesInOrder) {
  const auto parsed = parse_fields("remote,srtt,local_port");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed.value().size(), 3U);
  EXPECT_EQ(parsed.value()[0]->id, "remote_address");
  EXPECT_EQ(parsed.value()[1]->id, "srtt_us");
  EXPECT_EQ(parsed.value()[2]->id, "local_port");
}

TEST(ParseFieldsTest, NamesTheUnknownWordAndTheNearest) {
  EXPECT_THAT(parse_fields("remote,srt").error().message(),
              HasSubstr("unknown field 'srt', did you mean 'srtt'?"));
}

TEST(ParseFieldsTest, MakesTheUnknownWordPrintable) {
  EXPECT_THAT(parse_fields("\x1b[2J").error().message(), HasSubstr("'\\x1b[2J'"));
}

TEST(ParseFieldsTest, NeedsAtLeastOneName) {
  EXPECT_FALSE(parse_fields(""));
  EXPECT_FALSE(parse_fields(","));
  EXPECT_FALSE(parse_fields("srtt,,remote"));
}

TEST_F(FieldsTest, CountersAreAbsentUntilASampleCame) {
  sample().tx_bytes = 5;
  EXPECT_EQ(value("tx_bytes"), number(5));
  connection_.sampled = false;
  EXPECT_TRUE(is_absent(value("tx_bytes")));
}

TEST_F(FieldsTest, ACounterOfZeroIsZeroAndNotAbsent) {
  EXPECT_EQ(value("tx_bytes"), number(0));
}

TEST_F(FieldsTest, RoundTripTimesAreAbsentWhileTheKernelHasNone) {
  EXPECT_TRUE(is_absent(value("srtt")));
  EXPECT_TRUE(is_absent(value("min_rtt")));
  EXPECT_TRUE(is_absent(value("rtt_p50_us")));
  sample().srtt_us = sample().min_rtt_us = 7;
  connection_.rtt = {.samples = 1, .p50 = 6.6F, .p90 = 0, .p99 = 0};
  EXPECT_EQ(value("srtt"), number(7));
  EXPECT_EQ(value("min_rtt"), number(7));
  EXPECT_EQ(value("rtt_p50_us"), number(7));
}

TEST_F(FieldsTest, RatesAreAbsentUntilTheyAreKnown) {
  EXPECT_TRUE(is_absent(value("tx")));
  connection_.tx_rate = 0;
  EXPECT_EQ(value("tx"), Value(0.0));
}

TEST_F(FieldsTest, RetransmissionsBeforeWeLookedHaveAFieldOfTheirOwn) {
  sample().retransmitted = 5;
  sample().retransmits_rto = 2;
  sample().retransmits_unknown = 3;
  EXPECT_EQ(value("retransmits_rto"), number(2));
  EXPECT_EQ(value("retransmits_unknown"), number(3));
  EXPECT_EQ(value("retransmits"), number(5));
}

TEST_F(FieldsTest, AgesGoOnWhileNothingHappens) {
  sample().header.time_ns = 97 * kSecond;
  sample().last_sent_ms = 500;
  EXPECT_EQ(value("last_sent_ms"), number(3500));
  connection_.closed_ns = 97 * kSecond;
  EXPECT_EQ(value("last_sent_ms"), number(500));
}

TEST_F(FieldsTest, RetransmitPercentIsOfTheSegmentsSent) {
  EXPECT_TRUE(is_absent(value("retr_pct")));
  sample().segs_out = 200;
  sample().retransmitted = 3;
  EXPECT_EQ(value("retr_pct"), Value(1.5));
}

TEST_F(FieldsTest, WhatWasNeverSetIsAbsent) {
  sample().ssthresh = 0x7fffffff;
  sample().pacing_rate = ~0ULL;
  EXPECT_TRUE(is_absent(value("ssthresh")));
  EXPECT_TRUE(is_absent(value("pacing")));
  EXPECT_TRUE(is_absent(value("delivery")));
}

TEST_F(FieldsTest, TheDeliveryRateIsInBytesPerSecond) {
  sample().delivery_segs = 10;
  sample().mss = 1000;
  sample().delivery_us = 5000;
  EXPECT_EQ(value("delivery"), number(2'000'000));
}

TEST_F(FieldsTest, AListenerHasNoPeer) {
  connection_.last.conn.direction = EV_LISTENER;
  for (const char* field :
       {"remote_address", "remote_port", "tx_bytes", "cwnd", "ecn", "direction"})
    EXPECT_TRUE(is_absent(value(field))) << field;
}

TEST_F(FieldsTest, OnlyAListenerHasAnAcceptQueue) {
  sample().receive_queue = 3;
  EXPECT_TRUE(is_absent(value("accept_queue")));
  EXPECT_EQ(value("recvq"), number(3));
  connection_.last.conn.direction = EV_LISTENER;
  EXPECT_EQ(value("accept_queue"), number(3));
  EXPECT_TRUE(is_absent(value("recvq")));
}

TEST_F(FieldsTest, AnUnknownOwnerHasNoPid) {
  connection_.last.conn.pid = 5;
  EXPECT_TRUE(is_absent(value("pid")));
  EXPECT_TRUE(is_absent(value("owner_source")));
  connection_.last.conn.owner = EV_OWNER_FILE;
  EXPECT_EQ(value("pid"), number(5));
  EXPECT_EQ(shown("owner_source"), "file");
}

TEST_F(FieldsTest, AnUnknownCgroupIsAbsent) {
  connection_.last.conn.cgroup = 7;
  EXPECT_TRUE(is_absent(value("cgroup")));
  names_.learn_cgroup(7, [](std::uint64_t) { return "/x"; });
  EXPECT_EQ(shown("cgroup"), "/x");
}

TEST_F(FieldsTest, AnUnterminatedNameIsShownWhole) {
  std::memset(connection_.last.conn.comm, 'x', EV_COMM_SIZE);
  EXPECT_EQ(shown("comm"), std::string(EV_COMM_SIZE, 'x'));
}

TEST_F(FieldsTest, AgeAndOpeningAreAbsentForWhatIsOlderThanWe) {
  EXPECT_TRUE(is_absent(value("age")));
  EXPECT_TRUE(is_absent(value("opened_at")));
}

TEST_F(FieldsTest, AgeCountsToTheEnd) {
  connection_.last.conn.start_ns = 90 * kSecond;
  EXPECT_EQ(value("age"), Value(10.0));
  connection_.closed_ns = 91 * kSecond;
  EXPECT_EQ(value("age"), Value(1.0));
}

TEST_F(FieldsTest, AConnectionFromTheFutureHasNoAge) {
  connection_.last.conn.start_ns = 101 * kSecond;
  EXPECT_EQ(value("age"), Value(0.0));
}

TEST_F(FieldsTest, OpenedAtIsWallClockTime) {
  connection_.last.conn.start_ns = kSecond;
  EXPECT_EQ(value("opened_at"), Value(Timestamp{kSecond - 5}));
}

TEST_F(FieldsTest, AWallClockThatNothingHoldsWraps) {
  connection_.last.conn.start_ns = INT64_MAX;
  const Row row = {connection_, names_, Time(), 1};
  EXPECT_EQ(find_field("opened_at")->get(row), Value(Timestamp{INT64_MIN}));
}

TEST_F(FieldsTest, TheHandshakeIsTimedOnTheConnectingSide) {
  connection_.last.conn.start_ns = kSecond;
  sample().established_ns = kSecond + 1500 * 1000;
  EXPECT_EQ(value("handshake"), number(1500));
  connection_.last.conn.direction = EV_IN;
  EXPECT_TRUE(is_absent(value("handshake")));
}

TEST_F(FieldsTest, AHandshakeThatEndsBeforeItBeginsIsAbsent) {
  connection_.last.conn.start_ns = kSecond;
  sample().established_ns = kSecond - 1;
  EXPECT_TRUE(is_absent(value("handshake")));
}

TEST_F(FieldsTest, TheEndIsAbsentWhileAlive) {
  EXPECT_TRUE(is_absent(value("end")));
  EXPECT_EQ(shown("state"), "ESTABLISHED");
  connection_.closed_ns = kSecond;
  EXPECT_EQ(shown("end"), "reset_sent");
  EXPECT_EQ(shown("state"), "CLOSED");
}

TEST_F(FieldsTest, FamilyIsThatOfTheAddresses) {
  EXPECT_EQ(shown("family"), "ipv6");
  connection_.last.conn.remote[10] = connection_.last.conn.remote[11] = 0xff;
  EXPECT_EQ(shown("family"), "ipv4");
}

TEST_F(FieldsTest, TheLimitIsAbsentUntilItIsKnown) {
  EXPECT_TRUE(is_absent(value("limited_by")));
  connection_.limit_known = true;
  connection_.limit = Limit::CongestionWindow;
  EXPECT_EQ(shown("limited_by"), "congestion_window");
}

class CombinedTest : public FieldsTest {
 protected:
  CombinedTest() : other_(connection_) {}
  Value combine(std::string_view field) const {
    const std::vector<Row> rows = {row_of(connection_), row_of(other_)};
    return combined(*find_field(field), rows);
  }
  Connection other_;
};

TEST_F(CombinedTest, AddsCounters) {
  connection_.last.tx_bytes = 2;
  other_.last.tx_bytes = 3;
  EXPECT_EQ(combine("tx_bytes"), number(5));
}

TEST_F(CombinedTest, AddsRatesThatAreKnown) {
  other_.tx_rate = 1.5;
  EXPECT_EQ(combine("tx"), Value(1.5));
  connection_.tx_rate = 2;
  EXPECT_EQ(combine("tx"), Value(3.5));
}

TEST_F(CombinedTest, TakesTheLargestOrSmallestTime) {
  connection_.last.srtt_us = connection_.last.min_rtt_us = 5;
  other_.last.srtt_us = other_.last.min_rtt_us = 9;
  EXPECT_EQ(combine("srtt"), number(9));
  EXPECT_EQ(combine("min_rtt"), number(5));
}

TEST_F(CombinedTest, SkipsAbsentValues) {
  other_.last.srtt_us = 9;
  EXPECT_EQ(combine("srtt"), number(9));
  EXPECT_TRUE(is_absent(combine("rttvar")));
}

TEST_F(CombinedTest, KeepsWhatAllShare) {
  connection_.last.conn.remote_port = other_.last.conn.remote_port = 443;
  EXPECT_EQ(combine("rport"), number(443));
  other_.last.conn.remote_port = 80;
  EXPECT_TRUE(is_absent(combine("rport")));
}

TEST_F(CombinedTest, OfNoRowsIsAbsent) {
  EXPECT_TRUE(is_absent(combined(*find_field("srtt"), {})));
  EXPECT_TRUE(is_absent(combined(*find_field("rport"), {})));
}

}  // namespace
}  // namespace netsonde
