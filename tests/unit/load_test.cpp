// SPDX-License-Identifier: Apache-2.0
#include "probes/load.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <vector>

namespace netsonde {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Time kBegin = time_from_ns(1'000'000'000'000);

Attempt answered(std::uint64_t bytes = 100) {
  Attempt attempt;
  attempt.http.emplace().wire_bytes = bytes;
  return attempt;
}

Attempt failed(FailureKind kind) {
  Attempt attempt;
  attempt.failure = Failure{.phase = ProbePhase::Response, .kind = kind, .detail = "why"};
  return attempt;
}

// An open loop in a time of its own: the server takes one request at a time off the wire as soon
// as it is asked, and answers it at once unless it stalls.
class Simulation {
 public:
  explicit Simulation(const LoadSettings& settings)
      : settings_(settings), schedule_(settings, kBegin), tally_(settings) {}

  void stall(Time from, Time to) { stalled_from_ = from, stalled_to_ = to; }

  LoadResult run(Nanos step = microseconds(100)) {
    tally_.begin(kBegin);
    tally_.begin_whole(kBegin);
    for (Time now = kBegin;; now += step) {
      answer(now);
      while (!closed_) {
        const auto intended = schedule_.take(now);
        if (!intended) break;
        tally_.note_start(*intended, now);
        waiting_.push_back({*intended, now});
      }
      if (!schedule_.is_over(now)) continue;
      if (!closed_) tally_.note_not_started(schedule_.waiting(now));
      closed_ = true;
      if (waiting_.empty()) return tally_.result();
    }
  }

 private:
  struct Waiting {
    Time intended, started;
  };

  void answer(Time now) {
    if (now >= stalled_from_ && now < stalled_to_) return;
    for (; !waiting_.empty() && waiting_.front().started < now; waiting_.pop_front()) {
      tally_.take(answered(), waiting_.front().intended, waiting_.front().started, now, false);
      schedule_.note_end();
    }
  }

  LoadSettings settings_;
  OpenSchedule schedule_;
  LoadTally tally_;
  std::deque<Waiting> waiting_;
  Time stalled_from_{}, stalled_to_{};
  bool closed_ = false;
};

LoadSettings open_loop(double per_second, std::size_t most_in_flight, Nanos duration) {
  return {.concurrency = most_in_flight,
          .per_second = per_second,
          .requests = 1'000'000,
          .duration = duration};
}

TEST(OpenLoop, AskedForSoManyASecondBeginsAsMany) {
  Simulation simulation(open_loop(100, 10, seconds(3)));
  const LoadResult result = simulation.run();
  EXPECT_EQ(result.started, 300U);
  EXPECT_EQ(result.answered, 300U);
  EXPECT_EQ(result.late, 0U);
  EXPECT_EQ(result.not_started, 0U);
}

TEST(OpenLoop, ShowsAStallToAllThatShouldHaveBegunInIt) {
  Simulation simulation(open_loop(100, 1000, seconds(3)));
  simulation.stall(kBegin + seconds(1), kBegin + seconds(2));
  const LoadResult result = simulation.run();
  EXPECT_EQ(result.answered, 300U);
  EXPECT_NEAR(result.latency_us.max().value(), 1e6, 1e4);
  // A third of the requests were to begin while it stalled, spread evenly over its second.
  EXPECT_NEAR(result.latency_us.quantile(1 - 50.0 / 300).value(), 0.5e6, 2e4);
  EXPECT_LT(result.latency_us.quantile(0.6).value(), 1000);
}

TEST(OpenLoop, CountsTheStallAlsoWhereOnlyOneMayBeInFlight) {
  Simulation simulation(open_loop(100, 1, seconds(3)));
  simulation.stall(kBegin + seconds(1), kBegin + seconds(2));
  const LoadResult result = simulation.run();
  EXPECT_EQ(result.answered, 300U);
  EXPECT_NEAR(result.latency_us.max().value(), 1e6, 1e4);
  EXPECT_NEAR(result.latency_us.quantile(1 - 50.0 / 300).value(), 0.5e6, 2e4);
  // From their real starts they took no time: what a closed loop would have seen.
  EXPECT_LT(result.service_us.quantile(0.99).value(), 1000);
  EXPECT_NEAR(static_cast<double>(result.late), 100, 3);
  EXPECT_NEAR(result.lateness_us.max().value(), 1e6, 2e4);
}

TEST(OpenLoop, CountsWhatNeverCouldBegin) {
  Simulation simulation(open_loop(100, 4, seconds(3)));
  simulation.stall(kBegin + seconds(2), kBegin + seconds(4));
  const LoadResult result = simulation.run();
  EXPECT_EQ(result.started + result.not_started, 300U);
  EXPECT_NEAR(static_cast<double>(result.not_started), 96, 2);
}

TEST(OpenLoop, BeginsThoseOfAMillisecondTogetherAboveAThousandASecond) {
  OpenSchedule schedule(open_loop(5000, 100'000, seconds(1)), kBegin);
  EXPECT_EQ(schedule.tick(), milliseconds(1));
  std::map<Time, int> begun;
  while (const auto intended = schedule.take(kBegin + milliseconds(2))) ++begun[*intended];
  EXPECT_EQ(begun, (std::map<Time, int>{
                       {kBegin, 5}, {kBegin + milliseconds(1), 5}, {kBegin + milliseconds(2), 5}}));
}

TEST(OpenLoop, HasNoTickBeforeARequestIsDue) {
  for (const double rate : {0.1, 3.0, 7.0, 333.3, 1000.0}) {
    OpenSchedule schedule(open_loop(rate, 100, seconds(100)), kBegin);
    for (int tick = 0; tick < 10; ++tick) {
      const Time now = kBegin + schedule.tick() * tick;
      EXPECT_EQ(schedule.take(now), now) << rate;
      EXPECT_EQ(schedule.take(now), std::nullopt) << rate;
    }
  }
}

TEST(LoadTally, BeginsNoMoreThanTheBudgetHas) {
  LoadTally tally({.requests = 2, .bytes = 1000, .answer_bytes = 400});
  tally.begin(kBegin);
  EXPECT_TRUE(tally.may_start(1));
  EXPECT_FALSE(tally.may_start(2)) << "three answers of 400 bytes";
  tally.note_start(false);
  tally.take(answered(900), kBegin, kBegin, kBegin, false);
  EXPECT_FALSE(tally.may_start(0)) << "there are 100 bytes left, and answers have up to 900";
}

TEST(LoadTally, WhatTheEndCutsOffIsNeitherAnsweredNorFailed) {
  LoadTally tally({.duration = seconds(1), .timeout = seconds(10), .grace = seconds(2)});
  tally.begin(kBegin);
  EXPECT_EQ(tally.at_most(kBegin), seconds(3));
  EXPECT_TRUE(
      tally.take(failed(FailureKind::HttpTimeout), kBegin, kBegin, kBegin + seconds(2), false));
  EXPECT_FALSE(
      tally.take(failed(FailureKind::HttpTimeout), kBegin, kBegin, kBegin + seconds(3), false));
  EXPECT_EQ(tally.result().failed(), 1U);
  EXPECT_EQ(tally.result().unfinished, 1U);
}

TEST(LoadTally, FailuresAreCountedByKindWithAnExample) {
  LoadTally tally({});
  tally.begin(kBegin);
  for (int i = 0; i < 3; ++i) tally.take(failed(FailureKind::Reset), kBegin, kBegin, kBegin, false);
  EXPECT_EQ(tally.result().failures.at(FailureKind::Reset).count, 3U);
  EXPECT_EQ(tally.result().failures.at(FailureKind::Reset).example, "why");
  EXPECT_EQ(tally.result().latency_us.count(), 0U);
}

TEST(LoadTally, TheRateIsOfAnswersWhileTheLoadWasWhole) {
  LoadTally tally({.requests = 100});
  tally.begin(kBegin);
  const auto answer = [&](Nanos at, bool opening) {
    tally.take(answered(), kBegin, kBegin, kBegin + at, opening);
  };
  answer(milliseconds(100), true);
  tally.begin_whole(kBegin + seconds(1));
  for (int i = 0; i < 10; ++i) answer(milliseconds(1100), false);
  tally.end_whole(kBegin + seconds(3));
  answer(milliseconds(3500), false);
  EXPECT_EQ(tally.result().answered, 12U);
  EXPECT_EQ(tally.result().per_second, 5);
  EXPECT_EQ(tally.result().latency_us.count(), 11U) << "all but the one that opened a connection";
}

// A server on the loop that answers after a while, or fails.
class FakeServer {
 public:
  explicit FakeServer(Loop& loop) : loop_(loop) {}

  Send send() {
    return [this](Nanos, const Prober::OnAttempt& on_attempt) {
      ++in_flight_;
      most_in_flight = std::max(most_in_flight, in_flight_);
      ++requests;
      ASSERT_TRUE(loop_.after(takes, [this, on_attempt]() -> Result<> {
        --in_flight_;
        on_attempt(fails ? failed(*fails) : answered());
        return {};
      }));
    };
  }

  Nanos takes = milliseconds(1);
  std::optional<FailureKind> fails;
  std::size_t most_in_flight = 0, requests = 0;

 private:
  Loop& loop_;
  std::size_t in_flight_ = 0;
};

class LoadTest : public testing::Test {
 protected:
  void run(Load& load) {
    ASSERT_TRUE(loop.after(seconds(20), [this]() -> Result<> {
      ADD_FAILURE() << "still running";
      loop.stop();
      return {};
    }));
    ASSERT_TRUE(loop.after(Nanos(1), [&]() -> Result<> {
      return load.start([this](const Attempt&, Nanos latency) { latencies.push_back(latency); },
                        [this] { loop.stop(); });
    }));
    ASSERT_TRUE(loop.run());
  }

  Loop loop = Loop::open().value();
  FakeServer server{loop};
  std::vector<Nanos> latencies;
};

TEST_F(LoadTest, AClosedLoopKeepsSoManyInFlightUntilItsRequestsAreUsedUp) {
  ClosedLoad load(loop, server.send(), {.concurrency = 8, .requests = 100});
  run(load);
  EXPECT_EQ(server.most_in_flight, 8U);
  EXPECT_EQ(server.requests, 100U);
  EXPECT_EQ(load.result().answered, 100U);
  EXPECT_EQ(latencies.size(), 100U);
}

TEST_F(LoadTest, AClosedLoopEndsWithItsTimeAndWaitsForWhatIsInFlight) {
  server.takes = milliseconds(20);
  ClosedLoad load(loop, server.send(),
                  {.concurrency = 2, .requests = 1'000'000, .duration = milliseconds(50)});
  run(load);
  EXPECT_EQ(load.result().answered, load.result().started);
  EXPECT_GE(load.result().started, 4U);
  EXPECT_LE(load.result().started, 8U);
}

TEST_F(LoadTest, ConnectionsAreOpenedBeforeAllBegin) {
  ClosedLoad load(loop, server.send(), {.concurrency = 4, .requests = 12, .opens = true});
  run(load);
  EXPECT_EQ(load.result().opening, 4U);
  EXPECT_EQ(load.result().latency_us.count(), 8U);
}

TEST_F(LoadTest, AServerThatCannotBeReachedIsNotAskedOnAndOn) {
  server.fails = FailureKind::ConnectRefused;
  ClosedLoad load(loop, server.send(), {.concurrency = 4, .requests = 100, .opens = true});
  run(load);
  EXPECT_EQ(load.result().failures.at(FailureKind::ConnectRefused).count, 4U);
}

TEST_F(LoadTest, AServerThatRefusesIsStillUnderLoad) {
  server.fails = FailureKind::HttpStatus;
  ClosedLoad load(loop, server.send(), {.concurrency = 4, .requests = 100, .opens = true});
  run(load);
  EXPECT_EQ(load.result().failures.at(FailureKind::HttpStatus).count, 100U);
}

TEST_F(LoadTest, ALoadThatMayNotBeginEndsAtOnce) {
  ClosedLoad load(loop, server.send(), {.requests = 10, .bytes = 5, .answer_bytes = 10});
  run(load);
  EXPECT_EQ(load.result().started, 0U);
}

TEST_F(LoadTest, AnOpenLoopBeginsRequestsInTheirTime) {
  OpenLoad load(
      loop, server.send(),
      {.concurrency = 100, .per_second = 500, .requests = 1000, .duration = milliseconds(100)});
  run(load);
  EXPECT_EQ(load.result().answered, 50U);
  EXPECT_GE(load.result().latency_us.min().value(), 1000);
}

TEST_F(LoadTest, AnOpenLoopEndsEarlyWhereRequestsAreUsedUp) {
  OpenLoad load(loop, server.send(),
                {.concurrency = 100, .per_second = 500, .requests = 10, .duration = seconds(20)});
  run(load);
  EXPECT_EQ(load.result().answered, 10U);
  EXPECT_EQ(load.result().not_started, 0U);
}

}  // namespace
}  // namespace netsonde
