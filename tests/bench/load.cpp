// SPDX-License-Identifier: Apache-2.0
// load WORKLOAD [CORE]   Runs bulk, rr, churn, refused or reset, both ends on one core (0), until its
// standard input ends. Answers every line there with one of its own: units done, CPU nanoseconds spent.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "tests/bench/workload.h"

int main(int count, char** arguments) {
  if (count < 2) {
    std::fputs("usage: load bulk|rr|churn|refused|reset [CORE]\n", stderr);
    return 2;
  }
  const int core = count > 2 ? std::atoi(arguments[2]) : 0;
  auto started = netsonde::bench::Workload::start(arguments[1], core);
  if (!started) {
    std::fprintf(stderr, "load: %s\n", started.error().message().c_str());
    return 1;
  }
  const netsonde::bench::Workload& load = started.value();
  for (int letter = std::getchar(); letter != EOF; letter = std::getchar()) {
    if (letter != '\n') continue;
    std::printf("%" PRIu64 " %" PRIu64 "\n", load.units(), load.cpu());
    std::fflush(stdout);
  }
  return 0;
}
