// SPDX-License-Identifier: Apache-2.0
#include "probes/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "probes/test_budget.h"

namespace netsonde {

namespace {

// The server cannot be reached any more, or not by so many.
bool is_mostly_lost(const LoadResult& load) {
  const auto refused = load.failures.find(FailureKind::HttpStatus);
  const std::uint64_t answers = refused == load.failures.end() ? 0 : refused->second.count;
  return (load.failed() - answers) * 2 > load.started;
}

}  // namespace

Result<std::unique_ptr<Sweep>> Sweep::open(Loop& loop, Send send, const SweepSettings& settings) {
  std::unique_ptr<Sweep> sweep(new Sweep(loop, std::move(send), settings));
  sweep->timer_ = TRY(loop.every(Nanos(0), [self = sweep.get()] { return self->on_step(); }));
  return sweep;
}

Sweep::Sweep(Loop& loop, Send send, const SweepSettings& settings)
    : loop_(loop),
      send_(std::move(send)),
      settings_(settings),
      coming_(sweep_levels(settings.most)) {}

Sweep::~Sweep() {
  if (timer_ >= 0) loop_.forget(timer_);
}

void Sweep::start(OnRequest on_request, std::function<void()> on_end) {
  on_request_ = std::move(on_request);
  on_end_ = std::move(on_end);
  began_ = kernel_now();
  later();
}

std::vector<SweepLevel> Sweep::levels() const {
  std::vector<SweepLevel> levels = ended_;
  if (load_) levels.push_back({.concurrency = concurrency_, .load = load_->result()});
  return levels;
}

std::uint64_t Sweep::requests() const {
  std::uint64_t requests = load_ ? load_->result().started : 0;
  for (const SweepLevel& level : ended_) requests += level.load.started;
  return requests;
}

TestBudget Sweep::left() const {
  std::uint64_t bytes = 0;
  for (const SweepLevel& level : ended_) bytes += level.load.wire_bytes;
  const TestBudget& budget = settings_.budget;
  return {.requests = budget.requests - std::min(budget.requests, requests()),
          .bytes = budget.bytes - std::min(budget.bytes, bytes),
          .duration = began_ + budget.duration - kernel_now()};
}

// From the timer, so that no load is ended by what it calls.
void Sweep::later() {
  (void)loop_.set_interval(timer_, Nanos(1));
}

Result<> Sweep::on_step() {
  TRY(loop_.set_interval(timer_, Nanos(0)));
  if (load_) ended_.push_back({.concurrency = concurrency_, .load = load_->result()});
  load_.reset();
  if (!coming_.empty()) {
    const TestBudget share = level_share(left(), coming_);
    cut_short_ = reason_to_stop(share);
    if (cut_short_.empty()) return begin_level(share);
  }
  std::exchange(on_end_, {})();
  return {};
}

std::string Sweep::reason_to_stop(const TestBudget& share) const {
  const std::size_t next = coming_.front();
  if (!ended_.empty() && is_mostly_lost(ended_.back().load))
    return fmt::format("with {} at once most requests were lost, so more were not tried",
                       concurrency_);
  const bool too_few = share.requests < 2 * next || share.bytes < 2 * next * settings_.answer_bytes;
  if (too_few) return fmt::format("for {} at once there was too little left of the budget", next);
  if (share.duration <= Nanos(0)) return fmt::format("for {} at once there was no time left", next);
  return {};
}

Result<> Sweep::begin_level(const TestBudget& share) {
  concurrency_ = coming_.front();
  coming_.erase(coming_.begin());
  load_ = std::make_unique<ClosedLoad>(loop_, send_,
                                       LoadSettings{.concurrency = concurrency_,
                                                    .requests = share.requests,
                                                    .bytes = share.bytes,
                                                    .answer_bytes = settings_.answer_bytes,
                                                    .duration = share.duration,
                                                    .timeout = settings_.timeout,
                                                    .grace = settings_.grace,
                                                    .opens = true});
  return load_->start(on_request_, [this] { later(); });
}

}  // namespace netsonde
