// SPDX-License-Identifier: Apache-2.0
#include "probes/experiment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace netsonde {
namespace {

// What happened in an experiment, in order.
struct Log {
  std::vector<std::string> asked{};  // the name of the arm, once per request
  std::map<std::string, int> opened{};
};

// Answers as it is told, by the number of the request among those of its arm.
class FakeProber : public Prober {
 public:
  using Answer = std::function<Attempt(const std::string& arm, int number)>;

  FakeProber(Loop& loop, std::string arm, Log& log, std::map<std::string, int>& numbers,
             const Answer& answer)
      : loop_(loop), arm_(std::move(arm)), log_(log), numbers_(numbers), answer_(answer) {}

  void start(const ProbeRequest&, OnAttempt on_attempt) override {
    log_.asked.push_back(arm_);
    Attempt attempt = answer_(arm_, numbers_[arm_]++);
    ASSERT_TRUE(loop_.after(Nanos(1), [on_attempt, attempt]() -> Result<> {
      on_attempt(attempt);
      return {};
    }));
  }

 private:
  Loop& loop_;
  std::string arm_;
  Log& log_;
  std::map<std::string, int>& numbers_;
  const Answer& answer_;
};

Attempt answered(std::int64_t total_us) {
  Attempt attempt;
  attempt.times.total = std::chrono::microseconds(total_us);
  attempt.times.ttfb = std::chrono::microseconds(total_us / 2);
  attempt.http = HttpFacts{.status = 200, .header_bytes = 100, .wire_bytes = 900};
  return attempt;
}

Attempt failed() {
  Attempt attempt = answered(1);
  attempt.failure = Failure{.phase = ProbePhase::Connect,
                            .kind = FailureKind::ConnectRefused,
                            .detail = "refused by nobody"};
  return attempt;
}

std::optional<std::string> unless_reused(std::span<const Attempt> unit) {
  return unit.front().reused ? std::nullopt : std::optional<std::string>("a new connection");
}

class ExperimentTest : public testing::Test {
 protected:
  ExperimentTest() { EXPECT_TRUE(loop_); }

  // Two arms, a and b.
  static Factor factor(std::string name = "f") {
    return {.name = std::move(name),
            .metrics = {Metric::Total, Metric::Ttfb},
            .arms = {{.name = "a"}, {.name = "b"}}};
  }

  void run(ExperimentSettings settings, FakeProber::Answer answer) {
    answer_ = std::move(answer);
    Loop& loop = loop_.value();
    const auto open = [this, &loop](const Arm& arm) -> Result<std::unique_ptr<Prober>> {
      if (arm.name == refused_) return Error("cannot be opened");
      ++log_.opened[arm.name];
      return std::unique_ptr<Prober>(
          std::make_unique<FakeProber>(loop, arm.name, log_, numbers_, answer_));
    };
    auto opened = Experiment::open(loop, open, std::move(settings));
    ASSERT_TRUE(opened);
    experiment_ = std::move(opened).value();
    ASSERT_TRUE(loop.after(std::chrono::seconds(20), []() -> Result<> { return Error("late"); }));
    ASSERT_TRUE(loop.after(Nanos(1), [this, &loop]() -> Result<> {
      experiment_->start({.on_tried = [this](const Experiment::Cost& cost) { cost_ = cost; },
                          .on_block = [this](std::size_t blocks) { blocks_ = blocks; },
                          .on_end = [&loop] { loop.stop(); }});
      return {};
    }));
    ASSERT_TRUE(loop.run());
  }

  const ArmFigures& arm(std::size_t index) {
    figures_ = experiment_->figures();
    return figures_[0].arms[index];
  }

  Result<Loop> loop_ = Loop::open();
  Log log_;
  std::map<std::string, int> numbers_;
  FakeProber::Answer answer_;
  std::string refused_;
  std::unique_ptr<Experiment> experiment_;
  std::vector<FactorFigures> figures_;
  Experiment::Cost cost_;
  std::size_t blocks_ = 0;
};

Attempt always_well(const std::string&, int) {
  return answered(100);
}

TEST_F(ExperimentTest, EveryBlockGivesEachArmItsMedian) {
  run({.factors = {factor()}, .blocks = 4, .units = 5},
      [](const std::string& arm, int number) { return answered(arm == "a" ? 100 : number); });
  const std::vector<std::optional<double>> hundreds(4, 100.0);
  EXPECT_EQ(arm(0).medians.at(Metric::Total), hundreds);
  EXPECT_EQ(arm(0).medians.at(Metric::Ttfb), std::vector<std::optional<double>>(4, 50.0));
  // Of b, number 0 tried the arm and 1 warmed it up.
  EXPECT_EQ(arm(1).medians.at(Metric::Total),
            (std::vector<std::optional<double>>{4.0, 10.0, 16.0, 22.0}));
  EXPECT_EQ(arm(1).units, 20U);
  EXPECT_EQ(blocks_, 4U);
  EXPECT_TRUE(experiment_->given_up().empty());
}

TEST_F(ExperimentTest, TheBaselineIsMeasuredOnceMoreOnConnectionsOfItsOwn) {
  run({.factors = {factor()}, .blocks = 3}, always_well);
  EXPECT_EQ(log_.opened["a"], 2);
  EXPECT_EQ(log_.opened["b"], 1);
  const auto figures = experiment_->figures();
  ASSERT_TRUE(figures[0].baseline_again);
  EXPECT_EQ(figures[0].baseline_again->name, "a");
  EXPECT_EQ(figures[0].baseline_again->units, 15U);
}

TEST_F(ExperimentTest, WhatItCostsIsKnownBefore) {
  run({.factors = {factor()}, .blocks = 10, .units = 5}, always_well);
  EXPECT_EQ(cost_.requests, 10U * 6 * 3);
  EXPECT_EQ(cost_.bytes, cost_.requests * 1000);
  EXPECT_EQ(experiment_->requests(), cost_.requests + 2);  // trying each arm
}

// Of three arms, the order in each block; a stands for the baseline once more as well.
std::set<std::string> orders_of(const std::vector<std::string>& asked, std::size_t units) {
  std::set<std::string> orders;
  for (std::size_t at = 3; at + 4 * units <= asked.size(); at += 4 * units) {
    std::string order;
    for (std::size_t arm = 0; arm < 4; ++arm) order += asked[at + arm * units];
    orders.insert(order);
  }
  return orders;
}

TEST_F(ExperimentTest, ArmsStandInAnyOrderInEachBlock) {
  Factor three = factor();
  three.arms.push_back({.name = "c"});
  run({.factors = {three}, .blocks = 100, .units = 3}, always_well);
  const auto orders = orders_of(log_.asked, 4);
  EXPECT_EQ(orders.size(), 12U);  // of a, a, b and c
  for (std::string order : orders) {
    std::ranges::sort(order);
    EXPECT_EQ(order, "aabc");
  }
}

TEST_F(ExperimentTest, TheSeedDeterminesTheOrder) {
  const auto asked = [this](std::uint64_t seed) {
    log_.asked.clear();
    run({.factors = {factor()}, .blocks = 20, .units = 3, .seed = seed}, always_well);
    return log_.asked;
  };
  const auto first = asked(7);
  EXPECT_EQ(first, asked(7));
  EXPECT_NE(first, asked(8));
}

TEST_F(ExperimentTest, AnArmThatCannotBeHadIsNotMeasuredAndSaysWhy) {
  Factor three = factor();
  three.arms.push_back({.name = "c", .not_in_force = unless_reused});
  run({.factors = {three}, .blocks = 3}, always_well);
  EXPECT_EQ(arm(2).unavailable, "a new connection");
  EXPECT_EQ(arm(2).units, 0U);
  EXPECT_EQ(std::ranges::count(log_.asked, "c"), 3);  // it was tried
  EXPECT_EQ(arm(1).units, 15U);
}

TEST_F(ExperimentTest, AnArmThatFailsOnlyAtFirstIsAvailable) {
  run({.factors = {factor()}, .blocks = 3}, [](const std::string& arm, int number) {
    return arm == "b" && number < 2 ? failed() : answered(100);
  });
  EXPECT_EQ(arm(1).unavailable, "");
  EXPECT_EQ(arm(1).units, 15U);
}

TEST_F(ExperimentTest, AnArmWhoseProberCannotBeOpenedIsNotAvailable) {
  refused_ = "b";
  run({.factors = {factor()}, .blocks = 3}, always_well);
  EXPECT_EQ(arm(1).unavailable, "cannot be opened");
}

TEST_F(ExperimentTest, WithOneArmThereIsNothingToCompare) {
  run({.factors = {factor()}, .blocks = 3},
      [](const std::string& arm, int) { return arm == "b" ? failed() : answered(100); });
  EXPECT_EQ(arm(1).unavailable, "connect-refused: refused by nobody");
  EXPECT_EQ(arm(0).units, 0U);
  EXPECT_FALSE(figures_[0].baseline_again);
  EXPECT_EQ(cost_.requests, 0U);
}

// Each turn is a warm-up and five units.
TEST_F(ExperimentTest, UnitsThatAreNotInForceAreCountedAndGiveNoFigure) {
  Factor two = factor();
  two.arms[1].not_in_force = unless_reused;
  run({.factors = {two}, .blocks = 3}, [](const std::string&, int number) {
    Attempt attempt = answered(number % 2 == 1 ? 100 : 900);
    attempt.reused = number % 2 == 1 || number == 0;
    return attempt;
  });
  EXPECT_EQ(arm(1).not_in_force, 9U);  // of the five units of each block, three
  EXPECT_EQ(arm(1).why_not_in_force, "a new connection");
  EXPECT_EQ(arm(1).medians.at(Metric::Total), (std::vector<std::optional<double>>(3)));
  EXPECT_EQ(arm(1).failed, 0U);
}

TEST_F(ExperimentTest, ThreeGoodUnitsGiveABlockItsFigure) {
  run({.factors = {factor()}, .blocks = 2}, [](const std::string& arm, int number) {
    return arm == "b" && (number == 2 || number == 5) ? failed() : answered(100);
  });
  EXPECT_EQ(arm(1).failed, 2U);
  EXPECT_EQ(arm(1).failure, "connect-refused: refused by nobody");
  EXPECT_EQ(arm(1).medians.at(Metric::Total), (std::vector<std::optional<double>>(2, 100.0)));
}

TEST_F(ExperimentTest, AnArmThatFailsThreeTimesInARowIsLeftAloneForTheBlock) {
  run({.factors = {factor()}, .blocks = 2}, [](const std::string& arm, int number) {
    return arm == "b" && number >= 1 && number <= 3 ? failed() : answered(100);
  });
  EXPECT_EQ(arm(1).units, 2U + 5);  // the first of the failures warmed it up
  EXPECT_EQ(arm(1).medians.at(Metric::Total),
            (std::vector<std::optional<double>>{std::nullopt, 100.0}));
}

TEST_F(ExperimentTest, ATargetThatFailsTenTimesInARowEndsItWithWhatThereIs) {
  int asked = 0;
  run({.factors = {factor()}, .blocks = 30}, [&asked](const std::string&, int) {
    return ++asked > 2 + 4 * 18 ? failed() : answered(100);
  });
  EXPECT_EQ(asked, 2 + 4 * 18 + 10);
  EXPECT_EQ(experiment_->blocks_done(), 5U);
  EXPECT_EQ(experiment_->given_up(),
            "10 units failed in a row: connect-refused: refused by nobody");
  EXPECT_EQ(arm(1).medians.at(Metric::Total)[3], 100.0);
  EXPECT_EQ(arm(1).medians.at(Metric::Total)[4], std::nullopt);
}

TEST_F(ExperimentTest, RequestsOfAUnitRunAtOnceOrOneAfterTheOther) {
  Factor two = factor();
  two.metrics = {Metric::Total, Metric::WireBytes};
  two.arms[0].requests = two.arms[1].requests = 4;
  two.arms[0].at_once = true;
  two.arms[1].new_pool = true;
  run({.factors = {two}, .blocks = 2, .units = 3}, always_well);
  EXPECT_EQ(std::ranges::count(log_.asked, "b"), 4 * (1 + 2 * 4));
  EXPECT_EQ(log_.opened["b"], 1 + 2 * 4);
  EXPECT_EQ(log_.opened["a"], 2);
  EXPECT_EQ(arm(0).medians.at(Metric::WireBytes)[0], 3600.0);
  EXPECT_EQ(arm(1).medians.at(Metric::WireBytes)[0], 3600.0);
}

// The body's way there ends with the answer.
TEST_F(ExperimentTest, BandwidthIsThatOfTheBodyThatWasSent) {
  Factor two = factor();
  two.metrics = {Metric::Total, Metric::Bandwidth};
  run({.factors = {two}, .blocks = 1}, [](const std::string& arm, int) {
    Attempt attempt = answered(100);
    if (arm == "b") attempt.http->bandwidth_mbps = 7;
    if (arm == "b") return attempt;
    attempt.http->sent_bytes = 1000;
    attempt.times.request = std::chrono::microseconds(60);
    attempt.times.ttfb = std::chrono::microseconds(20);
    return attempt;
  });
  EXPECT_EQ(arm(0).medians.at(Metric::Bandwidth)[0], 100.0);
  EXPECT_EQ(arm(1).medians.at(Metric::Bandwidth)[0], 7.0);
}

TEST_F(ExperimentTest, FactorsDoNotMix) {
  run({.factors = {factor("f"), factor("g")}, .blocks = 2}, always_well);
  const auto figures = experiment_->figures();
  ASSERT_EQ(figures.size(), 2U);
  for (const FactorFigures& one : figures) {
    EXPECT_EQ(one.arms.size(), 2U);
    EXPECT_TRUE(one.baseline_again);
  }
}

}  // namespace
}  // namespace netsonde
