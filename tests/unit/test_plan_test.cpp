// SPDX-License-Identifier: Apache-2.0
#include "probes/test_plan.h"

#include <gmock/gmock.h>

#include "tests/unit/http_fixture.h"

namespace netsonde::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::IsEmpty;

class TestPlanTest : public HttpTest {
 protected:
  TestSettings settings(std::vector<TestStage> stages, std::uint64_t answer_bytes = 1000) {
    answer = std::string(answer_bytes, 'x');
    return {.request = server.request(),
            .answer_bytes = answer_bytes,
            .concurrency = 4,
            .budget = {.requests = 400, .bytes = 10'000'000, .duration = milliseconds(1500)},
            .stages = std::move(stages)};
  }

  TestResults test(TestSettings settings) {
    const auto plan = TestPlan::open(loop, std::move(settings)).value();
    EXPECT_TRUE(loop.after(Nanos(1), [&] { return plan->start([] {}, [this] { loop.stop(); }); }));
    run();
    return plan->results();
  }

  std::string answer, status = "200 OK";
  bool gives_parts = true;
  HttpServer server{loop, [this](std::string_view head) {
                      const bool part = head.find("Range: ") != std::string_view::npos;
                      if (part && gives_parts) return http_answer("206 Partial", "x");
                      return http_answer(status, head.starts_with("HEAD") ? "" : answer);
                    }};
};

const std::vector<TestStage> kSmall = {TestStage::Cold, TestStage::Warm, TestStage::Sweep,
                                       TestStage::OpenLoop};

TEST_F(TestPlanTest, RunsItsStagesInOrderWithinTheBudget) {
  const TestResults results = test(settings(kSmall));
  ASSERT_EQ(results.stages.size(), kSmall.size());
  for (std::size_t i = 0; i < kSmall.size(); ++i) {
    EXPECT_EQ(results.stages[i].stage, kSmall[i]);
    EXPECT_THAT(results.stages[i].why_not, IsEmpty());
  }
  EXPECT_GT(results.cold.value().load.answered, 0U);
  EXPECT_EQ(results.cold->connect_us.count(), results.cold->load.answered);
  EXPECT_GT(results.warm.value().load.latency_us.count(), 0U);
  EXPECT_EQ(results.warm->connect_us.count(), 0U);
  EXPECT_EQ(results.sweep.size(), 3U);
  EXPECT_GT(results.open_loop.value().load.answered, 0U);
  EXPECT_LE(results.requests, 400U);
  EXPECT_EQ(results.requests, server.heads.size());
  EXPECT_EQ(results.bytes, 1000 * server.heads.size());
}

TEST_F(TestPlanTest, BinsHoldEveryRequestAndByteThatStagesCount) {
  const TestResults results = test(settings(kSmall));
  std::uint64_t answered = 0, received = 0, counted = 0;
  for (const TestBin& bin : results.bins) {
    answered += bin.answered;
    received += bin.received_bytes;
  }
  counted =
      results.cold->load.answered + results.warm->load.answered + results.open_loop->load.answered;
  for (const SweepLevel& level : results.sweep) counted += level.load.answered;
  EXPECT_EQ(answered, counted);
  EXPECT_LE(received, results.bytes);
}

TEST_F(TestPlanTest, RequestsBeforeArePartOfTheBudget) {
  TestSettings with = settings({TestStage::Cold});
  with.budget.requests = 5;
  with.requests_before = 3;
  EXPECT_EQ(test(std::move(with)).requests, 5U);
  EXPECT_EQ(server.heads.size(), 2U);
}

TEST_F(TestPlanTest, ForATooLongAnswerAPartIsAskedFor) {
  const TestResults results = test(settings({TestStage::Warm}, 5'000'000));
  EXPECT_THAT(results.stages.at(0).note, HasSubstr("5.0MB: only its first byte"));
  EXPECT_GT(results.warm.value().load.answered, 5U);
  EXPECT_LT(results.bytes, 10'000U);
}

TEST_F(TestPlanTest, ForATooLongAnswerWithoutPartsItsHeadIsAskedFor) {
  gives_parts = false;
  status = "200 OK";
  const TestResults results = test(settings({TestStage::Cold}, 5'000'000));
  EXPECT_THAT(results.stages.at(0).note, HasSubstr("only its head"));
  EXPECT_THAT(server.heads.back(), testing::StartsWith("HEAD "));
}

TEST_F(TestPlanTest, ShortAnswersTellNothingOfThePath) {
  const TestResults results = test(settings({TestStage::Download, TestStage::Responsiveness}));
  EXPECT_FALSE(results.download || results.responsiveness);
  for (const StageRun& run : results.stages) EXPECT_THAT(run.why_not, HasSubstr("too short"));
  EXPECT_EQ(server.heads.size(), 0U);
}

TEST_F(TestPlanTest, LongAnswersTellBandwidthAndResponsiveness) {
  TestSettings with = settings({TestStage::Download, TestStage::Responsiveness}, 300'000);
  with.budget.bytes = 1'000'000'000;
  with.budget.requests = 2000;
  const TestResults results = test(std::move(with));
  EXPECT_TRUE(results.download.value().mbps());
  EXPECT_TRUE(results.responsiveness.value().loaded.rpm());
}

TEST_F(TestPlanTest, TheRateIsHalfOfTheBestUnlessTheBudgetHasLess) {
  const TestResults results = test(settings(kSmall));
  double best = 0;
  for (const SweepLevel& level : results.sweep)
    best = std::max(best, level.load.per_second.value_or(0));
  EXPECT_LE(results.open_loop->wanted_per_second, best / 2);
  TestSettings told = settings({TestStage::OpenLoop});
  told.per_second = 123;
  EXPECT_EQ(test(std::move(told)).open_loop->wanted_per_second, 123);
}

TEST_F(TestPlanTest, FailuresAreCounted) {
  status = "503 Busy";
  const TestResults results = test(settings({TestStage::Warm, TestStage::Sweep}));
  EXPECT_EQ(results.warm->load.answered, 0U);
  EXPECT_GT(results.warm->load.failures.at(FailureKind::HttpStatus).count, 0U);
  EXPECT_EQ(results.sweep.size(), 3U) << "it answers, whatever";
}

TEST_F(TestPlanTest, AServerThatIsGoneEndsTheSweep) {
  TestSettings with = settings({TestStage::Sweep});
  with.request.target.port = 1;
  const TestResults results = test(std::move(with));
  EXPECT_EQ(results.sweep.size(), 1U);
  EXPECT_THAT(results.stages.at(0).note, HasSubstr("most requests were lost"));
}

TEST_F(TestPlanTest, WhatThereIsByNowCanBeAskedForAtAnyTime) {
  const auto plan = TestPlan::open(loop, settings(kSmall)).value();
  EXPECT_EQ(plan->results().stages.size(), 0U);
  ASSERT_TRUE(loop.after(Nanos(1), [&] { return plan->start([] {}, [] {}); }));
  ASSERT_TRUE(loop.after(milliseconds(1), [&]() -> Result<> {
    loop.stop();
    return {};
  }));
  ASSERT_TRUE(loop.run());
  const TestResults results = plan->results();
  ASSERT_FALSE(results.stages.empty());
  EXPECT_GT(results.ended, results.began);
  EXPECT_TRUE(results.cold);
}

}  // namespace
}  // namespace netsonde::test
