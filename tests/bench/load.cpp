// SPDX-License-Identifier: Apache-2.0
// load WORKLOAD [CORE]   Runs bulk, rr, churn, refused or reset, both ends on one core (0), until
// its standard input ends. Answers every line there with one of its own: units done, CPU
// nanoseconds spent.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

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
  netsonde::bench::Workload& load = started.value();
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) load.set_rate(std::strtoull(line.c_str(), nullptr, 10));
    std::printf("%" PRIu64 " %" PRIu64 "\n", load.units(), load.cpu());
    std::fflush(stdout);
  }
  return 0;
}
