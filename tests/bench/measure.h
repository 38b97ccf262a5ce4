// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <random>
#include <vector>

#include "user/base/units.h"

namespace netsonde::bench {

inline void pin(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<unsigned>(core), &cores);
  sched_setaffinity(0, sizeof(cores), &cores);
}

// User plus system time of all threads of a process, exact at the time of the call (what
// /proc/PID/schedstat holds, but that is only brought up to date on a tick).
inline std::uint64_t cpu_ns(pid_t process) {
  clockid_t clock = 0;
  timespec spent = {};
  if (clock_getcpuclockid(process, &clock) || clock_gettime(clock, &spent)) return 0;
  return static_cast<std::uint64_t>(spent.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(spent.tv_nsec);
}

inline void sleep_for(Nanos span) {
  const timespec wait = {.tv_sec = span.count() / 1'000'000'000,
                         .tv_nsec = span.count() % 1'000'000'000};
  nanosleep(&wait, nullptr);
}

// 0 when there are no values.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Interval {
  double low = 0;
  double high = 0;
};

// Bootstrap, 95%, of the median.
inline Interval median_interval(const std::vector<double>& values, std::mt19937& random) {
  constexpr int kResamples = 1000;
  if (values.empty()) return {};
  std::uniform_int_distribution<std::size_t> pick(0, values.size() - 1);
  std::vector<double> medians;
  std::vector<double> resample(values.size());
  for (int i = 0; i < kResamples; ++i) {
    for (double& value : resample) value = values[pick(random)];
    medians.push_back(median(resample));
  }
  std::sort(medians.begin(), medians.end());
  return {.low = medians[kResamples / 40], .high = medians[kResamples - kResamples / 40 - 1]};
}

}  // namespace netsonde::bench
