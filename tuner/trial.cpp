// SPDX-License-Identifier: Apache-2.0
#include "tuner/trial.h"

#include <algorithm>
#include <utility>

namespace netsonde {

Trial::Trial(Loop& loop, TrialSettings settings, Callbacks callbacks)
    : loop_(loop), settings_(settings), callbacks_(std::move(callbacks)), random_(settings.seed) {}

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
  begin_block();
}

void Trial::begin_block() {
  block_ = {};
  second_ = false;
  tried_ = random_() & 1;
  begin_period();
}

void Trial::begin_period() {
  if (Result<> set = callbacks_.set(tried_); !set) return end(set.error().message());
  const Nanos wait = std::max(settings_.wash_out, Nanos(1));
  if (Result<> waits = loop_.set_interval(timer_, wait); !waits) end(waits.error().message());
}

void Trial::measure() {
  callbacks_.measure(
      [this](std::optional<TrialFigures> figures) { end_period(std::move(figures)); });
}

void Trial::end_period(std::optional<TrialFigures> figures) {
  if (!figures) return end("nothing could be measured");
  (tried_ ? block_.after : block_.before) = *std::move(figures);
  if (second_) return end_block();
  second_ = true;
  tried_ = !tried_;
  begin_period();
}

void Trial::end_block() {
  blocks_.push_back(std::move(block_));
  if (callbacks_.on_block) callbacks_.on_block(blocks_.size());
  const std::string harm = harm_of(blocks_, settings_.blocks, settings_.seed);
  harmed_ = !harm.empty();
  if (harmed_) return end(harm);
  if (blocks_.size() == settings_.blocks) return end({});
  begin_block();
}

void Trial::end(std::string why) {
  ended_early_ = std::move(why);
  callbacks_.on_end();
}

}  // namespace netsonde
