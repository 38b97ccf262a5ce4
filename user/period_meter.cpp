// SPDX-License-Identifier: Apache-2.0
#include "user/period_meter.h"

#include <fmt/format.h>

#include <csignal>
#include <utility>

#include "user/model/watchlist.h"

namespace netsonde {

namespace {

constexpr double kLeastBusy = 0.02;  // the kernel counts in ticks of milliseconds

}  // namespace

void PeriodFigures::begin() {
  first_ = true;
  ticks_ = 0;
  series_.clear();
  sums_ = {};
}

// The first tick after the begin is of a time that began before it.
Result<> PeriodFigures::on_snapshot(const Snapshot& snapshot) {
  connected_ += snapshot.totals().connected_rate * seconds(snapshot.interval());
  if (std::exchange(first_, false)) return {};
  ++ticks_;
  for (const WatchedSeries& series : watched_series())
    if (find_trial_metric(series.id)) series_[series.id].add(value_of(series, snapshot, ""));
  add(snapshot);
  return {};
}

void PeriodFigures::add(const Snapshot& snapshot) {
  const double span = seconds(snapshot.interval());
  const Totals& totals = snapshot.totals();
  sums_.sent += totals.tx_rate * span;
  sums_.busy_s += totals.busy * span;
  sums_.connected += totals.connected_rate * span;
  sums_.span_s += span;
  if (!snapshot.host()) return;
  sums_.counted_s += span;
  for (const std::string& cpu : snapshot.host()->instances("cpu.softirq_ms"))
    sums_.softirq_ms += snapshot.host()->rate("cpu.softirq_ms", cpu).value_or(0) * span;
}

TrialFigures PeriodFigures::figures() const {
  TrialFigures figures;
  for (const auto& [id, statistics] : series_)
    if (const auto mean = statistics.mean()) figures.emplace(id, *mean);
  if (sums_.busy_s > kLeastBusy) figures.emplace("tx_bytes_per_busy_s", sums_.sent / sums_.busy_s);
  if (sums_.span_s > 0) figures.emplace("connected_per_s", sums_.connected / sums_.span_s);
  if (sums_.counted_s > 0)
    figures.emplace("softirq_percent", sums_.softirq_ms / 10 / sums_.counted_s);
  return figures;
}

namespace {

// Between two probes: whatever answers has other things to do.
constexpr Nanos kPause = std::chrono::milliseconds(10);

class TimeMeter : public PeriodMeter {
 public:
  TimeMeter(Loop& loop, PeriodFigures& figures, Nanos period)
      : loop_(loop), figures_(figures), period_(period) {}

  void measure(Done done) override {
    figures_.begin();
    auto started = loop_.after(period_, [this, done = std::move(done)]() -> Result<> {
      const bool any = figures_.ticks() > 0;
      done(any ? std::optional(figures_.figures()) : std::nullopt);
      return {};
    });
    if (!started) problem_ = started.error().message();
  }
  std::string problem() const override { return problem_; }

 private:
  Loop& loop_;
  PeriodFigures& figures_;
  Nanos period_;
  std::string problem_;
};

class LoadMeter : public PeriodMeter {
 public:
  LoadMeter(Loop& loop, PeriodFigures& figures, std::string command)
      : loop_(loop), figures_(figures), command_(std::move(command)) {}
  ~LoadMeter() override { forget(); }

  void measure(Done done) override {
    figures_.begin();
    done_ = std::move(done);
    began_ = kernel_now();
    auto child = ChildProcess::start_whole({"/bin/sh", "-c", "exec 1>&2\n" + command_});
    if (!child) return fail(child.error().message());
    child_ = std::make_unique<ChildProcess>(std::move(child).value());
    if (Result<> watched = loop_.watch(child_->fd(), [this] { return end(); }); !watched)
      fail(watched.error().message());
  }
  std::string problem() const override { return problem_; }

 private:
  void forget() {
    if (child_) loop_.forget(child_->fd());
    child_.reset();
  }
  Result<> end() {
    const double took = seconds(kernel_now() - began_);
    loop_.forget(child_->fd());
    const int status = child_->end();
    child_.reset();
    if (status) {
      const bool needs_terminal = status == 128 + SIGTTIN || status == 128 + SIGTTOU;
      fail(needs_terminal ? "the load wants a terminal, and has none"
                          : fmt::format("the load ended with status {}", status));
      return {};
    }
    TrialFigures figures = figures_.figures();
    figures["load_seconds"] = took;
    std::exchange(done_, {})(std::move(figures));
    return {};
  }
  void fail(std::string problem) {
    problem_ = std::move(problem);
    forget();
    const auto begun = loop_.after(Nanos(0), [this]() -> Result<> {
      std::exchange(done_, {})(std::nullopt);
      return {};
    });
    (void)begun;
  }

  Loop& loop_;
  PeriodFigures& figures_;
  std::string command_, problem_;
  std::unique_ptr<ChildProcess> child_;
  Time began_{};
  Done done_;
};

class ProbeMeter : public PeriodMeter {
 public:
  ProbeMeter(Loop& loop, PeriodFigures& figures, Nanos period, Prober& prober, ProbeRequest request)
      : loop_(loop),
        figures_(figures),
        period_(period),
        prober_(prober),
        request_(std::move(request)) {}

  void measure(Done done) override {
    figures_.begin();
    done_ = std::move(done);
    until_ = kernel_now() + period_;
    total_us_ = {};
    failures_ = 0;
    start();
  }
  std::string problem() const override { return problem_; }

 private:
  void start() {
    prober_.start(request_, [this](const Attempt& attempt) { take(attempt); });
  }
  void start_later() {
    (void)loop_.after(kPause, [this]() -> Result<> {
      start();
      return {};
    });
  }
  void take(const Attempt& attempt) {
    if (attempt.failure) {
      ++failures_;
      problem_ = attempt.failure->detail;
    } else {
      total_us_.add(static_cast<double>(attempt.times.total.count()) / 1e3);
    }
    if (kernel_now() < until_) return start_later();
    if (!total_us_.count()) return std::exchange(done_, {})(std::nullopt);
    TrialFigures figures = figures_.figures();
    figures["probe_us"] = *total_us_.quantile(0.5);
    figures["probe_failures"] = failures_;
    std::exchange(done_, {})(std::move(figures));
  }

  Loop& loop_;
  PeriodFigures& figures_;
  Nanos period_;
  Prober& prober_;
  ProbeRequest request_;
  Time until_{};
  Statistics total_us_;
  double failures_ = 0;
  std::string problem_;
  Done done_;
};

}  // namespace

std::unique_ptr<PeriodMeter> meter_of_time(Loop& loop, PeriodFigures& figures, Nanos period) {
  return std::make_unique<TimeMeter>(loop, figures, period);
}

std::unique_ptr<PeriodMeter> meter_of_load(Loop& loop, PeriodFigures& figures,
                                           std::string command) {
  return std::make_unique<LoadMeter>(loop, figures, std::move(command));
}

std::unique_ptr<PeriodMeter> meter_of_probe(Loop& loop, PeriodFigures& figures, Nanos period,
                                            Prober& prober, ProbeRequest request) {
  return std::make_unique<ProbeMeter>(loop, figures, period, prober, std::move(request));
}

}  // namespace netsonde
