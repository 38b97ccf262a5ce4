// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/report_fixture.h"

namespace netsonde {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using ReportTableTest = ReportTest;

TEST_F(ReportTableTest, CountersOfAnOlderConnectionAreThoseOfTheTimeObserved) {
  ev_sample s = connection();
  s.tx_bytes = 1'000'000;
  s.segs_out = 1000;
  sample(s, -1);
  look(0);
  s.tx_bytes += 5000;
  s.segs_out += 50;
  s.retransmitted = 5;
  sample(s, 0.5);
  look(1);
  const Report report = finish();
  const ReportTable& connections = table(report, "connections");
  EXPECT_THAT(column(connections, "tx_bytes"), ElementsAre("5000"));
  EXPECT_THAT(column(connections, "retransmitted_segments"), ElementsAre("5"));
  EXPECT_THAT(column(connections, "retransmit_percent"), ElementsAre("10"));
  EXPECT_EQ(figure(report, "tx_bytes"), "5000");
}

TEST_F(ReportTableTest, AConnectionThatBeganMeanwhileCountsFromZero) {
  look(0);
  ev_sample s = opened(0.2);
  s.tx_bytes = 700;
  s.segs_out = 10;
  happen(closed(s, 0.5));
  look(1);
  const Report report = finish();
  EXPECT_THAT(column(table(report, "connections"), "tx_bytes"), ElementsAre("700"));
  EXPECT_THAT(column(table(report, "connections"), "end"), ElementsAre("fin"));
  EXPECT_EQ(figure(report, "opened"), "1");
  EXPECT_EQ(figure(report, "closed"), "1");
  EXPECT_EQ(figure(report, "failed"), "0");
}

TEST_F(ReportTableTest, WhatDidNothingIsOnlyCounted) {
  sample(connection(), -1);
  look(0);
  look(1);
  const Report report = finish();
  EXPECT_TRUE(table(report, "connections").rows.empty());
  EXPECT_EQ(figure(report, "idle_connections"), "1");
  EXPECT_EQ(figure(report, "active_connections"), "0");
}

TEST_F(ReportTableTest, ProcessesOfOneNameAreOne) {
  look(0);
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) {
    ev_sample s = opened(0.1, cookie);
    s.conn.pid = static_cast<std::uint32_t>(100 + cookie);
    s.rx_bytes = 10;
    s.segs_out = 1;
    happen(closed(s, 0.5, ECONNRESET, EV_END_RESET_RECEIVED));
  }
  look(1);
  const Report report = finish();
  const ReportTable& processes = table(report, "processes");
  EXPECT_THAT(column(processes, "comm"), ElementsAre("client"));
  EXPECT_THAT(column(processes, "processes"), ElementsAre("3"));
  EXPECT_THAT(column(processes, "pid"), ElementsAre("-"));
  EXPECT_THAT(column(processes, "failed"), ElementsAre("3"));
  EXPECT_THAT(column(processes, "rx_bytes"), ElementsAre("30"));
  EXPECT_THAT(column(table(report, "remotes"), "remote_address"), ElementsAre("10.0.0.2"));
  EXPECT_THAT(column(table(report, "ends"), "end"), ElementsAre("reset_received"));
}

TEST_F(ReportTableTest, OfManyConnectionsTheWorstAreKeptAndTheRestCounted) {
  look(0);
  for (std::uint64_t cookie = 1; cookie <= 5000; ++cookie) {
    ev_sample s = opened(0.1, cookie);
    s.segs_out = 100;
    s.tx_bytes = cookie;
    s.retransmitted = cookie == 17 ? 9 : 0;
    happen(closed(s, 0.5));
  }
  look(1);
  const Report report = finish();
  const ReportTable& connections = table(report, "connections");
  EXPECT_LE(connections.rows.size(), 6 * ConnectionLog::kMostOfEach);
  EXPECT_EQ(connections.rows.size() + connections.left_out, 5000U);
  EXPECT_EQ(column(connections, "cookie")[0], "17");
  EXPECT_EQ(column(connections, "cookie")[1], "5000");
  EXPECT_EQ(figure(report, "tx_bytes"), std::to_string(5000 * 5001 / 2));
  EXPECT_THAT(column(table(report, "processes"), "connections"), ElementsAre("5000"));
}

TEST_F(ReportTableTest, OfMoreRemoteEndsThanFitTheLightAreCounted) {
  look(0);
  for (std::uint16_t i = 0; i < 3000; ++i) {
    ev_sample s = opened(0.1, 1 + i);
    s.conn.remote[14] = static_cast<std::uint8_t>(i >> 8);
    s.conn.remote[15] = static_cast<std::uint8_t>(i & 255);
    s.tx_bytes = i == 2999 ? 1'000'000 : 1;
    s.segs_out = 1;
    happen(closed(s, 0.5));
  }
  look(1);
  const Report report = finish();
  const ReportTable& remotes = table(report, "remotes");
  EXPECT_EQ(column(remotes, "remote_address")[0], "10.0.11.183");
  EXPECT_EQ(remotes.rows.size() + remotes.left_out, 3000U);
}

TEST_F(ReportTableTest, AListenersOverflowsAndLongestQueueAreShown) {
  ev_sample s = listener();
  sample(s, -1);
  look(0);
  s.sk_drops = 7;
  s.receive_queue = 5;
  sample(s, 0.5);
  look(1);
  s.receive_queue = 1;
  sample(s, 1.5);
  look(2);
  const Report report = finish();
  const ReportTable& listeners = table(report, "listeners");
  EXPECT_THAT(column(listeners, "local"), ElementsAre("10.0.0.1:443"));
  EXPECT_THAT(column(listeners, "listen_overflows"), ElementsAre("7"));
  EXPECT_THAT(column(listeners, "most_queued"), ElementsAre("5"));
  EXPECT_EQ(figure(report, "listen_overflows"), "7");
}

TEST_F(ReportTableTest, DropsOfBeforeAreNotCounted) {
  names.set_drop_reasons({{5, "NO_SOCKET"}, {6, "TCP_ZEROWINDOW"}});
  auto drops = event<ev_drop_count>(EV_DROP_COUNT, -1);
  drops.key.reason = 6;
  drops.count = 100;
  happen(drops);
  look(0);
  drops.header.time_ns = at(0.5);
  drops.count = 130;
  happen(drops);
  look(1);
  const Report report = finish();
  EXPECT_THAT(column(table(report, "drops"), "packets"), ElementsAre("30"));
  EXPECT_THAT(column(table(report, "drops"), "reason"), ElementsAre("TCP_ZEROWINDOW"));
  EXPECT_EQ(figure(report, "drops"), "30");
}

TEST_F(ReportTableTest, HostFaultsAreThoseThatGrew) {
  host_values = {{"softnet.dropped", "cpu0", 5}, {"softnet.dropped", "cpu1", 5}};
  look(0);
  host_values[1].value = 25;
  look(1);
  const Report report = finish();
  EXPECT_THAT(column(report.host_faults, "instance"), ElementsAre("cpu1"));
  EXPECT_THAT(column(report.host_faults, "count"), ElementsAre("20"));
  EXPECT_THAT(report.host_faults.note, HasSubstr("1 more stood still"));
  EXPECT_THAT(report.unknown, testing::Contains(HasSubstr("snmp.Tcp.AttemptFails")));
}

TEST_F(ReportTableTest, AHostThatNobodyReadHasNoFaultsButAnUnknown) {
  look(0);
  look(1);
  const Report report = finish();
  EXPECT_TRUE(report.host_faults.rows.empty());
  EXPECT_THAT(report.unknown, testing::Contains("The host's own counters were not read."));
}

class FilteredReportTest : public ReportTest {
 protected:
  FilteredReportTest() : ReportTest({}, "rport = 443") {}
};

TEST_F(FilteredReportTest, TheFilterChoosesConnectionsAndLeavesTheTotals) {
  look(0);
  for (const std::uint16_t port : {443, 80}) {
    ev_sample s = opened(0.1, port);
    s.conn.remote_port = port;
    s.tx_bytes = 100;
    s.segs_out = 1;
    happen(closed(s, 0.5));
  }
  look(1);
  const Report report = finish();
  EXPECT_THAT(column(table(report, "connections"), "remote"), ElementsAre("10.0.0.2:443"));
  EXPECT_EQ(figure(report, "tx_bytes"), "200");
}

}  // namespace
}  // namespace netsonde
