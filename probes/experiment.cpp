// SPDX-License-Identifier: Apache-2.0
#include "probes/experiment.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "user/model/statistics.h"

namespace netsonde {

namespace {

constexpr std::size_t kTrials = 3;       // units, until an arm counts as not available
constexpr unsigned kTurnGivesUp = 3;     // units that fail in a row
constexpr unsigned kTargetGivesUp = 10;  // so many end the experiment
constexpr std::size_t kFewestGood = 3;   // units that give a block's figure

double microseconds(Nanos span) {
  return static_cast<double>(span.count()) / 1e3;
}

std::string failure_of(std::span<const Attempt> unit) {
  for (const Attempt& attempt : unit)
    if (attempt.failure)
      return fmt::format("{}: {}", name_of(attempt.failure->kind), attempt.failure->detail);
  return {};
}

std::string not_in_force(const Arm& arm, std::span<const Attempt> unit) {
  return arm.not_in_force ? arm.not_in_force(unit).value_or("") : "";
}

template <typename Get>
std::uint64_t sum_of(std::span<const Attempt> unit, Get get) {
  std::uint64_t sum = 0;
  for (const Attempt& attempt : unit)
    if (attempt.http) sum += get(*attempt.http);
  return sum;
}

// Of a body that we sent, over what it took until the answer came: when it arrived, only the
// server knows.
std::optional<double> bandwidth_of(const Attempt& attempt) {
  if (!attempt.http) return std::nullopt;
  if (attempt.http->sent_bytes == 0) return attempt.http->bandwidth_mbps;
  const PhaseTimes& times = attempt.times;
  if (!times.request || !times.ttfb) return std::nullopt;
  const Nanos span = *times.request + *times.ttfb;
  if (span <= Nanos(0)) return std::nullopt;
  return static_cast<double>(attempt.http->sent_bytes) * 8e3 / static_cast<double>(span.count());
}

std::optional<double> figure_of(Metric metric, std::span<const Attempt> unit, Nanos took) {
  const Attempt& first = unit.front();
  switch (metric) {
    case Metric::Total: return microseconds(took);
    case Metric::Ttfb:
      if (!first.times.ttfb) return std::nullopt;
      return microseconds(*first.times.ttfb);
    case Metric::WireBytes:
      return static_cast<double>(
          sum_of(unit, [](const HttpFacts& http) { return http.wire_bytes; }));
    case Metric::Bandwidth: return bandwidth_of(first);
  }
  return std::nullopt;
}

std::optional<double> median_of(const std::vector<double>& values) {
  Statistics statistics;
  for (const double value : values) statistics.add(value);
  return statistics.quantile(0.5);
}

}  // namespace

Experiment::Experiment(Loop& loop, OpenProber open_prober, ExperimentSettings settings)
    : loop_(loop),
      open_prober_(std::move(open_prober)),
      settings_(std::move(settings)),
      random_(settings_.seed) {
  for (std::size_t i = 0; i < settings_.factors.size(); ++i) {
    for (const Arm& arm : settings_.factors[i].arms) {
      courses_.push_back(std::make_unique<Course>());
      Course& course = *courses_.back();
      course.factor = i;
      course.arm = arm;
      course.figures = {.name = arm.name, .advice = arm.advice, .unavailable = "not tried"};
    }
  }
}

Experiment::~Experiment() {
  if (timer_ >= 0) loop_.forget(timer_);
}

Result<std::unique_ptr<Experiment>> Experiment::open(Loop& loop, OpenProber open_prober,
                                                     ExperimentSettings settings) {
  std::unique_ptr<Experiment> experiment(
      new Experiment(loop, std::move(open_prober), std::move(settings)));
  experiment->timer_ = TRY(loop.every(Nanos(0), [self = experiment.get()]() -> Result<> {
    TRY(self->loop_.set_interval(self->timer_, Nanos(0)));
    return self->begin_unit();
  }));
  return experiment;
}

void Experiment::start(Callbacks callbacks) {
  callbacks_ = std::move(callbacks);
  for (const auto& course : courses_) turns_.push_back({.course = course.get()});
  std::ranges::reverse(turns_);
  if (turns_.empty()) return callbacks_.on_end();
  later();
}

// Not from within what ends the unit before: probers are opened anew.
void Experiment::later() {
  (void)loop_.set_interval(timer_, Nanos(1));
}

Result<> Experiment::begin_unit() {
  Course& course = *turns_.back().course;
  if (!course.prober || course.arm.new_pool) {
    course.prober.reset();
    auto opened = open_prober_(course.arm);
    if (!opened && !trying_) return std::move(opened).error();
    if (!opened) {
      course.figures.unavailable = opened.error().message();
      next_turn();
      return {};
    }
    course.prober = std::move(opened).value();
  }
  unit_ = {.began = kernel_now()};
  start_request();
  while (course.arm.at_once && unit_.started < course.arm.requests) start_request();
  return {};
}

void Experiment::start_request() {
  const Course& course = *turns_.back().course;
  ++unit_.started;
  ++requests_;
  course.prober->start(course.arm.request, [this](Attempt attempt) { take(std::move(attempt)); });
}

void Experiment::take(Attempt attempt) {
  const Arm& arm = turns_.back().course->arm;
  const bool failed = attempt.failure.has_value();
  unit_.attempts.push_back(std::move(attempt));
  if (!failed && !arm.at_once && unit_.started < arm.requests) return start_request();
  if (unit_.attempts.size() < unit_.started) return;
  const std::vector<Attempt> attempts = std::exchange(unit_.attempts, {});
  end_unit(attempts, arm.requests == 1 ? attempts.front().times.total : kernel_now() - unit_.began);
}

void Experiment::end_unit(const std::vector<Attempt>& attempts, Nanos took) {
  if (trying_ ? end_trial(attempts) : end_measured(attempts, took))
    next_turn();
  else
    later();
}

// Whether the arm's turn is over.
bool Experiment::end_trial(const std::vector<Attempt>& attempts) {
  Turn& turn = turns_.back();
  Course& course = *turn.course;
  std::string wrong = failure_of(attempts);
  if (wrong.empty()) wrong = not_in_force(course.arm, attempts);
  course.figures.unavailable = wrong;
  course.unit_bytes = sum_of(attempts, [](const HttpFacts& http) {
    return http.header_bytes + http.wire_bytes + http.sent_bytes;
  });
  return wrong.empty() || ++turn.ended == kTrials;
}

bool Experiment::end_measured(const std::vector<Attempt>& attempts, Nanos took) {
  Turn& turn = turns_.back();
  const Arm& arm = turn.course->arm;
  ArmFigures& figures = turn.course->figures;
  const bool warming_up = turn.ended++ == 0;
  const std::string failure = failure_of(attempts);
  turn.failed_in_a_row = failure.empty() ? 0 : turn.failed_in_a_row + 1;
  failed_in_a_row_ = failure.empty() ? 0 : failed_in_a_row_ + 1;
  const std::string wrong = failure.empty() ? not_in_force(arm, attempts) : "";
  if (!failure.empty()) figures.failure = failure;
  if (!wrong.empty()) figures.why_not_in_force = wrong;
  if (!warming_up) {
    ++figures.units;
    figures.failed += failure.empty() ? 0 : 1;
    figures.not_in_force += wrong.empty() ? 0 : 1;
    if (failure.empty() && wrong.empty())
      for (const Metric metric : settings_.factors[turn.course->factor].metrics)
        if (const auto figure = figure_of(metric, attempts, took))
          turn.good[metric].push_back(*figure);
  }
  if (failed_in_a_row_ == kTargetGivesUp)
    given_up_ = fmt::format("{} units failed in a row: {}", kTargetGivesUp, failure);
  return turn.ended > settings_.units || turn.failed_in_a_row == kTurnGivesUp || !given_up_.empty();
}

void Experiment::next_turn() {
  if (!trying_) end_turn(turns_.back());
  turns_.pop_back();
  if (!given_up_.empty()) return callbacks_.on_end();
  if (!turns_.empty()) return later();
  if (std::exchange(trying_, false)) {
    add_baselines_again();
    begin_block();
    callbacks_.on_tried(cost_of_blocks());
  } else {
    callbacks_.on_block(++block_);
    if (block_ < settings_.blocks) begin_block();
  }
  if (turns_.empty()) return callbacks_.on_end();
  later();
}

void Experiment::end_turn(Turn& turn) {
  for (const auto& [metric, values] : turn.good)
    if (values.size() >= kFewestGood)
      turn.course->figures.medians[metric].back() = median_of(values);
}

// The A/A arms join: each factor's baseline once more, where there is something to compare it with.
void Experiment::add_baselines_again() {
  for (std::size_t i = 0; i < settings_.factors.size(); ++i) {
    std::vector<const Course*> available;
    for (const auto& course : courses_)
      if (course->factor == i && course->figures.unavailable.empty())
        available.push_back(course.get());
    if (available.size() < 2) continue;
    auto again = std::make_unique<Course>();
    again->factor = i;
    again->arm = available[0]->arm;
    again->again = true;
    again->figures = {.name = available[0]->figures.name};
    again->unit_bytes = available[0]->unit_bytes;
    courses_.push_back(std::move(again));
  }
}

Experiment::Cost Experiment::cost_of_blocks() const {
  Cost cost;
  const std::uint64_t units = settings_.blocks * (settings_.units + 1);
  for (const Turn& turn : turns_) {
    cost.requests += units * turn.course->arm.requests;
    cost.bytes += units * turn.course->unit_bytes;
  }
  return cost;
}

void Experiment::begin_block() {
  std::vector<std::vector<Turn>> factors(settings_.factors.size());
  for (const auto& course : courses_)
    if (course->figures.unavailable.empty())
      factors[course->factor].push_back({.course = course.get()});
  std::erase_if(factors, [](const std::vector<Turn>& arms) { return arms.size() < 2; });
  std::ranges::shuffle(factors, random_);
  turns_.clear();
  for (std::vector<Turn>& arms : factors) {
    std::ranges::shuffle(arms, random_);
    for (Turn& turn : arms) turns_.push_back(std::move(turn));
  }
  for (const Turn& turn : turns_)
    for (const Metric metric : settings_.factors[turn.course->factor].metrics)
      turn.course->figures.medians[metric].resize(block_ + 1);
}

std::vector<FactorFigures> Experiment::figures() const {
  std::vector<FactorFigures> all;
  for (const Factor& factor : settings_.factors)
    all.push_back({.name = factor.name, .question = factor.question, .metrics = factor.metrics});
  for (const auto& course : courses_) {
    if (course->again)
      all[course->factor].baseline_again = course->figures;
    else
      all[course->factor].arms.push_back(course->figures);
  }
  return all;
}

}  // namespace netsonde
