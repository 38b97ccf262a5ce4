// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "probes/bandwidth.h"
#include "probes/load.h"
#include "probes/responsiveness.h"
#include "probes/sweep.h"
#include "probes/transfer.h"
#include "user/model/test_results.h"

namespace netsonde {

struct TestSettings {
  ProbeRequest request{};  // pinned to its address; its limits are those of one request
  std::optional<ProbeRequest> upload{};  // likewise
  std::uint64_t answer_bytes = 0;        // of one body
  bool answer_is_longer = false;         // than that, nobody knows how much
  // What is part of the budget, too.
  std::uint64_t requests_before = 0, bytes_before = 0;
  Nanos first_took{};        // one of them
  bool multiplexed = false;  // HTTP/2
  std::size_t concurrency = 64;
  std::optional<double> per_second{};  // of the open loop; half of the best of the sweep
  TestBudget budget{};
  std::vector<TestStage> stages{};  // in this order
  // As of ResponsivenessSettings.
  std::unique_ptr<Prober> icmp{};
  std::function<std::vector<DeviceQueue>()> queues{};
};

// The stages of a test, one after the other, each with its share of what is left of the budget.
class TestPlan {
 public:
  static Result<std::unique_ptr<TestPlan>> open(Loop& loop, TestSettings settings);
  TestPlan(const TestPlan&) = delete;
  TestPlan& operator=(const TestPlan&) = delete;
  ~TestPlan();

  // Calls back on the way, some ten times a second, and once when it is done.
  Result<> start(std::function<void()> on_progress, std::function<void()> on_end);
  // By now.
  TestResults results() const;
  // For those who watch: the stage that runs, and what was used up by now.
  std::optional<TestStage> stage() const;
  // How many at once, in a sweep.
  std::size_t concurrency() const { return sweep_ ? sweep_->concurrency() : 0; }
  std::uint64_t requests() const;
  std::uint64_t received_bytes() const;

 private:
  // What is asked for, and how much comes then.
  struct Asked {
    ProbeRequest request{};
    std::uint64_t answer_bytes = 0;
  };

  TestPlan(Loop& loop, TestSettings settings) : loop_(loop), settings_(std::move(settings)) {}

  TestBudget left() const;
  bool wants_short() const;
  Result<> find_short(bool head);
  std::optional<Asked> asked(const TestBudget& share, std::uint64_t fewest);

  // From the timer: nothing is ended by what it calls.
  void later(std::function<Result<>()> step);
  Result<> next_stage();
  Result<> begin_stage(TestStage stage, const TestBudget& share);
  Result<> begin_latency(TestStage stage, const TestBudget& share);
  Result<> begin_bandwidth(TestStage stage, const TestBudget& share);
  Result<> begin_sweep(const TestBudget& share);
  Result<> begin_open_loop(const TestBudget& share);
  Result<> begin_responsiveness(const TestBudget& share);
  Result<> skip(std::string why);
  Result<> skip_long(const TestBudget& share);
  std::string answer_text() const;
  void end_stage_later();
  Result<> end_stage();
  // What the stage that runs has come to by now.
  void add_running(TestResults& results) const;

  Send sender(const ProbeRequest& request);
  Nanos grace() const;
  double rate_for(const TestBudget& share, std::uint64_t answer_bytes) const;
  Nanos look_every(const TestBudget& share) const;
  LatencyResult* phases_of_stage();
  void note(const Attempt& attempt, Nanos latency);
  TestBin& bin_at(Time now);
  Result<> sample();

  Loop& loop_;
  TestSettings settings_;
  std::function<void()> on_progress_, on_end_;
  std::function<Result<>()> step_;
  int steps_ = -1, samples_ = -1;  // timers
  TestResults results_;
  std::optional<Asked> short_{};  // what has a short answer
  std::string short_text_{};      // which one
  std::size_t stage_ = 0;         // of the settings
  std::uint64_t requests_ = 0;    // of what has ended
  std::uint64_t received_ = 0;    // bytes, of connections that are gone
  std::uint64_t sampled_ = 0;     // bytes
  std::unique_ptr<Load> load_{};
  std::unique_ptr<Sweep> sweep_{};
  std::unique_ptr<Bandwidth> bandwidth_{};
  std::unique_ptr<Responsiveness> responsiveness_{};
  std::unique_ptr<Transfers> transfers_{};  // last: what it runs calls back into the rest
};

}  // namespace netsonde
