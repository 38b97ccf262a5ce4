// SPDX-License-Identifier: Apache-2.0
#include "user/model/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace netsonde {
namespace {

using ::testing::StartsWith;

constexpr std::uint8_t kEstablished = 1, kSynSent = 2, kFinWait1 = 4, kFinWait2 = 5, kCloseWait = 8,
                       kLastAck = 9, kClosing = 11;

constexpr std::uint16_t kKinds[] = {
    EV_CONNECT, EV_ESTABLISHED,  EV_ACCEPT,           EV_LISTEN,
    EV_CLOSE,   EV_LISTEN_CLOSE, EV_SAMPLE,           EV_RETRANSMIT,
    EV_RESET,   EV_DROP,         EV_CONGESTION_STATE, EV_HISTOGRAM,
    EV_RTT,     EV_TICK,         EV_DROP_COUNT,       EV_LISTEN_OVERFLOW};

std::vector<std::byte> bytes_with(std::uint16_t kind, std::size_t header_size, std::size_t size) {
  std::vector<std::byte> bytes(size);
  const ev_header header = {
      .time_ns = 1, .kind = kind, .size = static_cast<std::uint16_t>(header_size), .cpu = 0};
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

ev_sample close_from(std::uint8_t old_state, std::uint8_t end = 0, std::uint16_t error = 0) {
  ev_sample close = {};
  close.old_state = old_state;
  close.end = end;
  close.error = error;
  return close;
}

TEST(DecodeTest, RejectsAnEventShorterThanItsHeader) {
  const std::vector<std::byte> bytes(sizeof(ev_header) - 1);
  EXPECT_FALSE(decode(bytes));
  EXPECT_FALSE(decode({}));
}

TEST(DecodeTest, NamesTheKindItDoesNotKnow) {
  const auto event = decode(bytes_with(999, sizeof(ev_header), sizeof(ev_header)));
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(), "event of unknown kind 999");
}

TEST(DecodeTest, RejectsAnEventThatIsCut) {
  const auto event = decode(bytes_with(EV_CONNECT, sizeof(ev_open), sizeof(ev_open) - 1));
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message(), "event is cut short");
}

TEST(DecodeTest, RejectsEveryKindBelowItsSize) {
  for (const std::uint16_t kind : kKinds) {
    const std::vector<std::byte> whole = bytes_with(kind, 2000, 2000);
    const std::size_t size = encode(decode(whole).value()).size();
    EXPECT_TRUE(decode(bytes_with(kind, size, size))) << kind;
    EXPECT_FALSE(decode(bytes_with(kind, size - 1, size - 1))) << kind;
  }
}

TEST(DecodeTest, TakesNothingFromBehindTheEventsOwnSize) {
  EXPECT_FALSE(decode(bytes_with(EV_SAMPLE, sizeof(ev_open), 2000)));
  EXPECT_FALSE(decode(bytes_with(EV_SAMPLE, 0, 2000)));
}

TEST(DecodeTest, IgnoresWhatALaterVersionAppended) {
  EXPECT_TRUE(decode(bytes_with(EV_SAMPLE, sizeof(ev_sample) + 8, sizeof(ev_sample) + 8)));
}

TEST(DecodeTest, DoesNotNeedAlignedBytes) {
  const std::vector<std::byte> event = bytes_with(EV_CONNECT, sizeof(ev_open), sizeof(ev_open));
  std::vector<std::byte> shifted(1);
  shifted.insert(shifted.end(), event.begin(), event.end());
  EXPECT_TRUE(decode(std::span(shifted).subspan(1)));
}

TEST(DecodeTest, GivesBackWhatWasEncoded) {
  ev_sample sample = {};
  sample.header = {.time_ns = 5, .kind = EV_CLOSE, .size = sizeof(sample), .cpu = 3};
  sample.conn.cookie = 42;
  sample.tx_bytes = 1ULL << 40;
  const Event event = sample;
  const auto decoded = decode(encode(event));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::memcmp(&std::get<ev_sample>(decoded.value()), &sample, sizeof(sample)), 0);
}

TEST(EventTest, TellsItsTimeAndItsConnection) {
  ev_retransmit retransmit = {};
  retransmit.header.time_ns = 77;
  retransmit.conn.cookie = 42;
  const Event event = retransmit;
  EXPECT_EQ(time_of(event), time_from_ns(77));
  EXPECT_EQ(cookie_of(event), 42U);
  ASSERT_NE(connection_of(event), nullptr);
  EXPECT_EQ(connection_of(event)->cookie, 42U);
}

TEST(EventTest, AHistogramHasACookieAndNoIdentity) {
  ev_histogram histogram = {};
  histogram.cookie = 42;
  EXPECT_EQ(cookie_of(histogram), 42U);
  EXPECT_EQ(connection_of(histogram), nullptr);
}

TEST(EventTest, ATickBelongsToNoConnection) {
  EXPECT_EQ(cookie_of(ev_tick{}), 0U);
  EXPECT_EQ(connection_of(ev_tick{}), nullptr);
}

TEST(EventTest, EveryKindHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const std::uint16_t kind : kKinds) names.insert(name_of(static_cast<ev_kind>(kind)));
  EXPECT_EQ(names.size(), std::size(kKinds));
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(EventTest, NumbersOutsideTheTablesAreUnknown) {
  EXPECT_EQ(name_of(static_cast<ev_kind>(999)), "unknown");
  EXPECT_EQ(state_name(200), "UNKNOWN");
  EXPECT_EQ(congestion_state_name(200), "unknown");
  EXPECT_EQ(retransmit_name(200), "unknown");
}

TEST(EventTest, NamesTheKernelsNumbers) {
  EXPECT_EQ(state_name(kEstablished), "ESTABLISHED");
  EXPECT_EQ(state_name(10), "LISTEN");
  EXPECT_EQ(congestion_state_name(3), "recovery");
  EXPECT_EQ(retransmit_name(EV_RETRANSMIT_TLP), "tlp");
  EXPECT_EQ(retransmit_name(EV_RETRANSMIT_SYNACK), "synack");
}

TEST(EndNameTest, BothSidesSaidFin) {
  for (const std::uint8_t state : {kFinWait2, kLastAck, kClosing})
    EXPECT_EQ(end_name(close_from(state)), "fin") << int{state};
}

TEST(EndNameTest, AResetThatArrivedInTheHandshakeRefuses) {
  EXPECT_EQ(end_name(close_from(kSynSent, EV_END_RESET_RECEIVED, ECONNREFUSED)), "refused");
  EXPECT_EQ(end_name(close_from(kSynSent, EV_END_RESET_RECEIVED)), "refused");
}

TEST(EndNameTest, ARefusalIsKnownByItsErrorToo) {
  EXPECT_EQ(end_name(close_from(kSynSent, 0, ECONNREFUSED)), "refused");
}

TEST(EndNameTest, AResetThatArrivedLater) {
  EXPECT_EQ(end_name(close_from(kEstablished, EV_END_RESET_RECEIVED, ECONNRESET)),
            "reset_received");
  EXPECT_EQ(end_name(close_from(kCloseWait, EV_END_RESET_RECEIVED, EPIPE)), "reset_received");
}

TEST(EndNameTest, AResetThatWasSent) {
  EXPECT_EQ(end_name(close_from(kEstablished, EV_END_RESET_SENT)), "reset_sent");
}

TEST(EndNameTest, LeavingAnOpenStateWithoutAWordWasAReset) {
  EXPECT_EQ(end_name(close_from(kEstablished)), "reset_sent");
  EXPECT_EQ(end_name(close_from(kCloseWait)), "reset_sent");
}

TEST(EndNameTest, NobodyAnswered) {
  EXPECT_EQ(end_name(close_from(kSynSent, 0, ETIMEDOUT)), "timeout");
  EXPECT_EQ(end_name(close_from(kEstablished, 0, ETIMEDOUT)), "timeout");
  EXPECT_EQ(end_name(close_from(kFinWait1, 0, ETIMEDOUT)), "timeout");
}

TEST(EndNameTest, ATimeoutIsATimeoutThoughAResetFollows) {
  EXPECT_EQ(end_name(close_from(kEstablished, EV_END_RESET_SENT, ETIMEDOUT)), "timeout");
}

TEST(EndNameTest, NoRoute) {
  EXPECT_EQ(end_name(close_from(kSynSent, 0, EHOSTUNREACH)), "unreachable");
  EXPECT_EQ(end_name(close_from(kSynSent, 0, ENETUNREACH)), "unreachable");
}

TEST(EndNameTest, GivenUpDuringTheHandshake) {
  EXPECT_EQ(end_name(close_from(kSynSent)), "aborted");
}

}  // namespace
}  // namespace netsonde
