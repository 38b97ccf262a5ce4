// SPDX-License-Identifier: Apache-2.0
// scale SOCKETS [active]   Holds so many established TCP sockets (both ends of half as many
// loopback connections), in as many processes as the limit of open files asks for. They do nothing,
// or each sends and receives a byte twice a second. Prints "ready" when all are open and holds them
// until its standard input ends.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "tests/bench/measure.h"
#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde::bench {

namespace {

constexpr int kOtherFiles = 32;
constexpr int kMostPairs = 20000;  // each process has one port to connect to, so one range of ports

// How many connections one process can hold both ends of.
int pairs_per_process() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto files =
      static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 2 * kMostPairs + kOtherFiles));
  return (files - kOtherFiles) / 2;
}

struct Pair {
  int client, server;
};

// The sockets stay open until the process ends.
Result<std::vector<Pair>> open_pairs(int pairs) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, generic, size) || listen(listener, 128) ||
      getsockname(listener, generic, &size))
    return Error::from_errno("listen on loopback");
  std::vector<Pair> opened;
  for (int i = 0; i < pairs; ++i) {
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0 || connect(client, generic, size)) return Error::from_errno("connect");
    const int server = accept(listener, nullptr, nullptr);
    if (server < 0) return Error::from_errno("accept");
    opened.push_back({.client = client, .server = server});
  }
  close(listener);
  return opened;
}

void pass_byte(int from, int to) {
  char byte = 0;
  if (send(from, &byte, 1, MSG_NOSIGNAL) != 1 || recv(to, &byte, 1, 0) != 1) _exit(1);
}

// Writes one byte to `done` when its connections are open.
[[noreturn]] void hold(int pairs, int done, bool active) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto opened = open_pairs(pairs);
  if (!opened) {
    std::fprintf(stderr, "scale: %s\n", opened.error().message().c_str());
    _exit(1);
  }
  if (write(done, "", 1) != 1) _exit(1);
  close(done);
  while (!active) pause();
  while (true) {
    for (const Pair& pair : opened.value()) {
      pass_byte(pair.client, pair.server);
      pass_byte(pair.server, pair.client);
    }
    sleep_for(std::chrono::milliseconds(500));
  }
}

int run(int sockets, bool active) {
  int ends[2];
  if (pipe(ends)) return 1;
  const UniqueFd ready(ends[0]);
  UniqueFd done(ends[1]);
  const int most = pairs_per_process();
  int holders = 0;
  for (int left = sockets / 2; left > 0; left -= most, ++holders)
    if (fork() == 0) hold(std::min(left, most), done.get(), active);
  done.reset();
  char byte = 0;
  for (int i = 0; i < holders; ++i)
    if (read(ready.get(), &byte, 1) != 1) return 1;
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

}  // namespace

}  // namespace netsonde::bench

int main(int count, char** arguments) {
  const int sockets = count > 1 ? std::atoi(arguments[1]) : 0;
  const bool active = count > 2 && std::string_view(arguments[2]) == "active";
  if (sockets >= 2) return netsonde::bench::run(sockets, active);
  std::fputs("usage: scale SOCKETS [active]\n", stderr);
  return 2;
}
