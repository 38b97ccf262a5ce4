// SPDX-License-Identifier: Apache-2.0
#include "probes/test_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "probes/test_budget.h"

namespace netsonde {

namespace {

constexpr std::uint64_t kLong = 64 << 10;     // a shorter answer fills no path
constexpr std::uint64_t kShort = 4096;        // what may come of an answer's first byte
constexpr std::uint64_t kFewLatencies = 5;    // as many answers are worth a stage
constexpr std::uint64_t kFewOfRate = 20;      // likewise
constexpr std::uint64_t kManyAnswers = 2000;  // of a whole test, if they are small
constexpr int kBins = 120;
constexpr Nanos kShortestBin = std::chrono::milliseconds(100);
constexpr Nanos kShortestLook = std::chrono::milliseconds(50);
constexpr int kLooks = 12;  // in a stage of responsiveness, if it has to be short
constexpr double kLeastRate = 1;

std::string bytes_text(std::uint64_t bytes) {
  return short_count(static_cast<double>(bytes)) + "B";
}

}  // namespace

Result<std::unique_ptr<TestPlan>> TestPlan::open(Loop& loop, TestSettings settings) {
  std::unique_ptr<TestPlan> plan(new TestPlan(loop, std::move(settings)));
  const std::size_t connections = plan->settings_.concurrency;
  plan->transfers_ =
      TRY(Transfers::open(loop, {.connections = connections, .connections_per_host = connections}));
  plan->steps_ = TRY(loop.every(Nanos(0), [self = plan.get()]() -> Result<> {
    TRY(self->loop_.set_interval(self->steps_, Nanos(0)));
    return std::exchange(self->step_, {})();
  }));
  plan->samples_ = TRY(loop.every(Nanos(0), [self = plan.get()] { return self->sample(); }));
  return plan;
}

TestPlan::~TestPlan() {
  if (steps_ >= 0) loop_.forget(steps_);
  if (samples_ >= 0) loop_.forget(samples_);
}

Result<> TestPlan::start(std::function<void()> on_progress, std::function<void()> on_end) {
  on_progress_ = std::move(on_progress);
  on_end_ = std::move(on_end);
  results_.budget = settings_.budget;
  results_.began = kernel_now();
  results_.bin_length = std::max(settings_.budget.duration / kBins, kShortestBin);
  requests_ = settings_.requests_before;
  received_ = settings_.bytes_before;
  TRY(loop_.set_interval(samples_, results_.bin_length));
  if (wants_short()) return find_short(false);
  return next_stage();
}

void TestPlan::later(std::function<Result<>()> step) {
  step_ = std::move(step);
  (void)loop_.set_interval(steps_, Nanos(1));
}

std::optional<TestStage> TestPlan::stage() const {
  if (stage_ == settings_.stages.size()) return std::nullopt;
  return settings_.stages[stage_];
}

std::uint64_t TestPlan::requests() const {
  return requests_ + (load_ ? load_->result().started : 0) + (sweep_ ? sweep_->requests() : 0) +
         (bandwidth_ ? std::as_const(*bandwidth_).result().requests : 0) +
         (responsiveness_ ? responsiveness_->requests() : 0);
}

std::uint64_t TestPlan::received_bytes() const {
  return received_ + transfers_->received_bytes() +
         (bandwidth_ ? bandwidth_->transfers().received_bytes() : 0) +
         (responsiveness_ ? responsiveness_->received_bytes() : 0);
}

TestBudget TestPlan::left() const {
  const TestBudget& budget = settings_.budget;
  return {.requests = budget.requests - std::min(budget.requests, requests()),
          .bytes = budget.bytes - std::min(budget.bytes, received_bytes()),
          .duration = results_.began + budget.duration - kernel_now()};
}

bool TestPlan::wants_short() const {
  const auto moves_bytes = [](TestStage stage) {
    return stage == TestStage::Download || stage == TestStage::Upload;
  };
  if (std::ranges::all_of(settings_.stages, moves_bytes)) return false;
  const bool probes =
      std::ranges::find(settings_.stages, TestStage::Responsiveness) != settings_.stages.end();
  return settings_.answer_bytes > (probes ? kLong : settings_.budget.bytes / kManyAnswers);
}

// What is asked for where the body does not matter: its first byte if the server gives parts, else
// none of it.
Result<> TestPlan::find_short(bool head) {
  ProbeRequest request = settings_.request;
  request.http.fresh = false;
  if (head)
    request.http.method = "HEAD";
  else
    request.http.headers.emplace_back("Range", "bytes=0-0");
  request.limits.body_bytes = kShort;
  ++requests_;
  transfers_->start(request, *request.pinned, [this, request, head](const Transferred& answer) {
    const Attempt& attempt = answer.attempt;
    const bool is_part = attempt.http && attempt.http->status == 206;
    const bool fits = !attempt.failure && (head || is_part);
    if (fits) {
      short_ = Asked{.request = request, .answer_bytes = attempt.http->wire_bytes};
      short_text_ = head ? "only its head" : "only its first byte";
    }
    later([this, retry = !fits && !head] { return retry ? find_short(true) : next_stage(); });
  });
  return {};
}

std::string TestPlan::answer_text() const {
  return fmt::format("An answer has {}{}", settings_.answer_is_longer ? "more than " : "",
                     bytes_text(settings_.answer_bytes));
}

// The whole answer where the share allows as many as that, or else a short one.
std::optional<TestPlan::Asked> TestPlan::asked(const TestBudget& share, std::uint64_t fewest) {
  if (!settings_.answer_is_longer && settings_.answer_bytes * fewest <= share.bytes)
    return Asked{.request = settings_.request, .answer_bytes = settings_.answer_bytes};
  if (short_)
    results_.stages.back().note = fmt::format("{}: {} was asked for.", answer_text(), short_text_);
  return short_;
}

Result<> TestPlan::next_stage() {
  const auto next = stage();
  if (!next) {
    TRY(loop_.set_interval(samples_, Nanos(0)));
    results_.ended = kernel_now();
    on_end_();
    return {};
  }
  results_.stages.push_back({.stage = *next, .from = kernel_now()});
  const TestBudget share = stage_share(settings_.budget, left(), settings_.stages, stage_);
  if (share.duration <= Nanos(0)) return skip("There was no time left for it.");
  if (share.requests == 0) return skip("There were no requests left for it.");
  return begin_stage(*next, share);
}

Result<> TestPlan::begin_stage(TestStage stage, const TestBudget& share) {
  switch (stage) {
    case TestStage::Cold:
    case TestStage::Warm: return begin_latency(stage, share);
    case TestStage::Download:
    case TestStage::Upload: return begin_bandwidth(stage, share);
    case TestStage::Sweep: return begin_sweep(share);
    case TestStage::OpenLoop: return begin_open_loop(share);
    case TestStage::Responsiveness: return begin_responsiveness(share);
  }
  return {};
}

Result<> TestPlan::skip(std::string why) {
  results_.stages.back().why_not = std::move(why);
  end_stage_later();
  return {};
}

Result<> TestPlan::skip_long(const TestBudget& share) {
  return skip(fmt::format("{}: too much for its share of {}, and the server gives no part of it.",
                          answer_text(), bytes_text(share.bytes)));
}

void TestPlan::end_stage_later() {
  later([this] { return end_stage(); });
}

Result<> TestPlan::end_stage() {
  results_.stages.back().to = kernel_now();
  add_running(results_);
  requests_ = requests();
  received_ = received_bytes() - transfers_->received_bytes();
  load_.reset();
  sweep_.reset();
  bandwidth_.reset();
  responsiveness_.reset();
  ++stage_;
  return next_stage();
}

void TestPlan::add_running(TestResults& results) const {
  const TestStage stage = results.stages.back().stage;
  if (load_ && stage == TestStage::Cold) results.cold->load = load_->result();
  if (load_ && stage == TestStage::Warm) results.warm->load = load_->result();
  if (load_ && stage == TestStage::OpenLoop) results.open_loop->load = load_->result();
  if (sweep_) results.sweep = sweep_->levels();
  if (sweep_) results.stages.back().note += sweep_->cut_short();
  if (bandwidth_)
    (stage == TestStage::Upload ? results.upload : results.download) =
        std::as_const(*bandwidth_).result();
  if (responsiveness_) results.responsiveness = responsiveness_->result();
}

TestResults TestPlan::results() const {
  TestResults results = results_;
  results.requests = requests();
  results.bytes = received_bytes();
  if (stage() && !results.stages.empty()) {
    add_running(results);
    results.stages.back().to = results.ended = kernel_now();
  }
  return results;
}

Send TestPlan::sender(const ProbeRequest& request) {
  return [this, request = request](Nanos at_most, Prober::OnAttempt on_attempt) mutable {
    request.limits.total = at_most;
    transfers_->start(request, *request.pinned,
                      [on_attempt = std::move(on_attempt)](Transferred transferred) {
                        on_attempt(std::move(transferred.attempt));
                      });
  };
}

// A slow server is given the time that it took before.
Nanos TestPlan::grace() const {
  return std::clamp<Nanos>(
      settings_.first_took * 3, std::chrono::seconds(1),
      std::max<Nanos>(settings_.request.limits.total, std::chrono::seconds(1)));
}

Result<> TestPlan::begin_latency(TestStage stage, const TestBudget& share) {
  auto wanted = asked(share, kFewLatencies);
  if (!wanted) return skip_long(share);
  const bool cold = stage == TestStage::Cold;
  (cold ? results_.cold : results_.warm).emplace();
  wanted->request.http.fresh = cold;
  wanted->request.lean = !cold;
  load_ = std::make_unique<ClosedLoad>(loop_, sender(wanted->request),
                                       LoadSettings{.requests = share.requests,
                                                    .bytes = share.bytes,
                                                    .answer_bytes = wanted->answer_bytes,
                                                    .duration = share.duration,
                                                    .timeout = settings_.request.limits.total,
                                                    .grace = grace(),
                                                    .opens = !cold});
  return load_->start([this](const Attempt& attempt, Nanos latency) { note(attempt, latency); },
                      [this] { end_stage_later(); });
}

Result<> TestPlan::begin_bandwidth(TestStage stage, const TestBudget& share) {
  const bool up = stage == TestStage::Upload;
  if (!up && settings_.answer_bytes < kLong)
    return skip(answer_text() + ": too short to tell; name something longer.");
  const ProbeRequest& request = up ? *settings_.upload : settings_.request;
  const BandwidthSettings with{.request = request,
                               .address = *request.pinned,
                               .requests = share.requests,
                               .bytes = share.bytes,
                               .duration = share.duration};
  bandwidth_ = TRY(up ? Upload::open(loop_, with) : Download::open(loop_, with));
  bandwidth_->start([this] { end_stage_later(); });
  return {};
}

Result<> TestPlan::begin_sweep(const TestBudget& share) {
  auto wanted = asked(share, 4 * settings_.concurrency);
  if (!wanted) return skip_long(share);
  wanted->request.http.fresh = false;
  wanted->request.lean = true;
  sweep_ = TRY(Sweep::open(loop_, sender(wanted->request),
                           {.most = settings_.concurrency,
                            .budget = share,
                            .answer_bytes = wanted->answer_bytes,
                            .timeout = settings_.request.limits.total,
                            .grace = grace()}));
  sweep_->start([this](const Attempt& attempt, Nanos latency) { note(attempt, latency); },
                [this] { end_stage_later(); });
  return {};
}

// Half of what the server was able to, within the budget, unless it is told.
double TestPlan::rate_for(const TestBudget& share, std::uint64_t answer_bytes) const {
  if (settings_.per_second) return *settings_.per_second;
  double rate = static_cast<double>(share.requests) / seconds(share.duration);
  if (answer_bytes != 0)
    rate = std::min(rate, static_cast<double>(share.bytes) / static_cast<double>(answer_bytes) /
                              seconds(share.duration));
  double best = 0;
  for (const SweepLevel& level : results_.sweep)
    best = std::max(best, level.load.per_second.value_or(0));
  if (best > 0) rate = std::min(rate, best / 2);
  return std::max(rate, kLeastRate);
}

Result<> TestPlan::begin_open_loop(const TestBudget& share) {
  auto wanted = asked(share, kFewOfRate);
  if (!wanted) return skip_long(share);
  wanted->request.http.fresh = false;
  wanted->request.lean = true;
  const double rate = rate_for(share, wanted->answer_bytes);
  results_.open_loop =
      OpenLoopResult{.wanted_per_second = rate, .most_in_flight = settings_.concurrency};
  load_ = std::make_unique<OpenLoad>(loop_, sender(wanted->request),
                                     LoadSettings{.concurrency = settings_.concurrency,
                                                  .per_second = rate,
                                                  .requests = share.requests,
                                                  .bytes = share.bytes,
                                                  .answer_bytes = wanted->answer_bytes,
                                                  .duration = share.duration,
                                                  .timeout = settings_.request.limits.total,
                                                  .grace = grace()});
  return load_->start([this](const Attempt& attempt, Nanos latency) { note(attempt, latency); },
                      [this] { end_stage_later(); });
}

// The draft's second, or less where the budget is used up too fast for that.
Nanos TestPlan::look_every(const TestBudget& share) const {
  Nanos time = share.duration;
  if (const auto mbps = results_.download ? results_.download->mbps() : std::nullopt) {
    const double by_bytes = static_cast<double>(share.bytes) * 8 / (*mbps * 1e6);
    time = std::min(time, Nanos(static_cast<std::int64_t>(by_bytes * 1e9)));
  }
  return std::clamp<Nanos>(time / kLooks, kShortestLook, std::chrono::seconds(1));
}

Result<> TestPlan::begin_responsiveness(const TestBudget& share) {
  if (settings_.answer_bytes < kLong)
    return skip(answer_text() + ": too short to fill a path; name something longer.");
  if (!short_) return skip("The server gives neither a part of its answer nor its head alone.");
  responsiveness_ = TRY(Responsiveness::open(loop_, {.load = settings_.request,
                                                     .probe = short_->request,
                                                     .address = *settings_.request.pinned,
                                                     .multiplexed = settings_.multiplexed,
                                                     .requests = share.requests,
                                                     .bytes = share.bytes,
                                                     .duration = share.duration,
                                                     .interval = look_every(share),
                                                     .icmp = std::move(settings_.icmp),
                                                     .queues = settings_.queues}));
  return responsiveness_->start([this] { end_stage_later(); });
}

LatencyResult* TestPlan::phases_of_stage() {
  if (stage() == TestStage::Cold) return &*results_.cold;
  if (stage() == TestStage::Warm) return &*results_.warm;
  return nullptr;
}

TestBin& TestPlan::bin_at(Time now) {
  const auto index = static_cast<std::size_t>((now - results_.began) / results_.bin_length);
  if (results_.bins.size() <= index) results_.bins.resize(index + 1);
  return results_.bins[index];
}

void TestPlan::note(const Attempt& attempt, Nanos latency) {
  TestBin& bin = bin_at(kernel_now());
  if (attempt.failure) {
    ++bin.failed;
    return;
  }
  add_latency(bin, latency);
  LatencyResult* phases = phases_of_stage();
  const bool opens = stage() == TestStage::Warm && !attempt.reused;
  if (phases && !opens) add_phases(*phases, attempt);
}

// What came since the last time, into the bin that has just ended.
Result<> TestPlan::sample() {
  const std::uint64_t received = received_bytes();
  bin_at(kernel_now() - results_.bin_length / 2).received_bytes +=
      received - std::exchange(sampled_, received);
  on_progress_();
  return {};
}

}  // namespace netsonde
