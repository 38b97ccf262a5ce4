// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "probes/breaker.h"
#include "probes/prober.h"
#include "probes/retry.h"
#include "user/base/loop.h"

namespace netsonde {

struct ProbeRunSettings {
  std::vector<ProbeRequest> requests{};
  std::uint64_t rounds = 1;                  // 0: until stopped
  Nanos interval = std::chrono::seconds(1);  // from the begin of a round to that of the next
  std::size_t parallel = 64;                 // attempts at once
  std::size_t per_host = 16;                 // of these, to one host
  unsigned retries = 0;                      // of an attempt that failed
  RetrySettings backoff{};
  BreakerSettings breaker{};
};

// Measures each of its targets once a round: never one twice at the same time, never more than so
// many at once, and one that keeps failing is left alone for a while.
class ProbeRun {
 public:
  using ProberOf = std::function<Prober&(Scheme)>;
  using OnAttempt = std::function<void(const ProbeRequest&, const Attempt&)>;

  // The loop and the probers outlive it.
  static Result<std::unique_ptr<ProbeRun>> open(Loop& loop, ProberOf prober_of,
                                                ProbeRunSettings settings);
  ProbeRun(const ProbeRun&) = delete;
  ProbeRun& operator=(const ProbeRun&) = delete;
  ~ProbeRun();

  // Calls back for every attempt, then once when all rounds are done.
  void start(OnAttempt on_attempt, std::function<void()> on_end);

  // Attempts that run now.
  std::size_t running() const { return running_; }

 private:
  struct Course {
    std::uint64_t round = 1;
    unsigned attempt = 1;
    Time round_began{};
    Breaker breaker;
    RetryBudget budget{};
  };

  ProbeRun(Loop& loop, ProberOf prober_of, ProbeRunSettings settings)
      : loop_(loop), prober_of_(std::move(prober_of)), settings_(std::move(settings)) {}
  void fill();
  void begin(std::size_t index);
  void take(std::size_t index, Attempt attempt);
  std::optional<Nanos> wait_to_retry(Course& course, const ProbeRequest& request,
                                     const Attempt& attempt);
  void next_round(std::size_t index);

  Loop& loop_;
  ProberOf prober_of_;
  ProbeRunSettings settings_;
  OnAttempt on_attempt_;
  std::function<void()> on_end_;
  std::vector<Course> courses_;  // by request
  std::multimap<Time, std::size_t> waiting_;
  std::deque<std::size_t> due_;
  std::map<std::string, std::size_t> hosts_;  // attempts that run, by host
  std::size_t running_ = 0, left_ = 0;
  int timer_ = -1;
  bool filling_ = false, refill_ = false;
  std::mt19937_64 random_{std::random_device()()};
};

}  // namespace netsonde
