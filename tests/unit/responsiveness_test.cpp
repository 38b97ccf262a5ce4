// SPDX-License-Identifier: Apache-2.0
#include "probes/responsiveness.h"

#include <gmock/gmock.h>

#include "tests/unit/http_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(TrimmedMean, LeavesOutTheSlowestTwentieth) {
  std::vector<double> values(19, 10);
  values.push_back(1e6);
  EXPECT_EQ(trimmed_mean(values), 10);
  values.push_back(1e6);
  EXPECT_GT(trimmed_mean(values).value(), 10) << "one of 21 alone is left out";
}

TEST(TrimmedMean, OfFewIsTheMeanAndOfNoneAbsent) {
  EXPECT_EQ(trimmed_mean({1, 3}), 2);
  EXPECT_EQ(trimmed_mean({}), std::nullopt);
}

TEST(Stability, NeedsFourValuesThatScatterLittle) {
  EXPECT_FALSE(is_stable({100, 100, 100}));
  EXPECT_TRUE(is_stable({100, 104, 98, 100}));
  EXPECT_FALSE(is_stable({50, 80, 95, 100}));
  EXPECT_FALSE(is_stable({0, 0, 0, 0}));
}

TEST(RoundTrips, AMinuteHoldsAsManyAsTheDraftSays) {
  RoundTrips trips{.tcp_us = 10'000, .tls_us = 20'000, .http_us = 30'000};
  EXPECT_DOUBLE_EQ(trips.foreign_rpm().value(), 3000);
  EXPECT_DOUBLE_EQ(trips.rpm().value(), 3000) << "without others";
  trips.self_us = 60'000;
  EXPECT_DOUBLE_EQ(trips.rpm().value(), (3000 + 1000) / 2.0);
}

TEST(RoundTrips, WithoutTlsHaveTwoPartsInsteadOfThree) {
  const RoundTrips trips{.tcp_us = 10'000, .http_us = 30'000};
  EXPECT_DOUBLE_EQ(trips.foreign_rpm().value(), 3000);
}

TEST(RoundTrips, ThatWereNotMeasuredHaveNoRate) {
  EXPECT_FALSE(RoundTrips{}.rpm());
  EXPECT_FALSE((RoundTrips{.self_us = 1000}.rpm()));
}

// Echoes after a while, as if it came from the first hop.
class FakeIcmp : public Prober {
 public:
  FakeIcmp(Loop& loop, std::optional<Failure> failure)
      : loop_(loop), failure_(std::move(failure)) {}

  void start(const ProbeRequest& request, OnAttempt on_attempt) override {
    EXPECT_EQ(request.socket.hops, 1);
    ASSERT_TRUE(loop_.after(Nanos(1000), [this, on_attempt]() -> Result<> {
      Attempt attempt;
      attempt.failure = failure_;
      attempt.address = parse_address("192.0.2.1");
      if (!failure_) attempt.echo = milliseconds(3);
      on_attempt(std::move(attempt));
      return {};
    }));
  }

 private:
  Loop& loop_;
  std::optional<Failure> failure_;
};

class ResponsivenessTest : public HttpTest {
 protected:
  ResponsivenessSettings settings(std::optional<Failure> first_hop = {}) {
    ProbeRequest probe = server.request();
    probe.http.headers = {{"Range", "bytes=0-0"}};
    return {.load = server.request(),
            .probe = probe,
            .address = HttpServer::address(),
            .requests = 1'000'000,
            .bytes = 1ULL << 40,
            .duration = milliseconds(600),
            .interval = milliseconds(50),
            .most_connections = 3,
            .icmp = std::make_unique<FakeIcmp>(loop, std::move(first_hop))};
  }

  ResponsivenessResult measure(ResponsivenessSettings settings) {
    const auto test = Responsiveness::open(loop, std::move(settings)).value();
    EXPECT_TRUE(test->start([this] { loop.stop(); }));
    run();
    return test->result();
  }

  HttpServer server{loop, [](std::string_view head) {
                      if (head.find("Range: ") != std::string_view::npos)
                        return http_answer("206 Partial", "x");
                      return http_answer("200 OK", std::string(256 << 10, 'x'));
                    }};
};

TEST_F(ResponsivenessTest, TellsRoundTripsOfAnIdleAndAFullPath) {
  const ResponsivenessResult result = measure(settings());
  EXPECT_TRUE(result.idle.rpm());
  EXPECT_TRUE(result.loaded.rpm());
  EXPECT_GT(result.loaded.foreign, 0U);
  EXPECT_FALSE(result.loaded.self_us) << "HTTP/1.1 lets nothing share a connection with load";
  EXPECT_GT(result.goodput_mbps.value(), 0);
  EXPECT_EQ(result.connections, 3U);
  EXPECT_TRUE(result.confidence);
  EXPECT_FALSE(result.failure);
}

TEST_F(ResponsivenessTest, TellsOfTheFirstHop) {
  const ResponsivenessResult result = measure(settings());
  EXPECT_EQ(result.first_hop, "192.0.2.1");
  EXPECT_DOUBLE_EQ(result.idle.first_hop_us.value(), 3000);
  EXPECT_DOUBLE_EQ(result.loaded.first_hop_us.value(), 3000);
  EXPECT_EQ(result.without_first_hop, "");
}

TEST_F(ResponsivenessTest, SaysWhyTheFirstHopIsUnknown) {
  const ResponsivenessResult result =
      measure(settings(Failure{.kind = FailureKind::EchoTimeout, .detail = "no echo"}));
  EXPECT_EQ(result.first_hop, "");
  EXPECT_FALSE(result.loaded.first_hop_us);
  EXPECT_EQ(result.without_first_hop, "no echo");
}

TEST_F(ResponsivenessTest, TellsWhatWaitsAtTheSlowestDevice) {
  std::uint64_t sent = 0;
  ResponsivenessSettings with = settings();
  with.queues = [&sent]() -> std::vector<DeviceQueue> {
    sent += 1000;
    return {{.device = "quick0", .backlog_bytes = 0, .sent_bytes = sent},
            {.device = "slow0", .backlog_bytes = 500, .sent_bytes = sent}};
  };
  const ResponsivenessResult result = measure(std::move(with));
  EXPECT_EQ(result.own_queue, "slow0");
  // Half of what goes out from one look to the next.
  EXPECT_NEAR(result.loaded.own_queue_us.value(), 25'000, 15'000);
}

TEST_F(ResponsivenessTest, EndsWhereItsBytesAreUsedUp) {
  ResponsivenessSettings with = settings();
  with.bytes = 1 << 20;
  with.duration = std::chrono::seconds(15);
  const ResponsivenessResult result = measure(std::move(with));
  EXPECT_THAT(result.ended, HasSubstr("1.0MB"));
  EXPECT_GT(result.bytes, 1U << 19);
  EXPECT_LE(result.bytes, 1U << 20);
  EXPECT_EQ(result.confidence.value_or(Confidence::Low), Confidence::Low);
}

TEST_F(ResponsivenessTest, EndsWhereItsRequestsAreUsedUp) {
  ResponsivenessSettings with = settings();
  with.requests = 20;
  with.duration = std::chrono::seconds(15);
  const ResponsivenessResult result = measure(std::move(with));
  EXPECT_EQ(result.requests, 20U);
  EXPECT_THAT(result.ended, HasSubstr("20 requests"));
}

TEST_F(ResponsivenessTest, ALoadThatFailsEndsIt) {
  HttpServer broken(loop, [](std::string_view head) {
    const bool probe = head.find("Range: ") != std::string_view::npos;
    return http_answer(probe ? "206 Partial" : "500 Broken", "x");
  });
  ResponsivenessSettings with = settings();
  with.load = broken.request();
  const ResponsivenessResult result = measure(std::move(with));
  EXPECT_EQ(result.failure.value().kind, FailureKind::HttpStatus);
  EXPECT_TRUE(result.idle.rpm());
}

}  // namespace
}  // namespace netsonde::test
