// SPDX-License-Identifier: Apache-2.0
#include "tuner/trial.h"

#include <algorithm>
#include <random>
#include <utility>

namespace netsonde {

namespace {

std::vector<bool> order_of(const TrialSettings& settings) {
  std::mt19937_64 random(settings.seed);
  std::vector<bool> order;
  for (std::size_t period = 0; period < 2 * settings.blocks; ++period)
    if (settings.design == TrialDesign::Once)
      order.push_back(period >= settings.blocks);
    else
      order.push_back(period % 2 ? !order.back() : (random() & 1) != 0);
  return order;
}

}  // namespace

Nanos time_of(const TrialSettings& settings, Nanos period) {
  const auto periods = static_cast<std::int64_t>(2 * settings.blocks);
  const bool once = settings.design == TrialDesign::Once;
  return periods * period + (once ? 2 : periods) * settings.wash_out;
}

Trial::Trial(Loop& loop, const TrialSettings& settings, Callbacks callbacks)
    : loop_(loop),
      settings_(settings),
      callbacks_(std::move(callbacks)),
      order_(order_of(settings_)) {}

Trial::~Trial() {
  if (timer_ >= 0) loop_.forget(timer_);
}

void Trial::start() {
  auto timer = loop_.every(Nanos(0), [this]() -> Result<> {
    TRY(loop_.set_interval(timer_, Nanos(0)));
    measure();
    return {};
  });
  if (!timer) return end(timer.error().message());
  timer_ = timer.value();
  begin_period();
}

// Once: what is there stays.
void Trial::begin_period() {
  const std::size_t period = before_.size() + after_.size();
  const bool goes_on =
      settings_.design == TrialDesign::Once && period > 0 && order_[period] == order_[period - 1];
  const Result<> set = goes_on ? Result<>() : callbacks_.set(order_[period]);
  if (!set) return end(set.error().message());
  const Nanos wait = goes_on ? Nanos(1) : std::max(settings_.wash_out, Nanos(1));
  if (Result<> waits = loop_.set_interval(timer_, wait); !waits) end(waits.error().message());
}

void Trial::measure() {
  callbacks_.measure(
      [this](std::optional<TrialFigures> figures) { end_period(std::move(figures)); });
}

void Trial::end_period(std::optional<TrialFigures> figures) {
  if (!figures) return end("nothing could be measured");
  const bool tried = order_[before_.size() + after_.size()];
  if (const Result<> held = callbacks_.set(tried); !held) return end(held.error().message());
  (tried ? after_ : before_).push_back(*std::move(figures));
  if (std::min(before_.size(), after_.size()) > blocks_.size()) return end_block();
  begin_period();
}

void Trial::end_block() {
  const std::size_t block = blocks_.size();
  blocks_.push_back({.before = before_[block], .after = after_[block]});
  if (callbacks_.on_block) callbacks_.on_block(blocks_.size());
  const std::string harm =
      harm_of(blocks_, settings_.decides, settings_.blocks, settings_.seed, settings_.tolerance);
  harmed_ = !harm.empty();
  if (harmed_) return end(harm);
  if (blocks_.size() == settings_.blocks) return end({});
  begin_period();
}

void Trial::end(std::string why) {
  ended_early_ = std::move(why);
  callbacks_.on_end();
}

}  // namespace netsonde
