// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "probes/load.h"
#include "user/model/test_results.h"

namespace netsonde {

struct SweepSettings {
  std::size_t most = 64;  // at once
  TestBudget budget{};
  std::uint64_t answer_bytes = 0;
  Nanos timeout = std::chrono::seconds(10);
  Nanos grace = std::chrono::seconds(1);
};

// More and more requests at once, a while each.
class Sweep {
 public:
  static Result<std::unique_ptr<Sweep>> open(Loop& loop, Send send, const SweepSettings& settings);
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;
  ~Sweep();

  // Calls back once, later.
  void start(OnRequest on_request, std::function<void()> on_end);

  // By now, the level that runs included.
  std::vector<SweepLevel> levels() const;
  std::size_t concurrency() const { return concurrency_; }
  std::uint64_t requests() const;
  // Why there are no more levels; empty: there are all.
  const std::string& cut_short() const { return cut_short_; }

 private:
  Sweep(Loop& loop, Send send, const SweepSettings& settings);
  void later();
  Result<> on_step();
  Result<> begin_level(const TestBudget& share);
  std::string reason_to_stop(const TestBudget& share) const;
  TestBudget left() const;

  Loop& loop_;
  Send send_;
  SweepSettings settings_;
  OnRequest on_request_;
  std::function<void()> on_end_;
  std::vector<std::size_t> coming_;
  std::vector<SweepLevel> ended_;
  std::size_t concurrency_ = 0;
  Time began_{};
  int timer_ = -1;
  std::string cut_short_;
  std::unique_ptr<Load> load_;
};

}  // namespace netsonde
