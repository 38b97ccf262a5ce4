// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/store_fixture.h"

namespace netsonde {
namespace {

// What holds a sender back.
class LimitTest : public StoreTest {
 protected:
  Limit limit() {
    send(0.5, 0);
    tick(1);
    store_.apply(second_);
    tick(2);
    return connection().limit;
  }

  ev_sample second_ = sample(1.5);
};

TEST_F(LimitTest, NothingWithoutDataToSend) {
  EXPECT_EQ(limit(), Limit::None);
}

TEST_F(LimitTest, TheApplicationWhereNoTimeWasSpentBusy) {
  second_.tx_bytes = 1;
  EXPECT_EQ(limit(), Limit::Application);
}

TEST_F(LimitTest, TheReceiveWindowWhereItTookMostOfTheTime) {
  second_.busy_ms = 300;
  second_.rwnd_limited_ms = 600;
  EXPECT_EQ(limit(), Limit::ReceiveWindow);
}

TEST_F(LimitTest, TheSendBufferWhereItTookMostOfTheTime) {
  second_.busy_ms = 300;
  second_.sndbuf_limited_ms = 600;
  EXPECT_EQ(limit(), Limit::SendBuffer);
}

TEST_F(LimitTest, TheCongestionWindowWhereItWasFull) {
  second_.busy_ms = 900;
  second_.options = EV_OPT_CWND_LIMITED;
  EXPECT_EQ(limit(), Limit::CongestionWindow);
}

TEST_F(LimitTest, TheCongestionWindowWhereASegmentStandsUnsent) {
  second_.busy_ms = 900;
  second_.mss = second_.not_sent = second_.send_queue = 1460;
  second_.snd_wnd = 65535;
  EXPECT_EQ(limit(), Limit::CongestionWindow);
}

TEST_F(LimitTest, TheReceiveWindowWhereASegmentHasNoRoomInIt) {
  second_.busy_ms = 900;
  second_.mss = second_.not_sent = 1460;
  second_.send_queue = 1460 + 16'000;
  second_.snd_wnd = 17'000;
  EXPECT_EQ(limit(), Limit::ReceiveWindow);
}

TEST_F(LimitTest, TheSendBufferWhereItIsFullAndAllOfItIsOnItsWay) {
  second_.busy_ms = 900;
  second_.mss = 1460;
  second_.in_flight = 4;
  second_.sndbuf = 16'000;
  second_.wmem_queued = 11'000;
  EXPECT_EQ(limit(), Limit::SendBuffer);
}

TEST_F(LimitTest, NotTheSendBufferWhereThereIsRoomInIt) {
  second_.busy_ms = 900;
  second_.mss = 1460;
  second_.in_flight = 4;
  second_.sndbuf = 16'000;
  second_.wmem_queued = 10'000;
  EXPECT_EQ(limit(), Limit::Application);
}

TEST_F(LimitTest, TheApplicationWhereTheCongestionWindowWasNotFull) {
  second_.busy_ms = 900;
  second_.mss = 1460;
  EXPECT_EQ(limit(), Limit::Application);
}

TEST(LimitNameTest, EveryLimitHasAName) {
  EXPECT_EQ(limit_name(Limit::None), "none");
  EXPECT_EQ(limit_name(Limit::ReceiveWindow), "receive_window");
}

}  // namespace
}  // namespace netsonde
