// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <vector>

#include "tests/bpf/capture.h"
#include "tests/bpf/sockets.h"
#include "user/base/loop.h"
#include "user/base/text.h"

namespace netsonde::test {
namespace {

// Our sample of a socket, and the kernel's own answers right before and after it.
struct Witness {
  tcp_info before;
  ev_sample sample;
  tcp_info info;
};

class SampleTest : public testing::Test {
 protected:
  Witness busy(const Socket& socket) {
    return {socket.info(), capture_.sample(socket.cookie()), socket.info()};
  }

  // Asks again until no packet came between the kernel's two answers.
  Witness idle(const Socket& socket) {
    Witness witness{};
    const bool quiet = wait_until([&] {
      witness = busy(socket);
      const auto& [before, sample, info] = witness;
      return before.tcpi_segs_in == info.tcpi_segs_in &&
             before.tcpi_segs_out == info.tcpi_segs_out && before.tcpi_unacked == 0;
    });
    must(quiet, "wait for an idle socket");
    return witness;
  }

  Pair talked() {
    Pair pair = connected_pair(listener_);
    for (int i = 0; i < 5; ++i) exchange(pair.client, pair.server, 200'000, 3000);
    return pair;
  }

  // A sender whose peer does not read; both buffers are full.
  Pair stuck() {
    Pair pair = connected_pair(listener_);
    pair.client.make_nonblocking();
    const std::string bytes(65536, 's');
    const auto write_more = [&] {
      return ::send(pair.client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0;
    };
    must(wait_until([&] { return write_more() && pair.client.info().tcpi_unacked == 0; }),
         "fill both buffers");
    return pair;
  }

  static std::uint32_t queued(const Socket& socket, unsigned long what) {
    int bytes = 0;
    must(ioctl(socket.fd(), what, &bytes) == 0, "ask for a queue");
    return static_cast<std::uint32_t>(bytes);
  }

  static std::array<std::uint32_t, SK_MEMINFO_VARS> memory(const Socket& socket) {
    std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
    socklen_t size = sizeof(values);
    must(getsockopt(socket.fd(), SOL_SOCKET, SO_MEMINFO, values.data(), &size) == 0, "SO_MEMINFO");
    return values;
  }

  Namespace space_ = Namespace::create();
  Inside inside_{space_};
  Socket listener_ = listen_on();
  Capture capture_;
};

TEST_F(SampleTest, RoundTripTimesAreThoseOfTcpInfo) {
  const Pair pair = talked();
  const auto [before, sample, info] = idle(pair.client);
  EXPECT_EQ(sample.srtt_us, info.tcpi_rtt);
  EXPECT_EQ(sample.rttvar_us, info.tcpi_rttvar);
  EXPECT_EQ(sample.min_rtt_us, info.tcpi_min_rtt);
  EXPECT_EQ(sample.rto_us, info.tcpi_rto);
  EXPECT_EQ(idle(pair.server).sample.rcv_rtt_us, idle(pair.server).info.tcpi_rcv_rtt);
}

TEST_F(SampleTest, WindowsAreThoseOfTcpInfo) {
  const auto [before, sample, info] = idle(talked().client);
  EXPECT_EQ(sample.cwnd, info.tcpi_snd_cwnd);
  EXPECT_EQ(sample.ssthresh, info.tcpi_snd_ssthresh);
  EXPECT_EQ(sample.in_flight, 0U);
  EXPECT_EQ(sample.snd_wnd, info.tcpi_snd_wnd);
  EXPECT_EQ(sample.reordering, info.tcpi_reordering);
  EXPECT_EQ(sample.snd_wscale, info.tcpi_snd_wscale);
  EXPECT_EQ(sample.rcv_wscale, info.tcpi_rcv_wscale);
}

TEST_F(SampleTest, SegmentSizesAreThoseOfTcpInfo) {
  const auto [before, sample, info] = idle(talked().server);
  EXPECT_EQ(sample.mss, info.tcpi_snd_mss);
  EXPECT_EQ(sample.rcv_mss, info.tcpi_rcv_mss);
  EXPECT_EQ(sample.advmss, info.tcpi_advmss);
}

TEST_F(SampleTest, SegmentsAreThoseOfTcpInfo) {
  const auto [before, sample, info] = idle(talked().client);
  EXPECT_EQ(sample.segs_out, info.tcpi_segs_out);
  EXPECT_EQ(sample.segs_in, info.tcpi_segs_in);
  EXPECT_EQ(sample.data_segs_out, info.tcpi_data_segs_out);
  EXPECT_EQ(sample.data_segs_in, info.tcpi_data_segs_in);
  EXPECT_EQ(sample.delivered, info.tcpi_delivered);
  EXPECT_EQ(sample.retransmitted, info.tcpi_total_retrans);
  EXPECT_EQ(sample.retransmitted_bytes, info.tcpi_bytes_retrans);
}

TEST_F(SampleTest, BytesAreThoseOfTcpInfoWithoutTheSyn) {
  const Pair pair = talked();
  const Witness client = idle(pair.client), server = idle(pair.server);
  EXPECT_EQ(client.sample.tx_bytes, client.info.tcpi_bytes_acked - 1);
  EXPECT_EQ(client.sample.rx_bytes, client.info.tcpi_bytes_received);
  EXPECT_EQ(server.sample.tx_bytes, server.info.tcpi_bytes_acked);
  EXPECT_EQ(server.sample.rx_bytes, server.info.tcpi_bytes_received);
}

TEST_F(SampleTest, AFinThatArrivedIsNotPayloadOfALiveConnection) {
  const Pair pair = talked();
  pair.client.shut_down();
  ASSERT_TRUE(wait_for_state(pair.client, kFinWait2));
  EXPECT_EQ(capture_.sample(pair.server.cookie()).rx_bytes, 1'000'000U);
  EXPECT_EQ(capture_.sample(pair.client.cookie()).tx_bytes, 1'000'000U);
}

TEST_F(SampleTest, TheDeliveryRateIsThatOfTcpInfo) {
  const auto [before, sample, info] = idle(talked().client);
  ASSERT_GT(sample.delivery_us, 0U);
  const std::uint64_t rate =
      std::uint64_t{sample.delivery_segs} * sample.mss * 1'000'000 / sample.delivery_us;
  EXPECT_EQ(rate, info.tcpi_delivery_rate);
  EXPECT_EQ(sample.pacing_rate, info.tcpi_pacing_rate);
  EXPECT_EQ(!!(sample.options & EV_OPT_APP_LIMITED), info.tcpi_delivery_rate_app_limited);
}

TEST_F(SampleTest, LimitedTimesOfAStuckSenderLieBetweenTwoTcpInfos) {
  const Pair pair = stuck();
  ASSERT_TRUE(wait_until([&] { return pair.client.info().tcpi_rwnd_limited > 50'000; }));
  const auto [before, sample, after] = busy(pair.client);
  const auto busy = 1000ULL * (sample.busy_ms + sample.rwnd_limited_ms + sample.sndbuf_limited_ms);
  EXPECT_GE(1000ULL * sample.rwnd_limited_ms, before.tcpi_rwnd_limited / 1000 * 1000);
  EXPECT_LE(1000ULL * sample.rwnd_limited_ms, after.tcpi_rwnd_limited);
  EXPECT_EQ(sample.sndbuf_limited_ms, before.tcpi_sndbuf_limited / 1000);
  EXPECT_GE(busy + 3000, before.tcpi_busy_time);
  EXPECT_LE(busy, after.tcpi_busy_time);
}

TEST_F(SampleTest, AgesLieBetweenTwoTcpInfos) {
  const Pair pair = talked();
  ASSERT_TRUE(wait_until([&] { return pair.client.info().tcpi_last_data_recv > 20; }));
  const auto [before, sample, after] = busy(pair.client);
  EXPECT_GE(sample.last_sent_ms, before.tcpi_last_data_sent);
  EXPECT_LE(sample.last_sent_ms, after.tcpi_last_data_sent);
  EXPECT_GE(sample.last_received_ms, before.tcpi_last_data_recv);
  EXPECT_LE(sample.last_received_ms, after.tcpi_last_data_recv);
  EXPECT_GE(sample.last_ack_ms, before.tcpi_last_ack_recv);
  EXPECT_LE(sample.last_ack_ms, after.tcpi_last_ack_recv);
}

TEST_F(SampleTest, QueuesOfAStuckSenderAreThoseOfTheIoctls) {
  const Pair pair = stuck();
  const ev_sample client = capture_.sample(pair.client.cookie());
  EXPECT_GT(client.send_queue, 0U);
  EXPECT_EQ(client.send_queue, queued(pair.client, SIOCOUTQ));
  EXPECT_EQ(client.not_sent, queued(pair.client, SIOCOUTQNSD));
  // A window probe may still bring a segment in between.
  EXPECT_TRUE(wait_until([&] {
    const ev_sample server = capture_.sample(pair.server.cookie());
    return server.receive_queue > 0 && server.receive_queue == queued(pair.server, SIOCINQ);
  }));
}

TEST_F(SampleTest, AFinInTheReceiveQueueIsNotAByteToRead) {
  const Pair pair = connected_pair(listener_);
  pair.client.send("four");
  pair.client.shut_down();
  ASSERT_TRUE(wait_for_state(pair.client, kFinWait2));
  EXPECT_EQ(capture_.sample(pair.server.cookie()).receive_queue, 4U);
  pair.server.receive(4);
  EXPECT_EQ(capture_.sample(pair.server.cookie()).receive_queue, 0U);
}

TEST_F(SampleTest, BuffersAreThoseOfSoMeminfo) {
  const Pair pair = stuck();
  const auto sender = memory(pair.client);
  const ev_sample client = capture_.sample(pair.client.cookie());
  EXPECT_EQ(client.sndbuf, sender[SK_MEMINFO_SNDBUF]);
  EXPECT_EQ(client.wmem_queued, sender[SK_MEMINFO_WMEM_QUEUED]);
  // A window probe may still bring a segment in between.
  EXPECT_TRUE(wait_until([&] {
    const auto receiver = memory(pair.server);
    const ev_sample server = capture_.sample(pair.server.cookie());
    return server.rcvbuf == receiver[SK_MEMINFO_RCVBUF] &&
           server.rmem_alloc == receiver[SK_MEMINFO_RMEM_ALLOC];
  }));
}

TEST_F(SampleTest, ABufferThatTheApplicationSetIsLocked) {
  const Pair pair = talked();
  pair.client.set(SOL_SOCKET, SO_SNDBUF, 50'000);
  pair.server.set(SOL_SOCKET, SO_RCVBUF, 50'000);
  const int kBoth = EV_OPT_SNDBUF_LOCKED | EV_OPT_RCVBUF_LOCKED;
  EXPECT_EQ(capture_.sample(pair.client.cookie()).options & kBoth, EV_OPT_SNDBUF_LOCKED);
  EXPECT_EQ(capture_.sample(pair.server.cookie()).options & kBoth, EV_OPT_RCVBUF_LOCKED);
}

TEST_F(SampleTest, TheCongestionControlIsTheSocketsOwn) {
  const Pair pair = talked();
  ASSERT_EQ(setsockopt(pair.client.fd(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
  EXPECT_EQ(fixed_string(capture_.sample(pair.client.cookie()).congestion), "reno");
}

TEST_F(SampleTest, OptionsAreThoseOfTcpInfo) {
  set_ipv4("tcp_ecn", "1");
  const auto [before, sample, info] = idle(talked().client);
  const int options = info.tcpi_options;
  EXPECT_TRUE(options & TCPI_OPT_ECN);
  EXPECT_EQ(!!(sample.options & EV_OPT_TIMESTAMPS), !!(options & TCPI_OPT_TIMESTAMPS));
  EXPECT_EQ(!!(sample.options & EV_OPT_SACK), !!(options & TCPI_OPT_SACK));
  EXPECT_EQ(!!(sample.options & EV_OPT_WINDOW_SCALE), !!(options & TCPI_OPT_WSCALE));
  EXPECT_EQ(!!(sample.options & EV_OPT_ECN), !!(options & TCPI_OPT_ECN));
  EXPECT_EQ(!!(sample.options & EV_OPT_ECN_SEEN), !!(options & TCPI_OPT_ECN_SEEN));
}

TEST_F(SampleTest, OptionsThatWereNotAgreedOnAreAbsent) {
  for (const char* key : {"tcp_timestamps", "tcp_sack", "tcp_window_scaling", "tcp_ecn"})
    set_ipv4(key, "0");
  const auto [before, sample, info] = idle(talked().client);
  const int kAgreed = EV_OPT_TIMESTAMPS | EV_OPT_SACK | EV_OPT_WINDOW_SCALE | EV_OPT_ECN;
  EXPECT_EQ(info.tcpi_options & 0xf, 0);
  EXPECT_EQ(sample.options & kAgreed, 0);
}

TEST_F(SampleTest, AnIdleSocketIsSampledOnlyByACompletePass) {
  const Pair pair = talked();
  idle(pair.client);
  const std::uint64_t cookie = pair.client.cookie();
  const std::size_t before = capture_.all<ev_sample>(EV_SAMPLE, cookie).size();
  const auto ignore = [](const Event&) {};
  std::size_t met = 0;
  const auto count = [&](const Event& event) { met += is_of(event, EV_SAMPLE, cookie); };
  ASSERT_TRUE(capture_.live().pass({}, ignore));
  ASSERT_TRUE(capture_.live().pass({}, count));
  EXPECT_EQ(met, 0U);
  capture_.pass();
  EXPECT_EQ(capture_.all<ev_sample>(EV_SAMPLE, cookie).size(), before + 1);
}

// One round trip per exchange, and the handshake's.
TEST_F(SampleTest, RoundTripsAreCountedOneByOne) {
  constexpr int kRounds = 100;
  Pair pair = connected_pair(listener_);
  for (int i = 0; i < kRounds; ++i) exchange(pair.client, pair.server, 1, 1);
  const std::uint64_t cookie = pair.client.cookie();
  close_in_order(pair);
  const ev_sample close = capture_.close(cookie);
  const auto histogram = capture_.only<ev_histogram>(EV_HISTOGRAM, cookie);
  EXPECT_GE(histogram.samples, kRounds + 1U);
  EXPECT_LE(histogram.samples, kRounds + 2U);  // the FIN may be one more
  EXPECT_EQ(close.rtt_samples, histogram.samples);
  EXPECT_EQ(quantiles_of_buckets(histogram.buckets).samples, histogram.samples);
}

TEST_F(SampleTest, QuantilesLieBetweenTheKernelsMinimumAndTheApplicationsTimes) {
  constexpr double kError = 1.0625;
  Pair pair = connected_pair(listener_);
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) {
    const Time begin = kernel_now();
    exchange(pair.client, pair.server, 1, 1);
    times.push_back(seconds(kernel_now() - begin) * 1e6);
  }
  const std::uint32_t min_rtt = pair.client.info().tcpi_min_rtt;
  const std::uint64_t cookie = pair.client.cookie();
  close_in_order(pair);
  capture_.close(cookie);
  std::ranges::sort(times);
  const RttQuantiles rtt = capture_.store().find(cookie)->rtt;
  EXPECT_GE(rtt.p50 * kError, min_rtt);
  EXPECT_LE(rtt.p50, rtt.p90);
  EXPECT_LE(rtt.p90, rtt.p99);
  EXPECT_LE(rtt.p50 / kError, times[times.size() / 2 + 2]);
  EXPECT_LE(rtt.p90 / kError, times[times.size() * 9 / 10 + 2]);
}

TEST_F(SampleTest, TheFirstRoundTripIsTheHandshakes) {
  const Pair pair = connected_pair(listener_);
  const std::uint32_t handshake = pair.client.info().tcpi_rtt;
  const ev_sample sample = capture_.sample(pair.client.cookie());
  EXPECT_EQ(sample.rtt_samples, 1U);
  EXPECT_EQ(sample.first_rtts[0], handshake);
}

}  // namespace
}  // namespace netsonde::test
