// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "user/base/child.h"
#include "user/base/loop.h"
#include "user/model/statistics.h"
#include "user/model/trial.h"
#include "user/probing.h"
#include "user/session.h"

namespace netsonde {

// What the kernel tells in one period: the watched series that are metrics of trials, each as the
// mean of its ticks, and what its sums say.
class PeriodFigures : public Sink {
 public:
  void begin();
  Result<> on_snapshot(const Snapshot& snapshot) override;
  // Ticks that lie wholly in the period.
  std::size_t ticks() const { return ticks_; }
  TrialFigures figures() const;
  // Connections established since it began to listen, in whatever period or between two of them.
  double connected() const { return connected_; }

 private:
  void add(const Snapshot& snapshot);

  bool first_ = true;
  double connected_ = 0;
  std::size_t ticks_ = 0;
  std::map<std::string_view, Statistics> series_;
  struct Sums {
    double sent = 0, busy_s = 0;  // bytes, by connections that were busy so long together
    double softirq_ms = 0, counted_s = 0;
    double connected = 0, span_s = 0;
  } sums_;
};

// Measures one period after the other.
class PeriodMeter {
 public:
  using Done = std::function<void(std::optional<TrialFigures>)>;

  virtual ~PeriodMeter() = default;
  // Calls back once, later.
  virtual void measure(Done done) = 0;
  // Why it measured nothing.
  virtual std::string problem() const { return {}; }
};

// So long, on whatever traffic there is.
std::unique_ptr<PeriodMeter> meter_of_time(Loop& loop, PeriodFigures& figures, Nanos period);
// While the command runs, which must succeed.
std::unique_ptr<PeriodMeter> meter_of_load(Loop& loop, PeriodFigures& figures, std::string command);
// So long, with one probe after the other.
std::unique_ptr<PeriodMeter> meter_of_probe(Loop& loop, PeriodFigures& figures, Nanos period,
                                            Prober& prober, ProbeRequest request);

}  // namespace netsonde
