// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace netsonde {

// A command that we started. It does not outlive its owner.
class ChildProcess {
 public:
  // The program is looked for in PATH. Fails when it cannot be executed.
  static Result<ChildProcess> start(const std::vector<std::string>& words);
  // Without a terminal to read from, and with all that it starts: whoever is left when it has
  // ended, when it is asked to end or when we are gone, however that came, is asked to end, and
  // killed a second later. Who stops itself has ended, with 128 and the signal.
  static Result<ChildProcess> start_whole(const std::vector<std::string>& words);
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), fd_(std::move(other.fd_)) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() {
    if (pid_) end();
  }

  int fd() const { return fd_.get(); }  // readable when it has ended
  // Asks it to end (SIGTERM) unless it has, and waits for that. Its exit status as a shell gives
  // it: 128 and more for a signal.
  int end();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  static Result<ChildProcess> start(const std::vector<std::string>& words, bool whole);

  pid_t pid_;
  UniqueFd fd_;
};

}  // namespace netsonde
