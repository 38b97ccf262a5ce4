// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <variant>

#include "user/base/result.h"
#include "user/cli.h"
#include "user/controller.h"

using namespace netsonde;

// fmt throws when standard output takes no more.
static Result<int> run_to_end(const Options& options) {
  try {
    return run(options);
  } catch (const std::system_error& error) {
    return Error("write to standard output: " + error.code().message());
  }
}

// Each program and each namespace takes a descriptor, and shells allow few.
static void allow_more_files() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit)) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Who starts us with closed standard streams must not get a BPF object in their place; writing to
// these fails.
static void occupy_standard_streams() {
  while (true) {
    const int fd = open("/dev/null", O_RDONLY);
    if (fd > STDERR_FILENO) close(fd);
    if (fd < 0 || fd > STDERR_FILENO) return;
  }
}

int main(int count, char** arguments) {
  std::setlocale(LC_CTYPE, "");
  occupy_standard_streams();
  allow_more_files();
  auto parsed = parse_arguments(count, arguments);
  Result<int> status = 0;
  if (const auto* answer = std::get_if<Answer>(&parsed)) {
    std::fputs(answer->text.c_str(), answer->status ? stderr : stdout);
    status = answer->status;
  } else {
    status = run_to_end(std::get<Options>(parsed));
  }
  if (status && (std::fflush(stdout) || std::ferror(stdout)))
    status = Error::from_errno("write to standard output");
  if (status) return status.value();
  std::fprintf(stderr, "netsonde: %s\n", status.error().message().c_str());
  return 1;
}
