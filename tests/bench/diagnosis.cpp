// SPDX-License-Identifier: Apache-2.0
// diagnosis SECONDS   What the diagnosis takes of the live view: watches the host as that does, one
// look per second, and prints one JSON object with the medians per tick, in milliseconds: what
// following the events took, and what looking for findings took.
#include "user/model/diagnosis/diagnosis.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/measure.h"
#include "user/model/diagnosis/rolling.h"
#include "user/session.h"

namespace netsonde::bench {

namespace {

using Clock = std::chrono::steady_clock;

double ms(Clock::duration span) {
  return std::chrono::duration<double, std::milli>(span).count();
}

// The clock itself, twice per event, is part of the figure.
class Timed : public Sink {
 public:
  void before_event(const Event& event, const Store& store) override {
    const auto begin = Clock::now();
    window_.before_event(event, store);
    following_ += Clock::now() - begin;
  }
  Result<> on_event(const Event& event, const Store& store) override {
    const auto begin = Clock::now();
    auto done = window_.on_event(event, store);
    following_ += Clock::now() - begin;
    return done;
  }
  Result<> on_host(Time now, std::span<const HostValue> values) override {
    const auto begin = Clock::now();
    auto done = window_.on_host(now, values);
    following_ += Clock::now() - begin;
    return done;
  }
  Result<> on_snapshot(const Snapshot& snapshot) override {
    const auto begin = Clock::now();
    TRY(window_.on_snapshot(snapshot));
    const Observation observation = window_.observe(snapshot);
    findings_ = diagnose(observation).findings.size();
    const auto took = Clock::now() - begin;
    watched_.push_back(static_cast<double>(observation.connections.size()));
    follow_ms_.push_back(ms(following_));
    look_ms_.push_back(ms(took));
    all_ms_.push_back(ms(following_ + took));
    following_ = {};
    return {};
  }

  void print() const {
    fmt::print(R"({{"watched":{},"follow_ms":{:.2f},"look_ms":{:.2f},"tick_ms":{:.2f},)"
               R"("findings":{}}})"
               "\n",
               median(watched_), median(follow_ms_), median(look_ms_), median(all_ms_), findings_);
  }

 private:
  RollingObserver window_;
  Clock::duration following_{};
  std::vector<double> watched_, follow_ms_, look_ms_, all_ms_;
  std::size_t findings_ = 0;
};

Result<> run(int seconds) {
  SessionSettings settings;
  settings.duration = std::chrono::seconds(seconds);
  const Filter everything;
  Session session = TRY(Session::open(settings, everything));
  Timed timed;
  session.add_sink(timed);
  TRY(session.run());
  timed.print();
  return {};
}

}  // namespace

}  // namespace netsonde::bench

int main(int count, char** arguments) {
  const int seconds = count > 1 ? std::atoi(arguments[1]) : 0;
  if (seconds < 3) {
    std::fputs("usage: diagnosis SECONDS\n", stderr);
    return 2;
  }
  const auto done = netsonde::bench::run(seconds);
  if (done) return 0;
  std::fprintf(stderr, "diagnosis: %s\n", done.error().message().c_str());
  return 1;
}
